"""Every language says everything: same keys, same places, letters that the font has."""

import pytest

from dtu.app.languages import languages
from dtu.core import catalogue
from dtu.core.language import DEFAULT, parse_language, places
from dtu.core.words import Icon, Message
from dtu.drivers.display.words_painter import WordsPainter
from roamwire.errors import LocalProtocolError

# A language is merged with English when it is loaded, so what it lacks is looked for in its file.
ENGLISH = languages()[DEFAULT]


def own(code):
    from importlib.resources import files  # noqa: PLC0415

    text = files("dtu").joinpath("languages", f"{code}.toml").read_text(encoding="utf-8")
    return parse_language(code, text)


@pytest.mark.parametrize("code", languages())
def test_a_language_is_complete_and_has_the_same_places(code):
    texts = own(code).texts
    assert texts.keys() == ENGLISH.texts.keys()
    assert {key: places(text) for key, text in texts.items()} == {
        key: places(text) for key, text in ENGLISH.texts.items()
    }
    assert [key for key, text in texts.items() if not text.strip()] == []


@pytest.mark.parametrize("code", [code for code in languages() if code != DEFAULT])
def test_a_translation_is_no_copy(code):
    texts = own(code).texts
    same = [key for key in texts if texts[key] == ENGLISH.texts[key] and " " in texts[key]]
    assert [key for key in same if not places(texts[key])] == []


def test_english_and_german_are_there():
    assert list(languages()) == ["en", "de"]
    assert [language.name for language in languages().values()] == ["English", "Deutsch"]


@pytest.mark.parametrize("code", languages())
def test_the_font_has_every_letter(code):
    painter = WordsPainter()
    try:
        assert painter.lacks("".join(languages()[code].texts.values())) == ""
        assert painter.lacks("\U0001fae8") == "\U0001fae8"
    finally:
        painter.close()


@pytest.mark.parametrize("message", catalogue.everything(), ids=lambda message: message.code)
@pytest.mark.parametrize("code", languages())
def test_every_message_has_words(code, message):
    words = languages()[code].words(message, hotkey="F1")
    assert words.title
    assert words.text
    assert words.icon is message.icon
    assert ("F1" in words.note) == (message is catalogue.INSERT_CARD)


def test_places_are_filled_and_never_with_places():
    message = catalogue.CONNECTING.about(server="{server} {0} %s")
    assert ENGLISH.words(message).text == "Talking to server {server} {0} %s."
    assert ENGLISH.words(catalogue.CONNECTING).text == "Talking to server ."


def test_notes_stand_side_by_side():
    words = ENGLISH.words(Message(27, Icon.OK, notes=("uid", "menu")), hotkey="F1")
    assert words.note == "Low trust: card number only, it can be copied. · F1: menu"


def test_a_servers_own_text_is_shown():
    words = ENGLISH.words(catalogue.notice(99, "Tea is ready"))
    assert (words.code, words.title, words.text) == (99, "Message from the server", "Tea is ready")


def test_key_caps():
    assert languages()["de"].chord("ctrl-alt-home") == "Strg+Alt+Pos1"
    assert ENGLISH.chord("Super-Shift-page up") == "Super+Shift+Page Up"


def test_a_broken_file_is_our_own_mistake_and_a_gap_is_english():
    with pytest.raises(LocalProtocolError, match="language xx"):
        parse_language("xx", "[11\n")
    gappy = parse_language("xx", '[21]\ntitle = "Karte"', ENGLISH)
    assert (gappy.name, gappy.say("21.title"), gappy.say("11.title")) == ("xx", "Karte", "Starting")
