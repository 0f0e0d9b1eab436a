"""Writes docs/screens.md from the catalogue, the languages and the guide. Paints nothing."""

import tomllib
from importlib.resources import files

from dtu.app.languages import languages
from dtu.core import catalogue
from dtu.core.language import Language
from dtu.core.words import Message
from roamtools.words.pictures import EXAMPLES, KEYS, menu_views, message_name, messages

SHOWN_SIZE = (640, 480)
"""The size of the single pictures on the page; the smallest screen that must be readable."""

SHEET_SIZES = ((1920, 1080), (1080, 1920))

HEAD = """\
# Screens of a terminal

Every state has a number, an icon and a sentence. The number is the same in every language: read it
out on the phone. This page and its pictures are made by `tools/words`; a test compares the text.

Sizes are shares of the screen's short side: a sentence has letters that are read at two metres on a
15-inch screen (capitals of at least 16 minutes of arc), small print at 1.3 m. All colours have a
contrast of at least 7:1. Letters are DejaVu Sans, which has Latin, Greek and Cyrillic.

Another language is one more file in `firmware/dtu/languages`; a test says what it lacks. What the
screen speaks is the setting `language`, or what a person has chosen in the menu, until the card is
out.

"""


MENU = """
## The menu

Ctrl+Alt+Home (setting `menu_keys`) opens the menu over whatever is shown; the same keys or Escape
close it. Arrow keys and Enter or the mouse choose. The session is darkened and gets no key
meanwhile; what it paints is seen when the menu is away. The menu goes when the card goes.

- **Sessions**: all sessions of the card on all servers that can be reached. Choosing one shows it
  here, wherever it runs; `New session` starts one more, at most four a card on one server.
- **Volume**: left and right arrow; grey on a terminal without sound.
- **Information**: what to read out on the phone.
- **Language**: until the card is out.
- **Lock**: the screen is wiped as if the card were out; the card has to go out and in again.
- **Sign off**: asks first, then ends the session and all its programs.

"""


BADGE = """
## Low trust

A card that only has a number, and a terminal that signs itself in, are named over the session for
some seconds when it comes onto the screen. The line takes no key; it goes when the pointer comes
over it. Later the menu's page *Information* says it.

"""


def guide() -> dict[str, dict[str, str]]:
    """When each message is shown and what to do, by number as text."""
    text = files("roamtools.words").joinpath("guide.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def markdown() -> str:
    """The whole page."""
    told = guide()
    parts = [HEAD, "## Numbers\n\n", *_table()]
    for message in catalogue.everything():
        forms = [form for form in messages() if form.code == message.code]
        parts += _section(message.code, forms, told[str(message.code)])
    parts += [MENU, *_menu(), BADGE, *_badges()]
    parts.append("\n## All screens, on a wide and on a turned screen\n\n")
    for language in languages().values():
        for width, height in SHEET_SIZES:
            name = f"sheet-{language.code}-{width}x{height}.png"
            parts.append(f"![{language.name}, {width}x{height}](screens/{name})\n\n")
    return "".join(parts).rstrip() + "\n"


def _menu() -> list[str]:
    width, height = SHOWN_SIZE
    return [
        f"![{name}, {language.name}](screens/{name}-{language.code}-{width}x{height}.png)\n"
        for language in languages().values()
        for name, _ in menu_views(language)
    ]


def _badges() -> list[str]:
    width, height = SHOWN_SIZE
    return [
        f"![{kind}, {language.name}](screens/badge-{kind}-{language.code}-{width}x{height}.png)\n"
        for language in languages().values()
        for kind in catalogue.LOW_TRUST
    ]


def _table() -> list[str]:
    known = list(languages().values())
    rows = [f"| number | {' | '.join(each.name for each in known)} |\n", "|---|---|---|\n"]
    for message in catalogue.everything():
        titles = " | ".join(each.say(f"{message.code}.title") for each in known)
        rows.append(f"| [{message.code}](#{message.code}) | {titles} |\n")
    return rows


def _section(code: int, forms: list[Message], told: dict[str, str]) -> list[str]:
    known = languages().values()
    parts = [f'\n<a id="{code}"></a>\n\n### {code}\n\n']
    parts += [_sentence(form, language) for form in forms for language in known]
    parts.append(f"\nShown: {told['when']}.\n")
    parts.append(f"\nTo do: {told['do']}\n\n")
    width, height = SHOWN_SIZE
    for form in forms:
        for language in known:
            name = f"{message_name(form)}-{language.code}-{width}x{height}.png"
            parts.append(f"![{code}, {language.name}](screens/{name})\n")
    return parts


def _sentence(message: Message, language: Language) -> str:
    words = language.words(message.about(**EXAMPLES), hotkey=language.chord(KEYS))
    note = f" ({words.note})" if words.note else ""
    return f"- **{words.title}**: {words.text}{note}\n"
