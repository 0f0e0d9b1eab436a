"""What keys write by XKB's layouts: the real libxkbcommon and its files, or neither."""

import pytest

from dtu.app.config import load_config
from dtu.app.drivers import Drivers
from dtu.core.input.events import Key, Leds
from dtu.core.input.keyboard import Keyboard
from dtu.core.input.us_layout import UsLayout
from dtu.core.secret import Entry, Form, character, digit
from dtu.drivers.input import xkb
from dtu.drivers.input.xkb import LayoutError, XkbLayout, open_layout

SHIFT, RIGHT_SHIFT, CAPS, ALTGR, CONTROL, ALT = 42, 54, 58, 100, 29, 56
NUM, NONE = Leds(num=True), Leds()
UPPER_ROW = range(2, 12)
KEYPAD = (82, 79, 80, 81, 75, 76, 77, 71, 72, 73)  # 0 to 9


@pytest.fixture(scope="module")
def layouts():
    """Layouts by name, each made once."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = XkbLayout(name)
        return made[name]

    return get


def typed(layout, *keys, leds=NUM):
    """What a form has after these keys; a tuple is held but for its last, which is pressed."""
    keyboard = Keyboard(layout)
    keyboard.leds = leds
    form = Form([Entry("password", 64, hidden=False)])
    for key in keys:
        chord = key if isinstance(key, tuple) else (key,)
        for code in chord:
            for event in keyboard.key(Key(0, True, code, "k"), 0.0):
                form.press(event)
        for code in reversed(chord):
            keyboard.key(Key(0, False, code, "k"), 0.0)
    return form.entries[0].seen


@pytest.mark.parametrize(
    ("name", "keys", "text"),
    [
        ("de", (21, 44, 26, 39, 40, 12), "zyüöäß"),
        ("de", ((SHIFT, 21), (RIGHT_SHIFT, 26), (SHIFT, 12), (SHIFT, 8), (SHIFT, 3)), 'ZÜ?/"'),
        ("de", ((ALTGR, 16), (ALTGR, 18), (ALTGR, 8), (ALTGR, 11), (ALTGR, 86)), "@€{}|"),
        ("de", (86, (SHIFT, 86), 43, (ALTGR, 12)), "<>#\\"),
        ("fr", (16, 17, 30, 39, 50), "azqm,"),
        ("fr", (2, 3, (SHIFT, 2), (SHIFT, 11), (ALTGR, 11)), "&é10@"),
        ("us", (16, 21, (SHIFT, 3), 86), "qy@<"),
        ("us(intl)", ((ALTGR, 16), 16), "äq"),
        ("ru", (16, (SHIFT, 16)), "йЙ"),
        ("us,ru", (16,), "q"),
        ("de(neo)", (16, (43, 16)), "x…"),
    ],
)
def test_letters(layouts, name, keys, text):
    assert typed(layouts(name), *keys) == text


def test_caps_lock(layouts):
    caps = Leds(caps=True)
    assert typed(layouts("de"), 21, 26, (SHIFT, 21), 2, 12, leds=caps) == "ZÜz1ẞ"
    assert typed(layouts("fr"), 16, (SHIFT, 16), leds=caps) == "Aa"
    assert typed(layouts("us"), 30, (SHIFT, 30), 2, leds=caps) == "Aa1"


@pytest.mark.parametrize(
    ("name", "keys", "text"),
    [
        ("de", (41, 18), "ê"),
        ("de", (41, (SHIFT, 18)), "Ê"),
        ("de", (41, 57), "^"),
        ("de", (41, 41), "^"),
        ("de", (13, 30, 13, 57, (SHIFT, 13), 30), "á'à"),
        ("de", (41, 45), ""),
        ("de", (41, 13, 18), "e"),
        ("de", (30, 41, 14, 18), "ae"),
        ("fr", (26, 18, (SHIFT, 26), 23), "êï"),
        ("us(intl)", (40, 46, 40, 57), "ć'"),
    ],
)
def test_dead_keys_write_the_letter_with_its_accent_or_nothing(layouts, name, keys, text):
    assert typed(layouts(name), *keys) == text


@pytest.mark.parametrize("name", ["us", "de", "fr", "cz", "ru", "ara"])
@pytest.mark.parametrize("held", [[], [SHIFT]])
def test_digits_of_a_pin_are_those_of_the_keys_on_all_layouts(layouts, name, held):
    layout = layouts(name)
    row = "".join(digit(Key(layout.keysym(c, held, NUM), True, c)) for c in UPPER_ROW)
    assert row == "1234567890"
    for leds in (NUM, NONE):
        pad = "".join(digit(Key(layout.keysym(c, [], leds), True, c)) for c in KEYPAD)
        assert pad == "0123456789"


def test_the_keypads_comma_is_the_layouts(layouts):
    assert typed(layouts("de"), 83, 71) == ",7"
    assert typed(layouts("us"), 83, 71) == ".7"


def test_a_us_layout_of_xkb_is_the_table(layouts):
    table, layout = UsLayout(), layouts("us")
    letters = [*range(1, 71), 86, 87, 88, *range(96, 112)]
    for held in ([], [SHIFT], [RIGHT_SHIFT]):
        for leds in (NONE, NUM, Leds(caps=True)):
            told = {code: layout.keysym(code, held, leds) for code in letters}
            assert told == {code: table.keysym(code, held, leds) for code in letters}


@pytest.mark.parametrize("name", ["de", "fr", "ru", "de(neo)"])
def test_keys_without_a_letter_are_the_same_everywhere(layouts, name):
    for code in (1, 14, 15, 28, 59, 102, 103, 111):
        assert layouts(name).keysym(code, [], NUM) == UsLayout().keysym(code, [], NUM)
        assert layouts(name).keysym(code, [SHIFT], NUM) == UsLayout().keysym(code, [SHIFT], NUM)


def test_a_key_that_shifts_levels_says_so_and_does_not_repeat(layouts):
    assert layouts("de").keysym(ALTGR, [], NUM) == 0xFE03
    assert layouts("us").keysym(ALTGR, [], NUM) == 0xFFEA
    neo = layouts("de(neo)")
    assert neo.keysym(CAPS, [], NUM) == 0xFE03, "it is no Caps Lock there"
    keyboard = Keyboard(neo)
    keyboard.key(Key(0, True, 43, "k"), 0.0)
    assert keyboard.next_deadline() is None


def test_chords_are_latin_on_keyboards_that_are_not(layouts):
    assert layouts("ru").keysym(50, [CONTROL, ALT], NUM) == ord("m")
    assert layouts("gr").keysym(50, [ALT], NUM) == ord("m")
    assert layouts("fr").keysym(39, [CONTROL, ALT], NUM) == ord("m"), "where the M is"


def test_characters_have_one_keysym_each(layouts):
    # Latin 2 and Greek have keysyms of their own, from before Unicode.
    assert layouts("cz").keysym(3, [], NUM) == 0x0100011B  # e with caron
    assert layouts("gr").keysym(30, [], NUM) == 0x010003B1  # alpha
    assert layouts("de").keysym(113, [], NUM) == 0, "mute writes nothing"
    assert character(Key(layouts("de").keysym(18, [ALTGR], NUM), True)) == "€"


@pytest.mark.parametrize("name", ["zz", "de(zz)"])
def test_a_layout_that_is_not_there_is_named(name, caplog):
    with pytest.raises(LayoutError, match="no keyboard layout"):
        XkbLayout(name)
    layout = open_layout(name)
    assert isinstance(layout, UsLayout)
    assert len(caplog.records) == 1
    assert name in caplog.text
    assert "US keyboard" in caplog.text


def test_a_terminal_without_the_library_reads_the_us_table(monkeypatch, caplog):
    xkb.library.cache_clear()
    monkeypatch.setattr(xkb, "_LIBRARY", "libxkbcommon-not-here.so.0")
    assert open_layout("de").name == "us"
    assert "apt-get install libxkbcommon0 xkb-data" in caplog.text
    xkb.library.cache_clear()


def test_a_terminal_without_the_files_reads_the_us_table(monkeypatch, caplog):
    class Without:
        """libxkbcommon that finds no folder of layouts."""

        def __getattr__(self, name):
            return (lambda _flags: None) if name == "xkb_context_new" else None

    monkeypatch.setattr(xkb, "library", Without)
    assert open_layout("de").name == "us"
    assert "xkb-data" in caplog.text


def test_no_layout_set_is_the_us_table_without_a_word(caplog):
    assert isinstance(open_layout(""), UsLayout)
    assert not caplog.records


def test_the_setting_reaches_the_driver(tmp_path):
    file = tmp_path / "dtu.toml"
    file.write_text('name = "d"\ndisplay = "console"\ninput = "evdev"\ncard = "scripted"\n')
    assert Drivers(load_config(file)).input.layout.name == "us"
    file.write_text(file.read_text() + 'keyboard_layout = "fr,de"\n')
    assert Drivers(load_config(file)).input.layout.name == "fr"
