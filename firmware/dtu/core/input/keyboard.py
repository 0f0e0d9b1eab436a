"""Which keys are down, for whom, and which of them repeats. Pointers and routes are not here.

A key is down once, however many keyboards hold it. Who gets the keys may change while keys are
held: the old one gets their releases, the new one never hears of them.
"""

from dtu.core.input.codes import CAPS_LOCK, LEFT_SHIFT, LOCKS, MODIFIERS, NUM_LOCK, SCROLL_LOCK
from dtu.core.input.events import Key, Leds
from dtu.core.input.layout import Layout
from dtu.core.input.us_layout import UsLayout
from dtu.core.timing import KEY_REPEAT_DELAY_S, KEY_REPEAT_INTERVAL_S

# Shift_L to Hyper_R with the locks between, Mode_switch, ISO_Level3_Shift and ISO_Level5_Shift, the
# other locks.
_QUIET_KEYSYMS = frozenset({*range(0xFFE1, 0xFFEF), 0xFF7E, 0xFE03, 0xFE11, 0xFF7F, 0xFF14})
_SHIFT_KEYSYMS = frozenset({0xFFE1, 0xFFE2})

_Identity = tuple[int, int]


def _identity(key: Key) -> _Identity:
    """Which key it is: by its code, else by what it writes."""
    return (key.code, 0 if key.code else key.keysym)


class Keyboard:
    """All keyboards as one. Each method gives the key events for whoever gets the keys now.

    `layout` says what those keys write whose source knows only their code.
    """

    def __init__(self, layout: Layout | None = None) -> None:
        self._layout = layout or UsLayout()
        self.leds = Leds(num=True)
        self._held: dict[str, set[_Identity]] = {}
        self._stale: dict[str, set[_Identity]] = {}
        self._down: dict[_Identity, Key] = {}
        self._repeating: _Identity | None = None
        self._repeat_at = 0.0

    @property
    def down(self) -> tuple[Key, ...]:
        """What the present receiver was told is down, oldest first."""
        return tuple(self._down.values())

    def key(self, event: Key, now: float) -> list[Key]:
        """A key of one keyboard."""
        which = _identity(event)
        held = self._held.setdefault(event.source, set())
        stale = self._stale.get(event.source, set())
        if not event.down:
            stale.discard(which)
            held.discard(which)
            return self._released({which})
        if which in stale or which in held:
            return []
        held.add(which)
        return [] if which in self._down else [self._press(which, event, now)]

    def unplugged(self, source: str) -> list[Key]:
        """A keyboard is gone: what it alone held is up."""
        self._stale.pop(source, None)
        return self._released(self._held.pop(source, set()))

    def change_receiver(self) -> list[Key]:
        """Somebody else gets the keys from now on; the releases that are for the old one."""
        releases = [_up(key) for key in reversed(self._down.values())]
        self._down.clear()
        self._repeating = None
        for source, held in self._held.items():
            self._stale.setdefault(source, set()).update(held)
        self._held.clear()
        return releases

    def forget(self, key: Key) -> None:
        """This press was for nobody: no repeat and no release of it follow."""
        which = _identity(key)
        self._down.pop(which, None)
        if self._repeating == which:
            self._repeating = None

    def next_deadline(self) -> float | None:
        """When a held key repeats."""
        return self._repeat_at if self._repeating is not None else None

    def handle_deadline(self, now: float) -> list[Key]:
        """The key that was pressed last repeats; a late call makes one repeat, not many."""
        if self._repeating is None or now < self._repeat_at:
            return []
        self._repeat_at = now + KEY_REPEAT_INTERVAL_S
        return [self._down[self._repeating]]

    def toggle(self, key: Key) -> None:
        """A lock key was pressed where nobody else keeps the locks."""
        leds = self.leds
        self.leds = Leds(
            caps=leds.caps != (key.code == CAPS_LOCK or key.keysym == 0xFFE5),
            num=leds.num != (key.code == NUM_LOCK or key.keysym == 0xFF7F),
            scroll=leds.scroll != (key.code == SCROLL_LOCK or key.keysym == 0xFF14),
        )

    def _press(self, which: _Identity, event: Key, now: float) -> Key:
        keysym = event.keysym or self._layout.keysym(event.code, self._held_codes(), self.leds)
        key = self._down[which] = Key(keysym, True, event.code, event.source)
        if event.code not in MODIFIERS | LOCKS and keysym not in _QUIET_KEYSYMS:
            self._repeating = which
            self._repeat_at = now + KEY_REPEAT_DELAY_S
        return key

    def _held_codes(self) -> list[int]:
        """What is down, oldest first; Shift also from a source that knows only its keysym."""
        down = self._down.values()
        return [LEFT_SHIFT if key.keysym in _SHIFT_KEYSYMS else key.code for key in down]

    def _released(self, keys: set[_Identity]) -> list[Key]:
        gone = [which for which in self._down if which in keys and not self._is_held(which)]
        if self._repeating in gone:
            self._repeating = None
        return [_up(self._down.pop(which)) for which in gone]

    def _is_held(self, which: _Identity) -> bool:
        return any(which in held for held in self._held.values())


def _up(key: Key) -> Key:
    return Key(key.keysym, False, key.code, key.source)
