"""A terminal that cannot start says so on its screen for a while. What is wrong is found elsewhere.

Only as a service: who starts the terminal by hand reads the error and gets the prompt back.
"""

import asyncio
import logging
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

from dtu.app.config import SETTINGS, DtuConfig
from dtu.app.languages import languages
from dtu.app.service_manager import ServiceManager
from dtu.app.tls import IdentityError
from dtu.core import catalogue
from dtu.core.language import DEFAULT
from dtu.core.words import Message, Words
from dtu.drivers.display.base import Screen, ScreenError
from dtu.drivers.display.pygame_screen import open_screen
from roamwire.settings import MAX_FILE_BYTES, SettingsError

SHOWN_S = 10.0
"""Until the process ends and is started anew, to look whether all is there: long enough to read."""

MAX_DETAIL_CHARS = 300

_LOG = logging.getLogger("dtu")


@dataclass(frozen=True)
class Place:
    """Where words can be shown without the rest of a terminal: outputs to try, and how."""

    displays: tuple[str, ...]
    size: tuple[int, int]
    mode: str
    language: str


def place_of(config: DtuConfig) -> Place:
    """As the settings say."""
    size = (config.width, config.height)
    return Place((config.display,), size, config.screen_mode, config.language)


def place_despite(settings: Path) -> Place:
    """Of settings that cannot be used: what can be read of them, else what is likely."""
    defaults = SETTINGS.defaults()
    size = int(str(defaults["width"])), int(str(defaults["height"]))
    try:
        with settings.open("rb") as file:
            told = tomllib.loads(file.read(MAX_FILE_BYTES).decode("utf-8"))
    except (OSError, ValueError):
        told = {}
    display, language = told.get("display"), told.get("language")
    known = isinstance(display, str) and display in ("console", "window", "headless")
    return Place(
        (str(display),) if known else ("console", "window"),
        size,
        "",
        language if isinstance(language, str) and language in languages() else DEFAULT,
    )


def what_is_missing(error: Exception) -> Message:
    """The message for what keeps a terminal from starting."""
    message = catalogue.NOT_SET_UP
    if isinstance(error, SettingsError):
        message = catalogue.NO_SETTINGS
    elif isinstance(error, IdentityError):
        message = catalogue.NO_GROUP
    return message.about(detail=str(error)[:MAX_DETAIL_CHARS])


def say(error: Exception, place: Place) -> None:
    """Show what is missing for `SHOWN_S`, also to `systemctl status`; nothing if run by hand."""
    manager = ServiceManager()
    if not manager.listens:
        return
    words = languages()[place.language].words(what_is_missing(error))
    manager.status(f"{words.title}: {error}")
    screen = _opened(place)
    if screen is None:
        time.sleep(SHOWN_S)
        return
    try:
        asyncio.run(_stand(screen, words))
    finally:
        screen.close()


def _opened(place: Place) -> Screen | None:
    for display in place.displays:
        try:
            return open_screen(display, *place.size, place.mode)
        except ScreenError as error:
            _LOG.error("%s", error)
    return None


async def _stand(screen: Screen, words: Words) -> None:
    screen.start(lambda: None)
    screen.show_words(words, dim=False)
    end = time.monotonic() + SHOWN_S
    while (left := end - time.monotonic()) > 0 and not screen.close_requested:
        interval = screen.pump_interval_s
        if interval is not None:
            screen.pump()
            screen.input_events()
        await asyncio.sleep(min(left, left if interval is None else interval))
