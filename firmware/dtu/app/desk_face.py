"""What a person at the desk reads and chooses: messages in their language, and the menu over all.

What is said is decided in `dtu.core.terminal`, what the menu does in `dtu.core.menu`; this joins
both to the screen and the input.
"""

import asyncio
import time
from collections.abc import Callable

from dtu.app.config import DtuConfig
from dtu.app.input_desk import InputDesk
from dtu.app.languages import languages
from dtu.core.actions import Show
from dtu.core.catalogue import LOW_TRUST
from dtu.core.input.events import Key, Pointer
from dtu.core.input.router import Chord
from dtu.core.menu import (
    AskSessions,
    ChooseSession,
    Facts,
    Lock,
    Menu,
    MenuAction,
    MenuKey,
    MenuView,
    SetVolume,
    SignOff,
    Speak,
)
from dtu.core.states import State
from dtu.core.terminal import Terminal
from dtu.core.timing import LOW_TRUST_S
from dtu.core.words import Words
from dtu.drivers.display.base import Screen
from dtu.drivers.input import keysyms
from roamwire.control import Offer
from roamwire.version import VERSION

MENU_KEYS = {
    0xFF52: MenuKey.UP, 0xFF97: MenuKey.UP, 0xFF54: MenuKey.DOWN, 0xFF99: MenuKey.DOWN,
    0xFF51: MenuKey.LEFT, 0xFF96: MenuKey.LEFT, 0xFF53: MenuKey.RIGHT, 0xFF98: MenuKey.RIGHT,
    keysyms.RETURN: MenuKey.ENTER, 0xFF8D: MenuKey.ENTER, keysyms.ESCAPE: MenuKey.ESCAPE,
    keysyms.TAB: MenuKey.DOWN,
}  # fmt: skip
"""Keysyms of both arrow blocks; every other key does nothing while the menu is open."""

_LEFT_BUTTON = 1
_LANGUAGES = tuple((code, language.name) for code, language in languages().items())


def menu_chord(name: str) -> Chord:
    """The keys that open the menu, from the setting's text."""
    return Chord("menu", frozenset(name.lower().split("-")[:-1]), keysyms.chord(name)[-1])


class DeskFace:
    """The terminal's own words on the screen. After any event of the terminal call `refresh`.

    `address` tells the terminal's own; `set_volume` is what the menu's volume does, and
    `look_at_volume` asks for `volume`, both None without sound; `carry_on` lets the terminal's
    actions be carried out.
    """

    def __init__(
        self,
        config: DtuConfig,
        screen: Screen,
        terminal: Terminal,
        *,
        address: Callable[[], str],
        carry_on: Callable[[], None],
    ) -> None:
        self.words: Words | None = None
        self.volume: int | None = None
        self.set_volume: Callable[[int], None] | None = None
        self.look_at_volume: Callable[[], None] | None = None
        self._config = config
        self._screen = screen
        self._terminal = terminal
        self._address = address
        self._carry_on = carry_on
        self._input: InputDesk | None = None
        self._language = languages()[config.language]
        self._menu = Menu()
        self._view: MenuView | None = None
        self._shown: Show | None = None
        self._buttons = 0
        self._badge_timer: asyncio.TimerHandle | None = None
        self._receiver = ""

    def use_input(self, desk: InputDesk) -> None:
        """Where the menu's keys come from."""
        self._input = desk

    # Messages

    def show(self, show: Show) -> Words:
        """A message, in the person's language; gives its words."""
        self._shown = show
        keys = self._language.chord(self._config.menu_keys)
        layout = self._input.layout_name if self._input else ""
        self.words = self._language.words(
            show.message, hotkey=keys, layout=layout or self._language.say("note.desktop")
        )
        self._screen.show_words(self.words, show.dim)
        return self.words

    def session_shown(self) -> None:
        """The session covers the words; a token of low trust is named over it for a while."""
        self.words = self._shown = None
        if self._badge_timer is not None:
            self._badge_timer.cancel()
        token = self._terminal.token
        if token is not None and token.kind in LOW_TRUST:
            self._screen.show_badge(self._language.say(f"note.{token.kind}"))
            loop = asyncio.get_running_loop()
            self._badge_timer = loop.call_later(LOW_TRUST_S, self._screen.show_badge, "")

    def blank(self) -> None:
        """Nothing at all; the next person begins with the terminal's language and no menu."""
        self._screen.blank()
        self.words = self._shown = None
        self._language = languages()[self._config.language]
        self._menu.close()
        self._view = None
        self._divert()

    # The menu

    @property
    def asks(self) -> str:
        """What a person is asked to type, by its fields, "" if nothing; for benches."""
        shown = self._shown.message.fields if self._shown else ()
        return ",".join(field.label for field in shown)

    @property
    def menu_page(self) -> str:
        """The page of the menu that is open, "" if it is closed; for benches."""
        return self._menu.page.value if self._menu.page else ""

    def hotkey(self, name: str) -> None:
        """The chord was pressed: the menu opens, or closes; over a PIN pad it stays closed."""
        if self._menu.is_open:
            self._menu.close()
        elif not self._terminal.proving.takes_keys:
            self._menu.open()
            # Keys of a keyboard or a program may have turned it.
            if self.look_at_volume is not None:
                self.look_at_volume()
        self.refresh()

    def offered(self, offers: tuple[Offer, ...]) -> None:
        """The sessions to choose from."""
        self._menu.offered(offers)

    def refresh(self) -> None:
        """Paint the menu if anything in it has changed, and say who gets the keys."""
        if self._terminal.proving.takes_keys:
            self._menu.close()
        view = self._menu.view(self._facts(), self._language) if self._menu.is_open else None
        if view != self._view:
            self._view = view
            self._screen.show_menu(view)
        self._divert()

    def _divert(self) -> None:
        """Keys are for the menu, for what the terminal asks, or for whom the router says.

        What was held when that changes is nothing to the new one: an Enter that opened a form does
        not send it off.
        """
        receiver = "menu" if self._menu.is_open else self._terminal.key_receiver
        if self._input is None or receiver == self._receiver:
            return
        self._receiver = receiver
        self._buttons = 0
        listeners = {"": None, "menu": self._heard}
        self._input.divert(None)
        self._input.divert(listeners.get(receiver, self._typed))

    def _typed(self, event: Key | Pointer) -> None:
        """A key for a PIN pad or a form, or from somebody who wants to sign in."""
        if isinstance(event, Key):
            self._terminal.key(event, time.monotonic())
            self._carry_on()

    def _heard(self, event: Key | Pointer) -> None:
        """Input while the menu is open."""
        facts, action = self._facts(), None
        if isinstance(event, Pointer):
            row = self._screen.menu_row_at(event.x, event.y)
            pressed = event.buttons & ~self._buttons & _LEFT_BUTTON
            self._buttons = event.buttons
            self._menu.point(row, facts, self._language)
            if pressed:
                action = self._menu.click(row, facts, self._language)
        elif event.down and (key := MENU_KEYS.get(event.keysym)) is not None:
            action = self._menu.press(key, facts, self._language)
        self.refresh()
        if action is not None:
            self._act(action)

    def _act(self, action: MenuAction) -> None:
        match action:
            case AskSessions():
                self._terminal.browse()
            case ChooseSession():
                self._terminal.choose(action.session, time.monotonic())
            case SignOff():
                self._terminal.sign_off(time.monotonic())
            case Lock():
                self._terminal.lock()
            case SetVolume():
                if self.set_volume is not None:
                    self.set_volume(action.percent)
            case Speak():
                self._language = languages()[action.language]
                if self._shown is not None:
                    self.show(self._shown)
        self._carry_on()

    def _facts(self) -> Facts:
        terminal = self._terminal
        here, connected = terminal.server, terminal.state is State.CONNECTED
        return Facts(
            self._config.name,
            self._address(),
            f"{here.host} ({here.address})" if here and connected else "",
            VERSION,
            terminal.server_version if connected else "",
            terminal.latency_s,
            terminal.token,
            terminal.session,
            self.volume,
            _LANGUAGES,
        )
