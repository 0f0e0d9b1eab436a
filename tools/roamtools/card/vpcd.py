"""Puts an emulated card into a vpcd reader over TCP; what the card answers is not here."""

import socket
import struct
import threading
import time

from roamtools.card.cards import Card

VPCD_PORT = 35963
CONNECT_S = 5.0

# pcscd looks at a virtual reader every 0.4 s: a card that is in again before that was never out.
HAND_S = 0.45

POWER_OFF, POWER_ON, RESET, GIVE_ATR = 0, 1, 2, 4


class VpcdSlot:
    """One slot of a vpcd reader: connecting is putting the card in, closing is pulling it."""

    def __init__(self, host: str = "127.0.0.1", port: int = VPCD_PORT) -> None:
        self._address = (host, port)
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._pulled_at = 0.0
        self.answered = 0  # APDUs since the card went in

    @property
    def occupied(self) -> bool:
        """Whether a card is in (and vpcd still there to know)."""
        return self._thread is not None and self._thread.is_alive()

    def insert(self, card: Card, pull_after: int | None = None, hurried: bool = False) -> None:
        """Put the card in; with `pull_after` it leaves instead of answering that APDU (0: first).

        After a pull it takes the time of a hand, unless `hurried`. Raises OSError if no vpcd
        listens there: pcscd is not running.
        """
        self.pull()
        if not hurried:
            time.sleep(max(0.0, self._pulled_at + HAND_S - time.monotonic()))
        self._socket = socket.create_connection(self._address, timeout=CONNECT_S)
        self._socket.settimeout(None)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answered = 0
        self._thread = threading.Thread(
            target=self._serve, args=(self._socket, card, pull_after), name="vpcd", daemon=True
        )
        self._thread.start()

    def pull(self) -> None:
        """Take the card out; nothing happens if there is none."""
        link, self._socket = self._socket, None
        if link is not None:
            try:
                link.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # vpcd has closed it already
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if link is not None:
            link.close()
            self._pulled_at = time.monotonic()

    def _serve(self, link: socket.socket, card: Card, pull_after: int | None) -> None:
        try:
            while (message := _receive(link)) is not None:
                if len(message) == 1:
                    self._command(link, card, message[0])
                elif pull_after is not None and self.answered >= pull_after:
                    link.shutdown(socket.SHUT_RDWR)
                    return
                else:
                    _send(link, card.answer(message))
                    self.answered += 1
        except OSError:
            return  # pulled from our side, or pcscd has gone

    def _command(self, link: socket.socket, card: Card, command: int) -> None:
        if command == GIVE_ATR:
            _send(link, card.atr)
        elif command in (POWER_OFF, POWER_ON, RESET):
            card.reset()


def _send(link: socket.socket, data: bytes) -> None:
    link.sendall(struct.pack(">H", len(data)) + data)


def _receive(link: socket.socket) -> bytes | None:
    """One message, or None at the end of the connection."""
    head = _receive_exactly(link, 2)
    return _receive_exactly(link, struct.unpack(">H", head)[0]) if head else None


def _receive_exactly(link: socket.socket, count: int) -> bytes | None:
    data = b""
    while len(data) < count:
        # vpcd writes length and data apart and leaves Nagle on: without a quick
        # acknowledgement of the first part every APDU takes 40 ms. Linux forgets the option.
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        part = link.recv(count - len(data))
        if not part:
            return None
        data += part
    return data
