"""A terminal that cannot start: its words, where they are shown, and what the process ends with."""

import logging

import pytest

from dtu.app import main, not_set_up
from dtu.app.tls import IdentityError
from dtu.core import catalogue
from dtu.core.rfb import turbojpeg
from dtu.drivers.display.base import ScreenError
from dtu.drivers.display.pygame_screen import open_screen
from roamwire.settings import SettingsError

SETTINGS = 'name = "desk1"\ndisplay = "headless"\ncard = "scripted"\nlanguage = "de"\n'


@pytest.fixture
def service(monkeypatch, tmp_path):
    """As systemd starts it; `shown` gets the words of screens, `opened` what was opened."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody-listens"))
    monkeypatch.setattr(not_set_up.ServiceManager, "_tell", lambda *_: None)
    monkeypatch.setattr(not_set_up, "SHOWN_S", 0.0)
    monkeypatch.setattr(main, "forbid_core_dumps", lambda: None)
    monkeypatch.setattr(main.gc, "freeze", lambda: None)
    shown, opened = [], []

    def opens(display, width, height, mode=""):
        opened.append(display)
        if display == "console":
            raise ScreenError("no screen: there is no card")
        screen = open_screen("headless", width, height)
        paint = screen.show_words
        screen.show_words = lambda words, dim: (shown.append(words), paint(words, dim))
        return screen

    monkeypatch.setattr(not_set_up, "open_screen", opens)
    return shown, opened


def start(tmp_path, text):
    (tmp_path / "dtu.toml").write_text(text)
    return main.main(["--config", str(tmp_path / "dtu.toml")])


def test_wrong_settings_are_said_in_the_language_that_they_name(service, tmp_path):
    shown, opened = service
    assert start(tmp_path, SETTINGS + "screen_offs = 3\n") == 2
    assert opened == ["headless"]
    (words,) = shown
    assert (words.code, words.title) == (81, "Gerät ist nicht eingerichtet")
    assert "screen_off_s" in words.note, "the small print names the right setting"


@pytest.mark.parametrize("text", ["", "name = \x00", "display = 3\nlanguage = []\nnme = 'x'\n"])
def test_settings_that_say_nothing_are_said_where_a_screen_is_found(service, tmp_path, text):
    shown, opened = service
    (tmp_path / "dtu.toml").write_text(text)
    not_set_up.say(SettingsError("nothing"), not_set_up.place_despite(tmp_path / "dtu.toml"))
    assert opened == ["console", "window"]
    assert shown[0].title == "This terminal is not set up"


def test_a_missing_file_of_settings_is_said(service, tmp_path):
    shown, _ = service
    assert main.main(["--config", str(tmp_path / "none.toml")]) == 2
    assert "none.toml" in shown[0].note


@pytest.mark.parametrize("ca", [None, "", "no certificate"])
def test_a_ca_that_cannot_be_used_is_said(service, tmp_path, ca):
    shown, opened = service
    if ca is not None:
        (tmp_path / "ca.crt").write_text(ca)
    assert start(tmp_path, SETTINGS + 'ca = "ca.crt"\nstate_dir = "state"\n') == 1
    assert opened == ["headless"]
    assert "Zertifikat seiner Gruppe" in shown[0].text
    assert "ca.crt" in shown[0].note


def test_a_missing_library_is_said(service, tmp_path, monkeypatch):
    def missing():
        raise turbojpeg.LibraryMissingError("no libturbojpeg.so.0: apt-get install libturbojpeg0")

    monkeypatch.setattr(turbojpeg, "library", missing)
    shown, _ = service
    assert start(tmp_path, SETTINGS) == 1
    assert "Programme" in shown[0].text
    assert "libturbojpeg0" in shown[0].note


def test_by_hand_the_prompt_is_back_at_once(service, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("NOTIFY_SOCKET")
    shown, opened = service
    assert start(tmp_path, SETTINGS + "screen_offs = 3\n") == 2
    assert "screen_off_s" in capsys.readouterr().err
    assert (shown, opened) == ([], [])


def test_without_any_screen_it_waits_all_the_same(service, monkeypatch):
    waited = []
    monkeypatch.setattr(not_set_up.time, "sleep", waited.append)
    place = not_set_up.Place(("console",), (640, 480), "", "en")
    not_set_up.say(IdentityError("no ca.crt"), place)
    assert waited == [not_set_up.SHOWN_S]
    assert service[0] == []


def test_each_trouble_has_its_sentence():
    said = {
        not_set_up.what_is_missing(error).form
        for error in (SettingsError("x"), IdentityError("x"), turbojpeg.LibraryMissingError("x"))
    }
    assert said == {"settings", "group", "text"}
    long = not_set_up.what_is_missing(SettingsError("x" * 5000))
    assert long.code == catalogue.NOT_SET_UP.code
    assert len(dict(long.params)["detail"]) == not_set_up.MAX_DETAIL_CHARS


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\nAAAA\n", "\xff\xfe"])
def test_a_broken_certificate_costs_the_name_in_it_and_no_more(tmp_path, text, caplog):
    (tmp_path / "dtu.toml").write_text(SETTINGS + 'cert = "dtu.crt"\n')
    (tmp_path / "dtu.crt").write_text(text)
    config = main.load_config(tmp_path / "dtu.toml")
    with caplog.at_level(logging.WARNING):
        assert main._name(config) == "desk1"
    assert "a new certificate is asked for" in caplog.text
