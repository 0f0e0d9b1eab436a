"""Who gets the input: the attached session, the terminal's own screens, or nobody. No I/O here.

| session attached | diverted to the terminal | keys and buttons go to |
|---|---|---|
| no | no | nobody |
| yes | no | the session |
| any | yes | the terminal (menu, PIN) |

Whenever that changes, the old receiver gets the releases of what it holds (unless it is gone), and
what is held then is nothing to the new one.
"""

import enum
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from dtu.core.input.actions import (
    Hotkey,
    InputAction,
    PointerMoved,
    ShowLeds,
    ToSession,
    ToTerminal,
)
from dtu.core.input.events import (
    Button,
    InputEvent,
    Key,
    Leds,
    Motion,
    Place,
    Plugged,
    Pointer,
    Unplugged,
    Wheel,
)
from dtu.core.input.keyboard import Keyboard
from dtu.core.input.layout import Layout
from dtu.core.input.pointer import PointerState


@dataclass(frozen=True)
class Chord:
    """A key, by its keysym, that means something to the terminal while just these are held."""

    name: str
    modifiers: frozenset[str]
    keysym: int


MODIFIERS = {
    0xFFE1: "shift", 0xFFE2: "shift", 0xFFE3: "ctrl", 0xFFE4: "ctrl",
    0xFFE9: "alt", 0xFFEA: "alt", 0xFE03: "alt", 0xFFEB: "super", 0xFFEC: "super",
}  # fmt: skip
"""Keysyms of modifiers, and what chords call them."""

_LOCK_KEYSYMS = frozenset({0xFFE5, 0xFF7F, 0xFF14})

_IDLE_LEDS = Leds(num=True)
"""A PIN is typed on the keypad: where the terminal keeps the locks, NumLock begins on."""


class Receiver(enum.Enum):
    """Who gets the input now."""

    NOBODY = "nobody"
    SESSION = "session"
    TERMINAL = "terminal"


class InputRouter:
    """All input of a terminal. Fetch `next_action` until None after each call."""

    def __init__(
        self,
        size: tuple[int, int],
        chords: Sequence[Chord] = (),
        layout: Layout | None = None,
    ) -> None:
        self._keyboard = Keyboard(layout)
        self._pointer = PointerState(size)
        self._chords = tuple(chords)
        self._attached = False
        self._diverted = False
        self._receiver = Receiver.NOBODY
        self._session_leds: Leds | None = None
        self._shown: Leds | None = None
        self._actions: deque[InputAction] = deque()

    @property
    def receiver(self) -> Receiver:
        """Who gets the input now."""
        return self._receiver

    # -- what comes in

    def receive(self, event: InputEvent, now: float) -> None:
        """A device has something to tell."""
        match event:
            case Key():
                self._keys(self._keyboard.key(event, now))
            case Pointer() | Motion() | Place():
                self._points(self._pointer.moved(event))
            case Button():
                self._points(self._pointer.pressed(event))
            case Wheel():
                self._points(self._pointer.turned(event))
            case Plugged():
                self._shown = None
                self._show_leds()
            case Unplugged():
                self._keys(self._keyboard.unplugged(event.source))
                self._points(self._pointer.unplugged(event.source))

    def attach(self) -> None:
        """A session is on the screen and takes input from now on."""
        self._attached = True
        self._keyboard.leds = self._session_leds or _IDLE_LEDS
        self._choose_receiver(receiver_lives=True)

    def detach(self, session_lives: bool = False) -> None:
        """The session is to be left (then it still gets its releases), or is gone."""
        self._attached = False
        self._session_leds = None
        self._keyboard.leds = _IDLE_LEDS
        self._choose_receiver(receiver_lives=session_lives)

    def divert(self, diverted: bool) -> None:
        """The terminal wants the input for itself, or does so no longer."""
        self._diverted = diverted
        self._choose_receiver(receiver_lives=True)

    def session_leds(self, leds: Leds) -> None:
        """The locks of the session that is attached or about to be; they count until it is left."""
        self._session_leds = leds
        if self._attached:
            self._keyboard.leds = leds
            self._show_leds()

    def resize(self, size: tuple[int, int]) -> None:
        """The screen has another size in pixels."""
        self._pointer.resize(size)

    def next_deadline(self) -> float | None:
        """When `handle_deadline` has something to do."""
        return self._keyboard.next_deadline()

    def handle_deadline(self, now: float) -> None:
        """A held key repeats."""
        for key in self._keyboard.handle_deadline(now):
            self._tell(key)

    def next_action(self) -> InputAction | None:
        """The oldest action not fetched yet."""
        return self._actions.popleft() if self._actions else None

    # -- where it goes

    def _choose_receiver(self, receiver_lives: bool) -> None:
        free = Receiver.SESSION if self._attached else Receiver.NOBODY
        receiver = Receiver.TERMINAL if self._diverted else free
        if receiver is not self._receiver:
            old_buttons = self._pointer.buttons
            self._pointer.mute()
            releases = self._keyboard.change_receiver()
            if receiver_lives:
                for key in releases:
                    self._tell(key)
                if old_buttons:
                    self._tell(Pointer(*self._pointer.place, 0))
            self._receiver = receiver
        self._show_leds()

    def _keys(self, keys: Sequence[Key]) -> None:
        for key in keys:
            chord = self._chord(key) if key.down else None
            if chord is not None:
                self._swallow(key, chord)
                continue
            if key.down and key.keysym in _LOCK_KEYSYMS and self._session_leds is None:
                self._lock(key)
            self._tell(key)

    def _chord(self, key: Key) -> Chord | None:
        held = {MODIFIERS[k.keysym] for k in self._keyboard.down if k.keysym in MODIFIERS}
        for chord in self._chords:
            if chord.keysym == key.keysym and chord.modifiers == held:
                return chord
        return None

    def _swallow(self, key: Key, chord: Chord) -> None:
        """The chord's last key is down for nobody: neither repeats nor comes up anywhere."""
        self._keyboard.forget(key)
        self._actions.append(Hotkey(chord.name))

    def _lock(self, key: Key) -> None:
        if self._receiver is not Receiver.NOBODY:
            self._keyboard.toggle(key)
            self._show_leds()

    def _points(self, pointers: Sequence[Pointer]) -> None:
        for pointer in pointers:
            self._tell(pointer)

    def _tell(self, event: Key | Pointer) -> None:
        if self._receiver is Receiver.SESSION:
            self._actions.append(ToSession(event))
        elif self._receiver is Receiver.TERMINAL:
            self._actions.append(ToTerminal(event))
        elif isinstance(event, Pointer):
            self._actions.append(PointerMoved(event.x, event.y))

    def _show_leds(self) -> None:
        """Dark where nobody types."""
        leds = Leds() if self._receiver is Receiver.NOBODY else self._keyboard.leds
        if leds != self._shown:
            self._shown = leds
            self._actions.append(ShowLeds(leds))
