"""A terminal's settings file."""

from pathlib import Path

import pytest

from dtu.app import config
from dtu.app.config import SETTINGS, load_config, load_values
from roamwire.settings import SettingsError


@pytest.fixture
def write(tmp_path):
    def write_file(text: str) -> Path:
        path = tmp_path / "dtu.toml"
        path.write_text(text)
        return path

    return write_file


def test_an_empty_file_gives_the_defaults(write, monkeypatch):
    monkeypatch.setattr(config.socket, "gethostname", lambda: "desk1.lan")
    found = load_config(write(""))
    assert found.name == "desk1"
    assert (found.display, found.card, found.input) == ("window", "pcsc", "window")
    assert found.bench_socket is None
    assert found.lease_file == Path("/run/roamdesk-dtu/lease-eth0")


def test_the_largest_screen_is_taken(write):
    found = load_config(write('name = "d"\nwidth = 7680\nheight = 4320'))
    assert (found.width, found.height) == (7680, 4320)


def test_paths_are_paths(write, tmp_path):
    found = load_config(write('name = "d"\nbench_socket = "bench"\nca = "/x/ca.crt"'))
    assert found.bench_socket == tmp_path / "bench"
    assert found.ca == Path("/x/ca.crt")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('dispaly = "window"', "did you mean 'display'"),
        ('display = "windows"', "did you mean 'window'"),
        ('name = "a b"', "'name' is not a name"),
        ('interface = "eth0/1"', "not an interface's name"),
        ('servers = ["a b"]', "'servers' is not a name"),
        ('ca = ""', "must not be empty"),
        ("width = 9000", "320 to 8192"),
        ("width = 8192\nheight = 8192", "67108864 pixels; 33177600 are the most"),
        ("width = 7681\nheight = 4320", "make one smaller"),
        ('keyboard_layout = "German"', "no XKB layout such as de"),
        ('keyboard_layout = "de -option x"', "no XKB layout such as de"),
    ],
)
def test_a_wrong_setting_is_refused(write, text, words):
    with pytest.raises(SettingsError, match=words):
        load_config(write(text))


@pytest.mark.parametrize(
    "line",
    [
        'display = "headless"',
        'card = "scripted"',
        'input = "scripted"',
        'network = "scripted"',
        'sound = "scripted"',
        'bench_socket = "/run/b"',
    ],
)
def test_an_image_refuses_test_drivers(write, line):
    load_config(write(f'name = "d"\n{line}'))
    with pytest.raises(SettingsError, match="for test benches"):
        load_config(write(f'name = "d"\nimage = true\n{line}'))


def test_an_image_takes_the_console(write):
    assert load_config(
        write('name = "d"\nimage = true\ndisplay = "console"\ninput = "evdev"')
    ).image


def test_a_console_without_a_keyboard_is_refused(write):
    with pytest.raises(SettingsError, match="evdev"):
        load_config(write('name = "d"\ndisplay = "console"'))


def test_servers_may_be_names_or_addresses(write):
    found = load_config(write('name = "d"\nservers = ["10.0.0.1", "s1.lan", "fe80::1"]'))
    assert found.servers == ("10.0.0.1", "s1.lan", "fe80::1")


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(SettingsError, match="No such file"):
        load_config(tmp_path / "none.toml")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="not UTF-8"):
        load_config(tmp_path / "binary")


def test_what_show_config_prints_reads_back(write):
    values = load_values(write('name = "d"\ndns_names = false'))
    assert load_values(write(SETTINGS.show(values))) == values
