"""The benchmark of stuck keys finds none, and finds those that a broken terminal makes."""

import pytest

from dtu.app.display_link import DisplayLink
from dtu.core.input.decoder import Decoder
from dtu.core.input.keyboard import Keyboard
from dtu.core.input.router import InputRouter
from roamtools.bench import stuck_keys
from roamtools.bench.key_ledger import KeyLedger, compare, down_after

pytestmark = pytest.mark.system

EVENTS = 4000


def trouble(events=EVENTS, seed=3):
    figures = stuck_keys.run(lambda _text: None, events, seed)
    assert figures["presses_told"] > events / 10
    assert min(figures[act] for act in ("unplugs", "removals", "failovers", "diversions")) > 10
    return {name for name in ("stuck_keys", "dropped_keys", "leaked_keys") if figures[name]}


def test_no_key_is_stuck_dropped_or_leaked():
    assert trouble() == set()


def unplug_without_releases(self, source):
    self._held.pop(source, None)
    return []


def keep_what_is_held(self):
    return [type(key)(key.keysym, False, key.code) for key in self._down.values()]


def forget_to_let_go(self, session_lives=False):
    self._attached = False
    self._choose_receiver(receiver_lives=False)


def ask_nothing(self, down):
    self.stale = False
    return []


def lose_some(self, keysym, down, code=0):
    if code != 0x1E:
        original_key(self, keysym, down, code)


original_key = DisplayLink.key


@pytest.mark.parametrize(
    ("owner", "name", "broken", "found"),
    [
        (Keyboard, "unplugged", unplug_without_releases, "stuck_keys"),
        (Keyboard, "change_receiver", keep_what_is_held, "dropped_keys"),
        (InputRouter, "detach", forget_to_let_go, "stuck_keys"),
        (Decoder, "resync", ask_nothing, "dropped_keys"),
        (DisplayLink, "key", lose_some, "dropped_keys"),
    ],
)
def test_a_broken_terminal_is_found(monkeypatch, owner, name, broken, found):
    monkeypatch.setattr(owner, name, broken)
    assert found in trouble()


def test_the_account_itself():
    ledger = KeyLedger()
    ledger.press("a", 1)
    ledger.listen()
    ledger.press("a", 2)
    ledger.press("b", 2)
    ledger.release("a", 2)
    ledger.release("a", 1)
    ledger.unplug("b")
    ledger.press("a", 3)
    ledger.deaf()
    ledger.press("b", 4)
    assert ledger.due == [(2, True), (2, False), (3, True), (3, False)]
    told = [(2, True), (2, True), (2, False), (3, True), (3, False)]
    assert compare(ledger.due, told) == {"presses": 2}
    assert compare(ledger.due, told[:3]) == {"presses": 1, "dropped": 1}
    assert compare(ledger.due, [*told, (4, True)])["leaked"] == 1
    assert compare(ledger.due, [*told, (4, False)])["leaked"] == 1
    assert ledger.holding == down_after(told) == set()
    assert down_after(told[:-1]) == {3}
