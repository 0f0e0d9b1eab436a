"""The settings table: defaults, kinds, bounds, and errors that help."""

import pytest

from roamwire.settings import (
    MAX_FILE_BYTES,
    MAX_LIST,
    MAX_TEXT,
    Setting,
    SettingsError,
    SettingsTable,
)


def _even(text: str) -> str | None:
    return None if len(text) % 2 == 0 else "must have an even length"


TABLE = SettingsTable(
    (
        Setting("host", "text", "s1", "the name", check=_even),
        Setting("port", "whole", 7009, "the port", lowest=1),
        Setting("broadcast", "flag", True, "whether to broadcast"),
        Setting("seeds", "list", (), "addresses", check=_even),
        Setting("profile", "choice", "fast", "intervals", choices=("fast", "classic")),
        Setting("run_dir", "path", "/run", "sockets"),
    )
)


def problem_of(text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        TABLE.parse(text, "server.toml")
    return str(caught.value)


def test_defaults_hold_when_the_file_says_nothing():
    assert TABLE.parse("", "f") == TABLE.defaults()
    assert TABLE.names[:2] == ("host", "port")


def test_a_file_overlays_the_defaults():
    values = TABLE.parse('port = 7100\nseeds = ["10.0.0.1", "10.0.0.2"]\nbroadcast = false', "f")
    assert values["port"] == 7100
    assert values["seeds"] == ("10.0.0.1", "10.0.0.2")
    assert values["broadcast"] is False
    assert values["host"] == "s1"


def test_an_unknown_key_suggests_the_nearest():
    assert problem_of("prot = 1") == "server.toml: unknown setting 'prot'; did you mean 'port'?"
    assert "known are: host, port" in problem_of("zzzzzz = 1")


def test_every_problem_is_told_at_once():
    message = problem_of('prot = 1\nport = "x"\nprofile = "classc"\nseeds = "a"')
    assert message.count("\n") == 3
    assert "did you mean 'classic'" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("port = true", "must be a whole number, not True"),
        ("port = 0", "must be 1 to 65535, not 0"),
        ("port = 70000", "must be 1 to 65535, not 70000"),
        ("broadcast = 1", "must be true or false"),
        ("host = 5", "must be a text"),
        ('host = "abc"', "must have an even length"),
        ('host = "a\\u0007"', "control character"),
        ('profile = "slow"', "must be one of fast, classic, not 'slow'"),
        ("seeds = [1]", "must be a list of texts"),
        ('seeds = ["abc"]', "must have an even length"),
        (f"seeds = {['ab'] * (MAX_LIST + 1)}", f"{MAX_LIST} are the most"),
        (f'run_dir = "{"a" * (MAX_TEXT + 1)}"', "longer than"),
        ("port = ", "not TOML"),
        ("a = " + "[" * 5000, "not TOML"),
        ("#" * (MAX_FILE_BYTES + 1), "is it the right file?"),
    ],
)
def test_a_wrong_value_is_refused_with_the_reason(text, words):
    assert words in problem_of(text)


def test_what_is_shown_reads_back():
    values = TABLE.resolve(
        {"run_dir": '/a "b"\\c', "seeds": ["10.0.0.1"], "broadcast": False, "port": 1}, "test"
    )
    text = TABLE.show(values)
    assert TABLE.parse(text, "shown") == values
    assert "# the port (set)" in text
    assert "# the name\n" in text


def test_a_table_checks_itself():
    with pytest.raises(SettingsError, match="same name"):
        SettingsTable((Setting("a", "flag", True, ""), Setting("a", "flag", True, "")))
    with pytest.raises(SettingsError, match="the default of 'a' must be"):
        SettingsTable((Setting("a", "whole", "x", ""),))
