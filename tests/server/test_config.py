"""A server's settings file."""

from pathlib import Path

import pytest

from roamwire.settings import SettingsError
from sessionhost.app import config
from sessionhost.app.config import SETTINGS, load_config, load_values


@pytest.fixture
def write(tmp_path):
    def write_file(text: str) -> Path:
        path = tmp_path / "server.toml"
        path.write_text(text)
        return path

    return write_file


def test_an_empty_file_gives_the_defaults(write, monkeypatch):
    monkeypatch.setattr(config.socket, "gethostname", lambda: "s7.example.org")
    found = load_config(write(""))
    assert found.host == "s7"
    assert (found.control_port, found.group_port, found.display_port) == (7009, 7009, 7010)
    assert found.run_dir == Path("/run/roamdesk")
    assert found.ca_cert == Path("/etc/roamdesk/group/ca.crt")
    assert found.registry_path == Path("/var/lib/roamdesk/registry.sqlite")
    assert found.size == (1280, 800)
    assert found.interfaces_ignore == ("lo",)


def test_relative_paths_are_relative_to_the_file(write, tmp_path):
    found = load_config(write('host = "s1"\nrun_dir = "run"\ngroup_dir = "/g"'))
    assert found.run_dir == tmp_path / "run"
    assert found.group_dir == Path("/g")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('hots = "s1"', "did you mean 'host'"),
        ('host = "a b"', "'host' is not a name"),
        ('host_user = "Root"', "not a Unix user's name"),
        ('recipe = "../x"', "not a recipe's name"),
        ('geometry = "big"', "must look like 1280x800"),
        ('seeds = ["s1.example.org"]', "not an IP address"),
        ('multicast_group = "10.0.0.1"', "not a multicast address"),
        ('multicast_group = "x"', "not a multicast address"),
        ('run_dir = ""', "must not be empty"),
        ('host = "s1"\ndisplay_port = 7009', "must differ"),
    ],
)
def test_a_wrong_setting_is_refused(write, text, words):
    with pytest.raises(SettingsError, match=words):
        load_config(write(text))


def test_a_machine_name_that_cannot_be_used_is_told(write, monkeypatch):
    monkeypatch.setattr(config.socket, "gethostname", lambda: "my_host")
    with pytest.raises(SettingsError, match="the machine's name: 'host' is not a name"):
        load_config(write(""))


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(SettingsError, match="No such file"):
        load_config(tmp_path / "none.toml")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="not UTF-8"):
        load_config(tmp_path / "binary")


def test_what_show_config_prints_reads_back(write):
    values = load_values(write('host = "s1"\nseeds = ["10.0.0.1", "fe80::1"]'))
    assert load_values(write(SETTINGS.show(values))) == values
