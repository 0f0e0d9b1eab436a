"""Each state that a person can meet, reached by the whole terminal core: which number it says."""

from functools import partial

import pytest

from dtu.core import catalogue
from dtu.core.events import CardUnreadable, ReaderMissing
from dtu.core.lease import NoLease
from dtu.core.refusals import Refusal, Refused
from dtu.core.states import State
from dtu.core.update import Update
from fakes.bench import ALICE, READER, Bench, bench_at, in_session
from roamwire import control
from roamwire.notices import DisconnectReason, NoticeCode


def cable():
    bench = bench_at(State.SEEKING)
    bench.terminal.cable(False, bench.now)
    bench.act()
    return bench


def no_address():
    bench = Bench()
    bench.terminal.address(NoLease("eth0", "leasefail"), bench.now)
    bench.act()
    return bench


def refused(why):
    bench = bench_at(State.CONNECTING)
    bench.closed(Refused(why, "words", "2061-01-01 08:15"))
    bench.due()
    return bench


def reader(event):
    bench = bench_at(State.CONNECTED)
    bench.card(event)
    return bench


def noticed(code):
    bench = bench_at(State.CONNECTED, ALICE)
    bench.hear(control.Notice(bench.seq, int(code)))
    return bench


def disconnected(reason, **more):
    bench = in_session()
    bench.hear(control.Disconnect(bench.seq, reason.value, **more))
    return bench


def opening():
    bench = bench_at(State.CONNECTED)
    bench.card_in()
    return bench


def lost():
    bench = in_session()
    bench.server_dies()
    return bench


def restarting():
    bench = bench_at(State.CONNECTED)
    bench.hear(control.Disconnect(0, DisconnectReason.RESTARTING.value, 5000))
    return bench


def picture_lost():
    bench = in_session()
    bench.terminal.display_lost("a1", 1, "reset", bench.now)
    bench.act()
    return bench


def locked():
    bench = in_session()
    bench.terminal.lock()
    bench.act()
    return bench


def updating():
    bench = bench_at(State.CONNECTED)
    bench.terminal.update(Update(True, 40))
    bench.act()
    return bench


def revoked():
    bench = bench_at(State.CONNECTING)
    bench.hear(control.Disconnect(0, DisconnectReason.BLOCKED.value))
    bench.closed()
    return bench


SAID = {int(code): partial(noticed, code) for code in NoticeCode} | {
    10: revoked,
    11: Bench,
    12: no_address,
    13: lambda: bench_at(State.SEEKING),
    14: lambda: bench_at(State.CONNECTING),
    15: cable,
    16: lambda: refused(Refusal.CLOCK),
    18: updating,
    19: lambda: refused(Refusal.OURS),
    21: lambda: bench_at(State.CONNECTED),
    22: lambda: reader(CardUnreadable(READER, "mute", 100.0)),
    23: lambda: reader(CardUnreadable(READER, "foreign", 100.0)),
    24: lambda: reader(CardUnreadable(READER, "pulled", 100.0)),
    25: lambda: reader(ReaderMissing("no_reader")),
    26: lambda: reader(ReaderMissing("no_service")),
    27: opening,
    28: lambda: reader(CardUnreadable(READER, "busy", 100.0)),
    41: lost,
    42: restarting,
    43: lambda: disconnected(DisconnectReason.TAKEN_OVER, desk="desk2"),
    44: lambda: disconnected(DisconnectReason.ENDED),
    45: picture_lost,
    46: locked,
    47: lambda: disconnected(DisconnectReason.DRAINED),
    48: lambda: disconnected(DisconnectReason.FAILED),
}

ELSEWHERE = {
    61: "title of a page of the menu: tests/firmware/test_menu.py",
    17: "for enrolment",
    81: "there is no core yet: tests/firmware/test_not_set_up.py",
    **dict.fromkeys((51, 52, 54, 62, 63, 64), "typed: tests/firmware/test_proving.py"),
}  # fmt: skip
"""What no event of the core leads to (yet): docs/screens.md says so too."""


@pytest.mark.parametrize("code", SAID)
def test_the_state_is_reached_and_said(code):
    assert SAID[code]().words == code


def test_every_number_is_reached_or_known_not_to_be():
    assert {each.code for each in catalogue.everything()} == set(SAID) | set(ELSEWHERE)
    assert not set(SAID) & set(ELSEWHERE)
