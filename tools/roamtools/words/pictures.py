"""Paints every screen of a terminal into PNG files, and sheets of them. Writes no text."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from dtu.app.languages import languages
from dtu.core import catalogue
from dtu.core.language import Language
from dtu.core.menu import Facts, Menu, MenuPage, MenuView
from dtu.core.piv.results import MAX_PIN_CHARS, MIN_PIN_CHARS
from dtu.core.words import Field, Message
from dtu.drivers.display.badge import lay_out_badge
from dtu.drivers.display.menu_page import lay_out_menu
from dtu.drivers.display.sdl import pygame
from dtu.drivers.display.words_page import BACKGROUND, Colour, Page, lay_out
from dtu.drivers.display.words_painter import WordsPainter
from roamwire.control import Ask, Offer, Question
from roamwire.notices import NoticeCode
from roamwire.tokens import Token
from roamwire.version import VERSION

COLOURS = 32
"""Of a picture's palette: enough for the smooth edges of letters, and a third of the bytes."""

THUMB_PIXELS = 280 * 210
GAP = 8
PAPER = (246, 246, 242)

EXAMPLES = {
    "server": "s1",
    "desk": "desk2",
    "terminal": "desk1",
    "fingerprint": "3f2a-91c0-77de-05ab",
    "time": "2061-01-01 08:15",
    "percent": "40",
    "tries": "2",
    "user": "alice",
    "layout": "de",
    "detail": "cannot read /etc/roamdesk/ca.crt",
}
"""What stands in the places of messages in the pictures."""

_PIN = (Field("pin", "••••"),)
_NAME_AND_PASSWORD = (Field("user", "alice", False), Field("password", "•••••••"))
FIELDS = {51: _PIN, 52: (Field("pin"),), 62: _NAME_AND_PASSWORD[1:], 63: _NAME_AND_PASSWORD,
          64: _NAME_AND_PASSWORD}  # fmt: skip
"""What has been typed in the pictures."""

KEYS = "ctrl-alt-home"

FACTS = Facts(
    "desk1",
    "10.0.0.99",
    "s1 (10.0.0.1)",
    VERSION,
    VERSION,
    0.0009,
    Token("uid", "04a1b2c3"),
    "5f1c09d2a4b87e36",
    60,
    tuple((code, language.name) for code, language in languages().items()),
)
OFFERS = (
    Offer(FACTS.session, "s1", 0, True),
    Offer("b2", "s2", 25 * 60, False),
    Offer("c3", "s3", 3 * 86400, False),
)
"""What stands in the pictures of the menu."""


SESSION: Colour = (47, 79, 95)
"""A session, as far as these pictures go: the desktop's background."""


@dataclass(frozen=True)
class Screen:
    """One picture to be: a name for its file and how it is laid out."""

    name: str
    page: Page
    ground: Colour = BACKGROUND


def messages() -> tuple[Message, ...]:
    """Every message, and beside some the form with a name or a note in it."""
    low = (catalogue.OPENING.noting("uid"), catalogue.OPENING.noting("pseudo"))
    short = catalogue.too_short(catalogue.ENTER_PIN, MIN_PIN_CHARS, MAX_PIN_CHARS)
    again = catalogue.question(Ask(0, Question.LOGIN, "", 2, NoticeCode.WRONG_PASSWORD))
    more = (*low, catalogue.enter_pin(1), catalogue.wrong_pin(1), catalogue.wrong_pin(None))
    return tuple(
        _typed(message).about(**EXAMPLES)
        for message in sorted(
            (*catalogue.everything(), *catalogue.VARIANTS, *more, short, again),
            key=lambda each: each.code,
        )
    )


def _typed(message: Message) -> Message:
    """With what has been typed, where a person types."""
    typed = FIELDS.get(message.code, _NAME_AND_PASSWORD if message.form == "again" else ())
    asked = message.code in (62, 63, 64)
    return (message.noting("keys") if asked else message).with_fields(typed)


def message_name(message: Message) -> str:
    """`43`, `43-at`, `27-uid`, `51-short`: the number and what is special."""
    special = [note for note in message.notes if note in (*catalogue.LOW_TRUST, "short")]
    special += [message.form] if message.form != "text" else []
    return "-".join([str(message.code), *special])


def menu_views(language: Language) -> Iterable[tuple[str, MenuView]]:
    """Every page of the menu, by its name."""
    for page in MenuPage:
        menu = Menu()
        menu.open()
        menu.page = page
        menu.offered(OFFERS)
        yield f"menu-{page.value.replace('_', '-')}", menu.view(FACTS, language)


class Studio:
    """Lays out and paints; `close` gives the fonts back."""

    def __init__(self) -> None:
        self._painter = WordsPainter()

    def close(self) -> None:
        """Give the fonts back."""
        self._painter.close()

    def screens(self, language: Language, size: tuple[int, int]) -> Iterable[Screen]:
        """Every screen in a language, for screens of that size."""
        for message in messages():
            words = language.words(message, hotkey=language.chord(KEYS))
            yield Screen(message_name(message), lay_out(words, size, self._painter.measure))
        for name, view in menu_views(language):
            yield Screen(name, lay_out_menu(view, size, self._painter.measure).page)
        for kind in catalogue.LOW_TRUST:
            badge = lay_out_badge(language.say(f"note.{kind}"), size, self._painter.measure)
            yield Screen(f"badge-{kind}", badge, SESSION)

    def paint(self, screen: Screen, size: tuple[int, int]) -> Image.Image:
        """What a person would see."""
        surface = pygame.Surface(size)
        surface.fill(screen.ground)
        self._painter.paint(screen.page, surface)
        return Image.frombytes("RGB", size, pygame.image.tobytes(surface, "RGB"))


def save(picture: Image.Image, path: Path) -> None:
    """A PNG with a palette: screens have few colours."""
    # The method that keeps rare colours: the icons are few pixels of a sheet.
    palette = picture.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    palette.save(path, optimize=True)


def sheet(pictures: Sequence[Image.Image], columns: int) -> Image.Image:
    """All pictures small, side by side; they are of one size."""
    width, height = pictures[0].size
    factor = (THUMB_PIXELS / (width * height)) ** 0.5
    small = (round(width * factor), round(height * factor))
    rows = -(-len(pictures) // columns)
    whole = Image.new(
        "RGB", (columns * (small[0] + GAP) + GAP, rows * (small[1] + GAP) + GAP), PAPER
    )
    for number, picture in enumerate(pictures):
        left = GAP + number % columns * (small[0] + GAP)
        top = GAP + number // columns * (small[1] + GAP)
        whole.paste(picture.resize(small, Image.Resampling.LANCZOS), (left, top))
    return whole


def make_pictures(
    folder: Path, sizes: Sequence[tuple[int, int]], sheets: Sequence[tuple[int, int]]
) -> list[Path]:
    """Single pictures of `sizes` and sheets of `sheets` in every language; other PNGs go."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    made: list[Path] = []
    studio = Studio()
    try:
        for language in languages().values():
            for size in dict.fromkeys((*sizes, *sheets)):
                tail = f"{language.code}-{size[0]}x{size[1]}.png"
                pictures = []
                for screen in studio.screens(language, size):
                    pictures.append(studio.paint(screen, size))
                    if size in sizes:
                        made.append(folder / f"{screen.name}-{tail}")
                        save(pictures[-1], made[-1])
                if size in sheets:
                    made.append(folder / f"sheet-{tail}")
                    save(sheet(pictures, 8 if size[0] > size[1] else 12), made[-1])
    finally:
        studio.close()
    return made
