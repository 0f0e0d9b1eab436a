"""The card driver for real readers, and the one file that imports smartcard (pyscard)."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from smartcard import scard

from dtu.core.events import CardAnswered, CardEvent
from dtu.core.piv.results import CardRequest
from dtu.drivers.card.base import Post
from dtu.drivers.card.insertions import Insertions
from dtu.drivers.card.requests import CardRequests
from dtu.drivers.card.service import Fault, PcscError, ReaderState
from dtu.drivers.card.watch import RETRY_MS, CardWatch

log = logging.getLogger(__name__)

PNP_READER = "\\\\?PnP?\\Notification"  # its "state" changes when a reader comes or goes
PROTOCOLS = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
STOP_S = 3.0  # longer than one wait of the watch: the thread is out by then even if cancel fails


def _word(code: int) -> int:
    return code & 0xFFFFFFFF  # pyscard gives the codes signed on some systems


_FAULTS = {
    _word(code): fault
    for fault, codes in {
        Fault.NO_SERVICE: (
            scard.SCARD_E_NO_SERVICE,
            scard.SCARD_E_SERVICE_STOPPED,
            scard.SCARD_E_INVALID_HANDLE,
            scard.SCARD_F_COMM_ERROR,
            scard.SCARD_E_CANCELLED,
            scard.SCARD_P_SHUTDOWN,
        ),
        Fault.NO_READER: (
            scard.SCARD_E_NO_READERS_AVAILABLE,
            scard.SCARD_E_UNKNOWN_READER,
            scard.SCARD_E_READER_UNAVAILABLE,
        ),
        Fault.MUTE: (
            scard.SCARD_W_UNRESPONSIVE_CARD,
            scard.SCARD_W_UNPOWERED_CARD,
            scard.SCARD_W_UNSUPPORTED_CARD,
            scard.SCARD_E_PROTO_MISMATCH,
            scard.SCARD_E_UNKNOWN_CARD,
        ),
        Fault.PULLED: (
            scard.SCARD_W_REMOVED_CARD,
            scard.SCARD_E_NO_SMARTCARD,
            scard.SCARD_E_NOT_TRANSACTED,  # the reader got no answer: pulled, or as good as
        ),
        Fault.BUSY: (scard.SCARD_E_SHARING_VIOLATION, scard.SCARD_E_SERVER_TOO_BUSY),
        Fault.RESET: (scard.SCARD_W_RESET_CARD,),
    }.items()
    for code in codes
}


def _check(code: int) -> None:
    """Raise PcscError for anything but success."""
    if _word(code) != _word(scard.SCARD_S_SUCCESS):
        raise PcscError(_FAULTS.get(_word(code), Fault.OTHER), code)


class PcscCard:
    """A shared connection to the card in one reader."""

    def __init__(self, context: Any, reader: str) -> None:
        code, self._handle, self._protocol = scard.SCardConnect(
            context, reader, scard.SCARD_SHARE_SHARED, PROTOCOLS
        )
        _check(code)

    def transmit(self, apdu: bytes | bytearray) -> bytes:
        t1 = self._protocol == scard.SCARD_PROTOCOL_T1
        control = scard.SCARD_PCI_T1 if t1 else scard.SCARD_PCI_T0
        if not t1 and len(apdu) > 5 and len(apdu) == 6 + apdu[4]:
            apdu = apdu[:-1]  # ISO 7816-3, 12.2.2: with T=0 data and Le do not go together
        code, response = scard.SCardTransmit(self._handle, control, list(apdu))
        _check(code)
        if len(response) < 2:
            # No card answers without a status. A virtual reader whose card is pulled in the middle
            # says so, and that it went well.
            raise PcscError(Fault.PULLED)
        return bytes(byte & 0xFF for byte in response)

    def begin(self) -> None:
        _check(scard.SCardBeginTransaction(self._handle))

    def end(self) -> None:
        # If the card has gone meanwhile, the next command is told so.
        scard.SCardEndTransaction(self._handle, scard.SCARD_LEAVE_CARD)

    def close(self, reset: bool = False) -> None:
        # A failure here means that the card or pcscd is gone already. Transactions end with it.
        scard.SCardDisconnect(
            self._handle, scard.SCARD_RESET_CARD if reset else scard.SCARD_LEAVE_CARD
        )


class PcscLite:
    """The `Pcsc` of the watch on the system's PC/SC service."""

    def __init__(self) -> None:
        self._context: Any = None

    def establish(self) -> None:
        code, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
        _check(code)
        self._context = context

    def release(self) -> None:
        context, self._context = self._context, None
        if context is not None:
            scard.SCardReleaseContext(context)

    def readers(self) -> list[str]:
        code, names = scard.SCardListReaders(self._context, [])
        _check(code)
        return list(names)

    def wait(self, known: Mapping[str, ReaderState], timeout_ms: int) -> dict[str, ReaderState]:
        asked = [(name, state.raw) for name, state in known.items()]
        # The upper half of the notification's state is the number of readers we know of.
        asked.append((PNP_READER, len(known) << 16))
        code, told = scard.SCardGetStatusChange(self._context, timeout_ms, asked)
        if _word(code) == _word(scard.SCARD_E_TIMEOUT):
            return dict(known)
        if _word(code) in (
            _word(scard.SCARD_E_UNKNOWN_READER),
            _word(scard.SCARD_E_READER_UNAVAILABLE),
        ):
            return {name: ReaderState(gone=True) for name in known}
        _check(code)
        return {name: _state(raw, bytes(atr)) for name, raw, atr in told if name in known}

    def cancel(self) -> None:
        """Wake the thread that is in `wait`."""
        context = self._context
        if context is not None:
            scard.SCardCancel(context)

    def open_card(self, reader: str) -> PcscCard:
        return PcscCard(self._context, reader)


def _state(raw: int, atr: bytes) -> ReaderState:
    lost = scard.SCARD_STATE_UNKNOWN | scard.SCARD_STATE_UNAVAILABLE
    return ReaderState(
        present=bool(raw & scard.SCARD_STATE_PRESENT),
        mute=bool(raw & scard.SCARD_STATE_MUTE),
        gone=bool(raw & lost),
        counter=(raw >> 16) & 0xFFFF,
        raw=raw & ~scard.SCARD_STATE_CHANGED,
        atr=atr,
    )


def readers_present() -> list[str]:
    """The names of the readers that are plugged in; PcscError if there is none, or no pcscd."""
    service = PcscLite()
    service.establish()
    try:
        return service.readers()
    finally:
        service.release()


@contextlib.contextmanager
def time_limit(seconds: float, late: Callable[[], None]) -> Iterator[None]:
    """Call `late` from another thread if this is not left in time; never after it was left."""
    timer = threading.Timer(seconds, late)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


class PcscCardDriver:
    """Watches every reader of the machine in one thread, asks cards in a second one.

    The thread belongs to this class because pyscard's own monitor ends without a word when pcscd
    goes away.
    """

    def __init__(self, blank_by_number: bool = False) -> None:
        self._pcsc = PcscLite()
        self._blank_by_number = blank_by_number
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._requests: CardRequests | None = None
        self._insertions = Insertions()

    def start(self, post: Post) -> None:
        self._stopping = stopping = threading.Event()

        def post_until_stopped(event: CardEvent | CardAnswered) -> None:
            if not stopping.is_set():
                post(event)

        insertions = self._insertions
        self._requests = CardRequests(PcscLite(), insertions, post_until_stopped, time.monotonic)
        self._requests.start()
        watch = CardWatch(
            self._pcsc, post_until_stopped, time.monotonic, insertions, time_limit,
            self._blank_by_number,
        )  # fmt: skip
        self._thread = threading.Thread(
            target=self._run, args=(watch, stopping), name="card", daemon=True
        )
        self._thread.start()

    def ask(self, request: CardRequest) -> None:
        if self._requests is None:
            request.wipe()
        else:
            self._requests.ask(request)

    def stop(self) -> None:
        self._stopping.set()
        if self._requests is not None:
            self._requests.stop()
            self._requests = None
        self._pcsc.cancel()
        if self._thread is not None:
            self._thread.join(STOP_S)
            self._thread = None
        self._insertions.end_all()

    def _run(self, watch: CardWatch, stopping: threading.Event) -> None:
        while not stopping.is_set():
            try:
                pause_ms = watch.step()
            except Exception:
                # The thread must outlive a bug: without it no card is seen until the next start.
                log.exception("watching cards failed once")
                pause_ms = RETRY_MS
            if pause_ms:
                stopping.wait(pause_ms / 1000)
        watch.close()
