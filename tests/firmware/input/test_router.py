"""Who gets keys and buttons, before and after a change; lamps; chords. No driver, no session."""

import random

from dtu.core.input.actions import Hotkey, PointerMoved, ShowLeds, ToSession, ToTerminal
from dtu.core.input.events import (
    Button,
    Key,
    Leds,
    Motion,
    Place,
    Plugged,
    Pointer,
    Unplugged,
    Wheel,
)
from dtu.core.input.pointer import MAX_GAIN, gain
from dtu.core.input.router import Chord, InputRouter, Receiver
from dtu.core.timing import KEY_REPEAT_DELAY_S

SIZE = (200, 100)


class Bench:
    def __init__(self, *chords):
        self.router = InputRouter(SIZE, chords)

    def do(self, name, *arguments):
        getattr(self.router, name)(*arguments)
        return self.take()

    def take(self):
        actions = []
        while (action := self.router.next_action()) is not None:
            actions.append(action)
        return actions

    def feed(self, event, now=0.0):
        return self.do("receive", event, now)

    def attached(self, leds=None):
        if leds is not None:
            self.router.session_leds(leds)
        self.router.attach()
        self.take()
        return self


def key(code, down, source="k"):
    return Key(0, down, code, source)


def lamps(actions):
    return [action.leds for action in actions if isinstance(action, ShowLeds)]


def keys(actions, kind=ToSession):
    return [
        (action.event.code, action.event.down)
        for action in actions
        if isinstance(action, kind) and isinstance(action.event, Key)
    ]


def test_nobody_gets_keys_without_a_session():
    bench = Bench()
    assert bench.feed(key(30, True)) == []
    assert bench.feed(Motion(10, 0)) == [PointerMoved(110, 50)]
    assert bench.feed(Button(0, True)) == [PointerMoved(110, 50)]
    assert bench.router.receiver is Receiver.NOBODY
    # What was held then does not press in the session that comes.
    assert keys(bench.do("attach")) == []
    assert bench.feed(key(30, False)) == []
    assert bench.feed(Motion(1, 0)) == [ToSession(Pointer(111, 50, 0))]
    assert bench.feed(Button(0, False)) == []
    assert bench.feed(Button(0, True)) == [ToSession(Pointer(111, 50, 1))]
    assert keys(bench.feed(key(30, True))) == [(30, True)]


def test_a_session_that_is_left_gets_its_releases():
    bench = Bench().attached()
    bench.feed(key(30, True))
    bench.feed(Button(2, True))
    left = bench.do("detach", True)
    assert keys(left) == [(30, False)]
    assert ToSession(Pointer(100, 50, 0)) in left
    assert bench.feed(key(30, False)) == []


def test_a_session_that_is_lost_gets_nothing():
    bench = Bench().attached()
    bench.feed(key(30, True))
    assert keys(bench.do("detach")) == []
    bench.attached()
    assert bench.feed(key(30, False)) == []


def test_the_terminal_takes_the_keys_for_itself():
    bench = Bench().attached()
    bench.feed(key(29, True))
    assert keys(bench.do("divert", True)) == [(29, False)]
    pin = bench.feed(key(2, True))
    assert pin == [ToTerminal(Key(0x31, True, 2, "k"))]
    assert bench.feed(Place(1.0, 1.0)) == [ToTerminal(Pointer(199, 99, 0))]
    # A session that comes or goes behind the PIN pad changes nothing.
    assert keys(bench.do("detach", True)) == keys(bench.do("attach")) == []
    assert bench.router.receiver is Receiver.TERMINAL
    given_back = bench.do("divert", False)
    assert keys(given_back, ToTerminal) == [(2, False)]
    assert keys(given_back) == []
    assert bench.feed(key(2, False)) == bench.feed(key(29, False)) == []


def test_a_device_that_goes_lets_everything_go():
    bench = Bench().attached()
    bench.feed(key(30, True))
    bench.feed(Button(0, True, "k"))
    bench.feed(Wheel(0, 100, "k"))
    gone = bench.feed(Unplugged("k"))
    assert keys(gone) == [(30, False)]
    assert gone[-1] == ToSession(Pointer(100, 50, 0))
    assert bench.feed(Unplugged("k")) == []
    assert bench.feed(Wheel(0, 20, "k")) == []


def test_buttons_of_two_mice():
    bench = Bench().attached()
    bench.feed(Button(0, True, "a"))
    assert bench.feed(Button(0, True, "b")) == []
    assert bench.feed(Button(0, False, "a")) == []
    assert bench.feed(Pointer(3, 4, 6, "w")) == [ToSession(Pointer(3, 4, 7))]
    assert bench.feed(Button(0, False, "b")) == [ToSession(Pointer(3, 4, 6))]


def test_wheels_press_once_a_notch():
    bench = Bench().attached()
    up = [ToSession(Pointer(100, 50, 8)), ToSession(Pointer(100, 50, 0))]
    assert bench.feed(Wheel(0, 240)) == up * 2
    assert bench.feed(Wheel(0, 60)) == []
    assert bench.feed(Wheel(0, 60)) == up
    assert bench.feed(Wheel(0, 90)) == []
    assert bench.feed(Wheel(0, -120))[0] == ToSession(Pointer(100, 50, 16))
    right = bench.feed(Wheel(130, 0))
    assert right == [ToSession(Pointer(100, 50, 64)), ToSession(Pointer(100, 50, 0))]
    assert bench.feed(Wheel(-240, 0))[0] == ToSession(Pointer(100, 50, 32))
    assert len(bench.feed(Wheel(0, 120 * 500))) == 20


def test_the_pointer_stays_on_the_screen():
    bench = Bench().attached()
    assert bench.feed(Motion(-900, 900)) == [ToSession(Pointer(0, 99, 0))]
    bench.do("resize", (50, 40))
    assert bench.feed(Motion(0, 0)) == [ToSession(Pointer(0, 39, 0))]


def test_fast_hands_go_further():
    assert gain(3, 4, 0) == gain(1, 0, 1) == 1.0
    assert 1.0 < gain(20, 0, 0.01) < gain(25, 0, 0.01) < gain(500, 0, 0.01) == MAX_GAIN


def test_a_held_key_repeats_for_the_session():
    bench = Bench().attached()
    bench.feed(key(30, True), 1.0)
    assert bench.router.next_deadline() == 1.0 + KEY_REPEAT_DELAY_S
    assert keys(bench.do("handle_deadline", 9.0)) == [(30, True)]
    bench.do("detach", True)
    assert bench.router.next_deadline() is None


def test_lamps_follow_the_session():
    bench = Bench()
    assert lamps(bench.feed(Plugged("k", "keyboard"))) == [Leds()]
    bench.router.session_leds(Leds(caps=True))  # before its first frame
    assert lamps(bench.do("attach")) == [Leds(caps=True)]
    assert lamps(bench.feed(key(58, True))) == []  # the session will say
    assert lamps(bench.do("session_leds", Leds())) == [Leds()]
    assert lamps(bench.do("session_leds", Leds())) == []
    bench.do("session_leds", Leds(num=True))
    assert lamps(bench.feed(Plugged("k2", "keyboard"))) == [Leds(num=True)]
    assert lamps(bench.do("detach")) == [Leds()]


def test_locks_are_kept_here_where_nobody_else_does():
    bench = Bench().attached()
    assert lamps(bench.feed(key(58, True))) == [Leds(caps=True, num=True)]
    bench.feed(key(58, False))
    assert bench.feed(key(30, True))[0].event.keysym == 0x41
    bench.do("detach")
    bench.feed(key(58, True))  # nobody: no lamp, no lock
    bench.feed(key(58, False))
    assert lamps(bench.do("divert", True)) == [Leds(num=True)]
    assert bench.feed(key(79, True))[0].event.keysym == 0xFFB1


def test_a_chord_goes_to_nobody():
    bench = Bench(Chord("menu", frozenset({"ctrl", "alt"}), 0xFF13)).attached()
    assert keys(bench.feed(key(119, True))) == [(119, True)]
    bench.feed(key(119, False))
    bench.feed(key(29, True))
    bench.feed(key(100, True))
    assert bench.feed(key(119, True)) == [Hotkey("menu")]
    assert bench.router.next_deadline() is None
    assert keys(bench.do("divert", True)) == [(100, False), (29, False)]
    assert bench.feed(key(119, False)) == []


class Ledger:
    """What the session and the terminal must think is down, by what they were told."""

    def __init__(self):
        self.down = {ToSession: set(), ToTerminal: set()}

    def note(self, actions):
        for action in actions:
            if isinstance(action, ToSession | ToTerminal) and isinstance(action.event, Key):
                held, code = self.down[type(action)], action.event.code
                if action.event.down:
                    held.add(code)
                else:
                    held.remove(code)


def any_move(bench, ledger, rng, step):
    source, code = f"k{rng.randrange(3)}", rng.choice((29, 30, 31, 42, 58, 119))
    match rng.randrange(40):
        case 0:
            ledger.note(bench.feed(Unplugged(source)))
        case 1:
            ledger.note(bench.do("detach", True))
        case 2:
            assert keys(bench.do("detach", False)) == []
            ledger.down[ToSession].clear()
        case 3 | 4:
            ledger.note(bench.do("attach"))
        case 5:
            ledger.note(bench.do("divert", rng.random() < 0.3))
        case 6:
            ledger.note(bench.do("handle_deadline", step + 100.0))
        case _:
            ledger.note(bench.feed(key(code, rng.random() < 0.5, source), float(step)))


def test_whatever_happens_each_press_is_followed_by_its_release():
    rng = random.Random(7)
    bench = Bench(Chord("menu", frozenset({"ctrl"}), 0xFF13))
    ledger = Ledger()
    pressed = 0
    for step in range(20_000):
        any_move(bench, ledger, rng, step)
        receiver = bench.router.receiver
        assert receiver is Receiver.SESSION or not ledger.down[ToSession]
        assert receiver is Receiver.TERMINAL or not ledger.down[ToTerminal]
        pressed += len(ledger.down[ToSession])
    assert pressed > 1000
    for source in ("k0", "k1", "k2"):
        ledger.note(bench.feed(Unplugged(source)))
    assert ledger.down == {ToSession: set(), ToTerminal: set()}
