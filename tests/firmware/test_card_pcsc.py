"""The PC/SC adapter against a fake smartcard.scard; the real one is in the contract tests."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from smartcard import scard as real

from dtu.drivers.card import pcsc
from dtu.drivers.card.service import Fault, PcscError, ReaderState

READER = "reader 0"


def fake_scard(**functions: Any) -> SimpleNamespace:
    """The constants of the real module with other functions."""
    constants = {name: getattr(real, name) for name in dir(real) if name.startswith("SCARD_")}
    return SimpleNamespace(**constants, **functions)


def driver(monkeypatch: pytest.MonkeyPatch, **functions: Any) -> pcsc.PcscLite:
    base: dict[str, Any] = {"SCardEstablishContext": lambda _scope: (0, "context")}
    monkeypatch.setattr(pcsc, "scard", fake_scard(**{**base, **functions}))
    lite = pcsc.PcscLite()
    lite.establish()
    return lite


def signed(code: int) -> int:
    return code - (1 << 32) if code >= 1 << 31 else code


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        (real.SCARD_E_NO_READERS_AVAILABLE, Fault.NO_READER),
        (real.SCARD_E_NO_SERVICE, Fault.NO_SERVICE),
        (real.SCARD_E_SERVICE_STOPPED, Fault.NO_SERVICE),
        (0x1234, Fault.OTHER),
    ],
)
@pytest.mark.parametrize("as_signed", [False, True])
def test_codes_become_faults(monkeypatch, code, fault, as_signed):
    told = signed(code) if as_signed else code
    lite = driver(monkeypatch, SCardListReaders=lambda _context, _groups: (told, []))
    with pytest.raises(PcscError) as caught:
        lite.readers()
    assert caught.value.fault is fault


def test_wait_hands_back_what_it_was_told_and_reads_the_counter(monkeypatch):
    asked = []
    raw = (7 << 16) | real.SCARD_STATE_PRESENT | real.SCARD_STATE_CHANGED

    def change(_context: str, timeout_ms: int, states: list[tuple[str, int]]) -> tuple[int, Any]:
        asked.append((timeout_ms, states))
        return 0, [(READER, raw, []), (pcsc.PNP_READER, 0, [])]

    lite = driver(monkeypatch, SCardGetStatusChange=change)
    known = {READER: ReaderState(raw=(6 << 16) | real.SCARD_STATE_EMPTY)}
    states = lite.wait(known, 250)
    kept = raw & ~real.SCARD_STATE_CHANGED
    assert states == {READER: ReaderState(present=True, counter=7, raw=kept)}
    assert asked == [(250, [(READER, known[READER].raw), (pcsc.PNP_READER, 1 << 16)])]


def test_wait_that_times_out_changes_nothing(monkeypatch):
    code = real.SCARD_E_TIMEOUT
    lite = driver(monkeypatch, SCardGetStatusChange=lambda *_: (signed(code), []))
    known = {READER: ReaderState(present=True, counter=3)}
    assert lite.wait(known, 250) == known


@pytest.mark.parametrize("code", [real.SCARD_E_UNKNOWN_READER, real.SCARD_E_READER_UNAVAILABLE])
def test_wait_for_a_reader_that_is_gone(monkeypatch, code):
    lite = driver(monkeypatch, SCardGetStatusChange=lambda *_: (code, []))
    assert lite.wait({READER: ReaderState()}, 250)[READER].gone


def test_a_mute_card_and_a_lost_reader_in_the_state(monkeypatch):
    raws = {"a": real.SCARD_STATE_PRESENT | real.SCARD_STATE_MUTE, "b": real.SCARD_STATE_UNKNOWN}
    told = [(name, raw, []) for name, raw in raws.items()]
    lite = driver(monkeypatch, SCardGetStatusChange=lambda *_: (0, told))
    states = lite.wait({"a": ReaderState(), "b": ReaderState()}, 250)
    assert states["a"].mute
    assert states["b"].gone


@pytest.mark.parametrize(
    ("protocol", "control"),
    [
        (real.SCARD_PROTOCOL_T0, real.SCARD_PCI_T0),
        (real.SCARD_PROTOCOL_T1, real.SCARD_PCI_T1),
    ],
)
def test_an_apdu_goes_out_with_the_protocol_of_the_card(monkeypatch, protocol, control):
    sent = []

    def transmit(handle: int, header: Any, apdu: list[int]) -> tuple[int, list[int]]:
        sent.append((handle, header, apdu))
        return 0, [1, -112, 0]  # some versions give signed bytes

    lite = driver(
        monkeypatch,
        SCardConnect=lambda *_: (0, 42, protocol),
        SCardTransmit=transmit,
        SCardDisconnect=lambda *_: 0,
    )
    card = lite.open_card(READER)
    assert card.transmit(b"\x00\xa4") == bytes.fromhex("019000")
    assert sent == [(42, control, [0x00, 0xA4])]
    card.close()


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        (real.SCARD_W_UNRESPONSIVE_CARD, Fault.MUTE),
        (real.SCARD_W_REMOVED_CARD, Fault.PULLED),
        (real.SCARD_E_SHARING_VIOLATION, Fault.BUSY),
        (real.SCARD_W_RESET_CARD, Fault.RESET),
    ],
)
def test_a_card_that_cannot_be_opened(monkeypatch, code, fault):
    lite = driver(monkeypatch, SCardConnect=lambda *_: (code, 0, 0))
    with pytest.raises(PcscError) as caught:
        lite.open_card(READER)
    assert caught.value.fault is fault


def test_release_and_cancel_without_a_context_do_nothing(monkeypatch):
    calls = []
    lite = driver(
        monkeypatch,
        SCardReleaseContext=lambda context: calls.append(("release", context)),
        SCardCancel=lambda context: calls.append(("cancel", context)),
    )
    lite.cancel()
    lite.release()
    lite.release()
    lite.cancel()
    assert calls == [("cancel", "context"), ("release", "context")]


def card_that(monkeypatch, protocol=real.SCARD_PROTOCOL_T1, **calls):
    lite = driver(monkeypatch, SCardConnect=lambda *_: (0, 42, protocol), **calls)
    return lite.open_card(READER)


@pytest.mark.parametrize(
    ("protocol", "apdu", "sent"),
    [
        (real.SCARD_PROTOCOL_T0, "00CB3FFF0155 00", "00CB3FFF0155"),
        (real.SCARD_PROTOCOL_T1, "00CB3FFF0155 00", "00CB3FFF0155 00"),
        (real.SCARD_PROTOCOL_T0, "00CB3FFF0155", "00CB3FFF0155"),
        (real.SCARD_PROTOCOL_T0, "00C0000000", "00C0000000"),
        (real.SCARD_PROTOCOL_T0, "00200080", "00200080"),
    ],
)
def test_with_t0_a_command_with_data_has_no_le(monkeypatch, protocol, apdu, sent):
    told = []
    card = card_that(
        monkeypatch, protocol, SCardTransmit=lambda *a: told.append(bytes(a[2])) or (0, [0x90, 0])
    )
    card.transmit(bytes.fromhex(apdu))
    assert told == [bytes.fromhex(sent)]


@pytest.mark.parametrize("response", [[], [0x90]])
def test_an_answer_without_a_status_is_none(monkeypatch, response):
    card = card_that(monkeypatch, SCardTransmit=lambda *_: (0, response))
    with pytest.raises(PcscError) as caught:
        card.transmit(b"\x00\xa4\x04\x00")
    assert caught.value.fault is Fault.PULLED


def test_a_transaction_and_a_reset(monkeypatch):
    calls = []
    card = card_that(
        monkeypatch,
        SCardBeginTransaction=lambda handle: calls.append(("begin", handle)) or 0,
        SCardDisconnect=lambda handle, how: calls.append((how, handle)) or 0,
    )
    card.begin()
    card.close(reset=True)
    card.close()
    assert calls == [
        ("begin", 42),
        (real.SCARD_RESET_CARD, 42),
        (real.SCARD_LEAVE_CARD, 42),
    ]


def test_a_transaction_that_is_refused(monkeypatch):
    card = card_that(monkeypatch, SCardBeginTransaction=lambda _: real.SCARD_W_REMOVED_CARD)
    with pytest.raises(PcscError) as caught:
        card.begin()
    assert caught.value.fault is Fault.PULLED


def test_the_limit_acts_only_when_time_is_up():
    acts = []
    with pcsc.time_limit(60.0, lambda: acts.append("late")):
        pass
    assert acts == []
    late = threading.Event()
    with pcsc.time_limit(0.0, late.set):
        assert late.wait(5.0)
