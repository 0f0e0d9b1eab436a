"""The hotkey menu as a machine: pages, rows, what keys and clicks lead to. Paints nothing.

It opens over whatever is on the screen. What stands in it follows from `Facts` and a language each
time that it is looked at, so nothing in it is older than the moment.
"""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dtu.core.catalogue import CHOOSE_SESSION
from dtu.core.language import Language
from roamwire.control import Offer
from roamwire.tokens import Token

VOLUME_STEP = 5
"""Percent a key press: twenty steps from silent to full."""


class MenuKey(enum.Enum):
    """What a key means to the menu."""

    UP = "up"
    DOWN = "down"
    LEFT = "left"
    RIGHT = "right"
    ENTER = "enter"
    ESCAPE = "escape"


class MenuPage(enum.Enum):
    """Where in the menu the person is."""

    MAIN = "menu"
    SESSIONS = "sessions"
    INFORMATION = "information"
    LANGUAGE = "language"
    SIGN_OFF = "sign_off"


@dataclass(frozen=True)
class Facts:
    """What the menu tells and depends on; `latency_s` and `volume` (percent) are None if unknown.

    `languages` are codes and names, `offers` the sessions to choose from.
    """

    terminal: str
    address: str = ""
    server: str = ""
    version: str = ""
    server_version: str = ""
    latency_s: float | None = None
    token: Token | None = None
    session: str = ""
    volume: int | None = None
    languages: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class AskSessions:
    """Ask the servers which sessions the token has."""


@dataclass(frozen=True)
class ChooseSession:
    """Show that session; "" is one more."""

    session: str


@dataclass(frozen=True)
class SignOff:
    """End the session."""


@dataclass(frozen=True)
class Lock:
    """As if the card were out."""


@dataclass(frozen=True)
class SetVolume:
    """Loudness in percent."""

    percent: int


@dataclass(frozen=True)
class Speak:
    """Use that language from now on."""

    language: str


MenuAction = AskSessions | ChooseSession | SignOff | Lock | SetVolume | Speak


@dataclass(frozen=True)
class Row:
    """One line of the menu; one that is not `enabled` cannot be selected."""

    label: str
    detail: str = ""
    enabled: bool = True


@dataclass(frozen=True)
class MenuView:
    """What is to be painted; `selected` is a row's number, -1 if none can be."""

    title: str
    text: str
    rows: tuple[Row, ...]
    selected: int
    hint: str


@dataclass(frozen=True)
class _Choice:
    """A row and what Enter on it does: go to a page, act, or close."""

    row: Row
    page: MenuPage | None = None
    action: MenuAction | None = None
    closes: bool = False
    volume: bool = False


class Menu:
    """Closed at first. After any call the view may be another one."""

    def __init__(self) -> None:
        self.page: MenuPage | None = None
        self._selected = 0
        self._offers: tuple[Offer, ...] | None = None
        self._chosen = False

    @property
    def is_open(self) -> bool:
        """Whether it is on the screen."""
        return self.page is not None

    def open(self) -> None:
        """At its first page, whatever was there before."""
        self._chosen = False
        self._go(MenuPage.MAIN)

    def close(self) -> None:
        """Away; what it knew is forgotten, the next person may open it."""
        self.page = None
        self._offers = None

    def offered(self, offers: Sequence[Offer]) -> None:
        """The servers have answered; after a choice this says that it cannot be had."""
        if self._chosen and not self.is_open:
            self._go(MenuPage.SESSIONS)
        if self.is_open:
            self._offers = tuple(offers)

    def press(self, key: MenuKey, facts: Facts, language: Language) -> MenuAction | None:
        """A key; what it leads to, if anything."""
        if self.page is None:
            return None
        if key is MenuKey.ESCAPE:
            self.close()
            return None
        choices = self._choices(facts, language)
        selected = self._selection(choices)
        if key in (MenuKey.UP, MenuKey.DOWN):
            self._step(choices, selected, 1 if key is MenuKey.DOWN else -1)
        elif selected >= 0 and key is MenuKey.ENTER:
            return self._enter(choices[selected])
        elif selected >= 0 and choices[selected].volume and facts.volume is not None:
            step = VOLUME_STEP if key is MenuKey.RIGHT else -VOLUME_STEP
            return SetVolume(min(max(facts.volume + step, 0), 100))
        elif key is MenuKey.LEFT and self.page is not MenuPage.MAIN:
            self._go(MenuPage.MAIN)
        return None

    def point(self, row: int, facts: Facts, language: Language) -> None:
        """The mouse is on a row."""
        choices = self._choices(facts, language)
        if 0 <= row < len(choices) and choices[row].row.enabled:
            self._selected = row

    def click(self, row: int, facts: Facts, language: Language) -> MenuAction | None:
        """The mouse was pressed on a row."""
        choices = self._choices(facts, language)
        if not (0 <= row < len(choices) and choices[row].row.enabled):
            return None
        self._selected = row
        return self._enter(choices[row])

    def view(self, facts: Facts, language: Language) -> MenuView:
        """What is to be seen now."""
        say = language.say
        choices = self._choices(facts, language)
        title, text = say("menu.title"), ""
        if self.page is MenuPage.SESSIONS:
            title = say(f"{CHOOSE_SESSION.code}.title")
            refused = say("menu.sessions_refused") if self._chosen else ""
            text = say("menu.sessions_asking") if self._offers is None else refused
        elif self.page is MenuPage.SIGN_OFF:
            title, text = say("menu.really"), say("menu.really_text")
        elif self.page is not None and self.page is not MenuPage.MAIN:
            title = say(f"menu.{self.page.value}")
        rows = tuple(choice.row for choice in choices)
        return MenuView(title, text, rows, self._selection(choices), say("menu.keys"))

    # Rows

    def _choices(self, facts: Facts, language: Language) -> list[_Choice]:
        if self.page is None:
            return []
        pages: dict[MenuPage, Callable[[Facts, Language], list[_Choice]]] = {
            MenuPage.MAIN: _main,
            MenuPage.SESSIONS: self._sessions,
            MenuPage.INFORMATION: _information,
            MenuPage.LANGUAGE: _languages,
            MenuPage.SIGN_OFF: _really,
        }
        choices = pages[self.page](facts, language)
        if self.page in (MenuPage.SESSIONS, MenuPage.INFORMATION, MenuPage.LANGUAGE):
            choices.append(_Choice(Row(language.say("menu.back")), page=MenuPage.MAIN))
        return choices

    def _sessions(self, facts: Facts, language: Language) -> list[_Choice]:
        if self._offers is None or not facts.session:
            return []
        choices = [
            _Choice(
                Row(
                    language.say("menu.session_row", host=offer.host), _used(offer, facts, language)
                ),
                action=None if offer.session == facts.session else ChooseSession(offer.session),
                closes=True,
            )
            for offer in self._offers
        ]
        new = Row(language.say("menu.sessions_new"))
        return [*choices, _Choice(new, action=ChooseSession(""), closes=True)]

    def _selection(self, choices: Sequence[_Choice]) -> int:
        """The selected row, or the nearest below or above that can be."""
        enabled = [number for number, choice in enumerate(choices) if choice.row.enabled]
        return min(
            enabled,
            key=lambda number: (number < self._selected, abs(number - self._selected)),
            default=-1,
        )

    def _step(self, choices: Sequence[_Choice], selected: int, step: int) -> None:
        """The next row that can be selected; from the last to the first."""
        for distance in range(1, len(choices) + 1):
            row = (selected + step * distance) % len(choices)
            if choices[row].row.enabled:
                self._selected = row
                return

    def _go(self, page: MenuPage) -> None:
        self.page = page
        self._selected = 0
        if page is MenuPage.SESSIONS:
            self._offers = None

    def _enter(self, choice: _Choice) -> MenuAction | None:
        if choice.page is not None:
            self._go(choice.page)
        if choice.closes:
            self.close()
        self._chosen = isinstance(choice.action, ChooseSession)
        return choice.action


def _main(facts: Facts, language: Language) -> list[_Choice]:
    say, session = language.say, facts.session != ""
    volume = facts.volume
    loud = say("menu.volume_none") if volume is None else _percent(volume, language)
    sessions = Row(say("menu.sessions"), "" if session else say("menu.sessions_none"), session)
    lock = Row(say("menu.lock"), say("menu.lock_hint"), facts.token is not None)
    sign_off = Row(say("menu.sign_off"), say("menu.sign_off_hint"), session)
    return [
        _Choice(sessions, page=MenuPage.SESSIONS, action=AskSessions()),
        _Choice(Row(say("menu.volume"), loud, volume is not None), volume=True),
        _Choice(Row(say("menu.information")), page=MenuPage.INFORMATION),
        _Choice(Row(say("menu.language"), language.name), page=MenuPage.LANGUAGE),
        _Choice(lock, action=Lock(), closes=True),
        _Choice(sign_off, page=MenuPage.SIGN_OFF),
    ]


def _percent(volume: int, language: Language) -> str:
    return f"◂ {language.say('menu.volume_set', percent=str(volume))} ▸"


def _information(facts: Facts, language: Language) -> list[_Choice]:
    say = language.say
    none = say("info.none")
    versions = say(
        "info.versions_value", terminal=facts.version, server=facts.server_version or none
    )
    latency = none
    if facts.latency_s is not None:
        latency = say("info.latency_value", ms=f"{facts.latency_s * 1000:.1f}")
    card = f"{facts.token.kind}: {say(f'info.trust_{facts.token.kind}')}" if facts.token else none
    told = (
        ("terminal", facts.terminal),
        ("address", facts.address or none),
        ("server", facts.server or none),
        ("versions", versions),
        ("latency", latency),
        ("card", card),
        ("session", facts.session or none),
    )
    return [_Choice(Row(say(f"info.{key}"), value, enabled=False)) for key, value in told]


def _languages(facts: Facts, language: Language) -> list[_Choice]:
    return [
        _Choice(Row(name, "●" if code == language.code else ""), MenuPage.MAIN, Speak(code))
        for code, name in facts.languages
    ]


def _really(facts: Facts, language: Language) -> list[_Choice]:
    no, yes = (
        Row(language.say("menu.no")),
        Row(language.say("menu.yes"), enabled=facts.session != ""),
    )
    return [_Choice(no, closes=True), _Choice(yes, action=SignOff(), closes=True)]


def _used(offer: Offer, facts: Facts, language: Language) -> str:
    """Whether a session is shown, or how long ago it was."""
    if offer.session == facts.session:
        return language.say("menu.session_here")
    if offer.shown:
        return language.say("menu.session_shown")
    for unit_s, key in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if offer.age_s >= 2 * unit_s or (unit_s == 60 and offer.age_s >= 60):
            return language.say(f"menu.session_{key}", count=str(offer.age_s // unit_s))
    return language.say("menu.session_now")
