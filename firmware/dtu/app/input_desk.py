"""The terminal's input: devices and window in, session or the terminal's own screens out.

Who gets what is decided in `dtu.core.input.router`; this joins it to drivers, clock and display.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from dtu.core.input.actions import (
    Hotkey,
    InputAction,
    PointerMoved,
    ShowLeds,
    ToSession,
    ToTerminal,
)
from dtu.core.input.codes import SCAN_CODES
from dtu.core.input.events import InputEvent, Key, Leds, Pointer
from dtu.core.input.router import Chord, InputRouter
from dtu.drivers.input.base import InputDriver

_LOG = logging.getLogger(__name__)

Listener = Callable[[Key | Pointer], None]
"""Gets the input that is for the terminal itself; keys have their keysym."""


class SessionInput(Protocol):
    """Where a session's input goes; `DisplayLink` is one."""

    def key(self, keysym: int, down: bool, code: int = 0) -> None:
        """A key, by keysym and scan code."""

    def pointer(self, x: int, y: int, buttons: int) -> None:
        """The mouse, in pixels of the screen; buttons as in RFB."""


class InputDesk:
    """Feeds the attached session, or a listener; all calls on the event loop's thread.

    `on_hotkey` is told the names of `chords` when they are pressed; `on_any` is called at every
    event, whomever it is for.
    """

    def __init__(
        self,
        session: SessionInput,
        move_pointer: Callable[[int, int], None],
        size: tuple[int, int],
        driver: InputDriver | None = None,
        chords: Sequence[Chord] = (),
        on_hotkey: Callable[[str], None] | None = None,
        on_any: Callable[[], None] | None = None,
    ) -> None:
        self._session = session
        self._move_pointer = move_pointer
        self._driver = driver
        self._on_hotkey = on_hotkey
        self._on_any = on_any
        self._router = InputRouter(size, chords, driver.layout if driver else None)
        self._listener: Listener | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def layout_name(self) -> str:
        """The layout by which keys write letters; "" if the window says what they write."""
        return self._driver.layout.name if self._driver else ""

    def start(self) -> None:
        """Begin to read the devices."""
        if self._driver is not None:
            self._driver.start(self.post)

    def stop(self) -> None:
        """Let the devices go; nothing repeats any more."""
        if self._driver is not None:
            self._driver.stop()
        if self._timer is not None:
            self._timer.cancel()

    def post(self, event: InputEvent) -> None:
        """A device, the window or a bench has something to tell."""
        if self._on_any is not None:
            self._on_any()
        self._router.receive(event, time.monotonic())
        self._carry_on()

    def attach(self) -> None:
        """The session's first frame is on the screen: it takes input from now on."""
        self._router.attach()
        self._carry_on()

    def detach(self, session_lives: bool) -> None:
        """The session is about to be left (`session_lives`: it gets its releases), or is lost."""
        self._router.detach(session_lives)
        self._carry_on()

    def session_leds(self, leds: Leds) -> None:
        """The session has these locks."""
        self._router.session_leds(leds)
        self._carry_on()

    def divert(self, listener: Listener | None) -> None:
        """Give all input to the terminal's menu or PIN pad, or with None back to the session."""
        # The old one still gets its releases, the new one nothing of what is held.
        if listener is None or self._listener is None:
            self._router.divert(listener is not None)
        self._carry_on()
        self._listener = listener

    def resize(self, size: tuple[int, int]) -> None:
        """The screen has another size in pixels."""
        self._router.resize(size)
        self._carry_on()

    def _carry_on(self) -> None:
        while (action := self._router.next_action()) is not None:
            self._carry_out(action)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._router.next_deadline()
        if deadline is not None:
            delay = max(0.0, deadline - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay, self._deadline)

    def _deadline(self) -> None:
        self._timer = None
        self._router.handle_deadline(time.monotonic())
        self._carry_on()

    def _carry_out(self, action: InputAction) -> None:
        match action:
            case ToSession(Key() as key):
                code = SCAN_CODES.get(key.code, 0)
                if code or key.keysym:
                    self._session.key(key.keysym, key.down, code)
                elif key.down:
                    _LOG.debug("key code %d has no scan code", key.code)
            case ToSession(Pointer() as pointer):
                self._session.pointer(pointer.x, pointer.y, pointer.buttons)
            case ToTerminal():
                if isinstance(action.event, Pointer):
                    self._move_pointer(action.event.x, action.event.y)
                if self._listener is not None:
                    self._listener(action.event)
            case PointerMoved():
                self._move_pointer(action.x, action.y)
            case Hotkey():
                if self._on_hotkey is not None:
                    self._on_hotkey(action.name)
            case ShowLeds():
                if self._driver is not None:
                    self._driver.show_leds(action.leds)
