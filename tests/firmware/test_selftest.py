"""The self-test names what is missing, on trees that stand for machines."""

import dataclasses
import datetime
import json
import os
from pathlib import Path

import pytest

from dtu.app import main, selftest
from dtu.app.config import load_config
from dtu.app.selftest import SelfTest
from dtu.core.rfb import turbojpeg
from dtu.core.rfb.turbojpeg import JpegDecoder
from dtu.drivers.card.service import Fault, PcscError
from sessionhost.adapters import pki

LEASE = "event=bound\ninterface=eth0\naddress=10.77.0.21\nmask=24\n"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A terminal with everything but an identity; returns its config and root."""
    root = tmp_path / "root"
    for path, text in {
        "dev/dri/card0": "",
        "dev/input/event3": "",
        "sys/class/drm/card0-HDMI-A-1/status": "connected\n",
        "sys/class/drm/card0-HDMI-A-2/status": "disconnected\n",
        "sys/class/input/input3/capabilities/key": "10000 7 ff9f207ac14057ff fffffffffffffffe\n",
        "sys/class/input/input3/name": "Acme Keyboard\n",
        "sys/class/input/input4/capabilities/key": "70000 0 0 0 0\n",
        "sys/class/input/input4/name": "Acme Mouse\n",
        "sys/class/net/eth0/carrier": "1\n",
        "sys/class/net/lo/carrier": "1\n",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    file = tmp_path / "dtu.toml"
    file.write_text(
        'display = "console"\ninput = "evdev"\nname = "desk1"\n'
        'run_dir = "run"\nstate_dir = "state"\n'
    )
    config = load_config(file)
    config.run_dir.mkdir()
    config.state_dir.mkdir()
    for program in ("usr/sbin/udhcpc", "usr/bin/rdisc6", "usr/bin/pactl"):
        (root / program).parent.mkdir(parents=True, exist_ok=True)
        (root / program).touch(0o755)
    monkeypatch.setattr(selftest, "readers_present", lambda: ["Acme Reader 00 00"])
    monkeypatch.setattr(os, "geteuid", lambda: 994)
    return config, root


def told(machine, part, **changes):
    config, root = machine
    found = SelfTest(dataclasses.replace(config, **changes), root).findings()
    return next((each.state, each.text) for each in found if each.part == part)


def test_every_part_is_looked_at_once(machine):
    config, root = machine
    parts = [each.part for each in SelfTest(config, root).findings()]
    assert len(parts) == len(set(parts)) == 13


def test_a_monitor_and_what_is_without_one(machine):
    assert told(machine, "screen") == ("ok", "connected: card0-HDMI-A-1")
    (machine[1] / "sys/class/drm/card0-HDMI-A-1/status").write_text("disconnected\n")
    state, text = told(machine, "screen")
    assert state == "warning"
    assert "card0-HDMI-A-1, card0-HDMI-A-2" in text
    (machine[1] / "dev/dri/card0").unlink()
    state, text = told(machine, "screen")
    assert state == "missing"
    assert "config.txt" in text


@pytest.mark.parametrize("lacks", [os.R_OK, os.W_OK])
def test_a_card_that_the_user_may_not_open(machine, monkeypatch, lacks):
    monkeypatch.setattr(os, "access", lambda _path, mode: not mode & lacks)
    state, text = told(machine, "screen")
    assert state == "missing"
    assert "group video" in text


def test_root_is_told_whose_rights_are_not_seen(machine, monkeypatch):
    assert told(machine, "user")[0] == "ok"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    state, text = told(machine, "user")
    assert state == "warning"
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    assert f"`{selftest.AS_ITS_USER}`" in readme
    assert selftest.AS_ITS_USER in text


@pytest.mark.parametrize(
    ("program", "state", "package"),
    [
        ("usr/sbin/udhcpc", "missing", "udhcpc"),
        ("usr/bin/rdisc6", "warning", "ndisc6"),
        ("usr/bin/pactl", "warning", "pulseaudio-utils"),
    ],
)
def test_a_program_that_the_settings_need(machine, program, state, package):
    assert told(machine, "programs") == ("ok", "udhcpc, rdisc6, pactl")
    (machine[1] / program).unlink()
    found, text = told(machine, "programs")
    assert found == state
    assert program.rpartition("/")[2] in text
    assert text.endswith(f"(apt-get install {package})")
    unused = told(machine, "programs", network="scripted", sound="none")
    assert unused == ("ok", "none is needed by the settings")


@pytest.fixture
def no_library(monkeypatch):
    """libturbojpeg is not there; the right one is loaded again afterwards."""
    turbojpeg.library.cache_clear()
    monkeypatch.setattr(turbojpeg, "_LIBRARY", "libturbojpeg-not-here.so.0")
    yield
    turbojpeg.library.cache_clear()


def test_pictures_need_a_library(machine):
    assert told(machine, "pictures")[0] == "ok"


def test_a_missing_library_is_named_with_its_package(machine, no_library):
    state, text = told(machine, "pictures")
    assert state == "missing"
    assert "libturbojpeg-not-here.so.0" in text
    assert "apt-get install libturbojpeg0" in text
    with pytest.raises(turbojpeg.LibraryMissingError):
        JpegDecoder()


def test_a_terminal_without_the_library_says_so_and_does_not_start(
    machine, no_library, caplog, monkeypatch
):
    monkeypatch.setattr(main, "forbid_core_dumps", lambda: None)  # it would last for all tests
    assert main.main(["--config", str(machine[0].state_dir.parent / "dtu.toml")]) == 1
    assert "cannot start: no libturbojpeg-not-here.so.0" in caplog.text


def test_a_keyboard_is_told_from_a_mouse(machine):
    assert told(machine, "keyboard") == ("ok", "Acme Keyboard")
    (machine[1] / "dev/input/event3").unlink()
    assert told(machine, "keyboard")[0] == "missing"
    (machine[1] / "sys/class/input/input3/capabilities/key").write_text("70000 0 0 0 0\n")
    assert told(machine, "keyboard") == ("warning", "no keyboard: plug one in")


def test_the_keyboards_layout(machine, monkeypatch):
    assert told(machine, "layout")[0] == "ok"
    assert told(machine, "layout", keyboard_layout="de") == (
        "ok",
        "letters of passwords are those of de",
    )
    state, text = told(machine, "layout", keyboard_layout="zz")
    assert state == "warning"
    assert "zz" in text
    assert "those of us" in text
    assert told(machine, "layout", keyboard_layout="zz", input="window")[0] == "ok"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault.NO_SERVICE, "pcscd.socket"),
        (Fault.NO_READER, "plug one in"),
        (Fault.OTHER, "polkit"),
    ],
)
def test_what_is_wrong_with_the_reader(machine, monkeypatch, fault, words):
    assert told(machine, "card reader") == ("ok", "Acme Reader 00 00")

    def fails():
        raise PcscError(fault)

    monkeypatch.setattr(selftest, "readers_present", fails)
    state, text = told(machine, "card reader")
    assert state == "missing"
    assert words in text


def test_what_is_wrong_with_the_network(machine):
    assert told(machine, "network") == ("ok", "eth0 has a link")
    (machine[1] / "sys/class/net/eth0/carrier").write_text("0\n")
    assert "cable" in told(machine, "network")[1]
    assert told(machine, "network", interface="enx1")[1].endswith("there is: eth0")


def test_a_lease_and_none(machine):
    assert told(machine, "address")[0] == "missing"
    config, _ = machine
    config.lease_file.write_text(LEASE)
    state, text = told(machine, "address")
    assert (state, text.split(";")[0]) == ("ok", "10.77.0.21/24")


def test_a_terminal_without_a_sound_server_is_told_which_service_to_look_at(machine):
    state, text = told(machine, "sound", sound_socket=machine[1] / "native", sound="pulse")
    assert state == "warning"
    assert "roamdesk-dtu-sound" in text
    assert told(machine, "sound", sound="none")[0] == "warning"


def test_no_identity_says_which_command_makes_one(machine):
    state, text = told(machine, "identity")
    assert state == "missing"
    assert "CA certificate" in text


def test_a_key_that_others_can_read_is_no_identity(machine, tmp_path):
    (tmp_path / "dtu.key").write_text("a key")
    (tmp_path / "dtu.key").chmod(0o644)
    pki.create_group(tmp_path / "group", "lab", datetime.datetime.now(datetime.UTC), os.urandom)
    files = {"ca": tmp_path / "group" / "ca.crt", "key": tmp_path / "dtu.key"}
    state, text = told(machine, "identity", **files)
    assert (state, "chmod 06" in text) == ("missing", True)


def test_a_state_folder_that_is_not_there_costs_no_work(machine):
    assert told(machine, "state")[0] == "ok"
    assert told(machine, "state", state_dir=machine[1] / "absent")[0] == "warning"


def test_a_clock_of_1970_is_named(machine, monkeypatch):
    assert told(machine, "clock")[0] == "ok"
    monkeypatch.setattr(
        selftest.time, "gmtime", lambda: selftest.time.struct_time([1970] + [0] * 8)
    )
    assert "1970" in told(machine, "clock")[1]


def test_the_command_fails_by_what_is_missing(machine, tmp_path, capsys):
    status = selftest.main(["--config", str(tmp_path / "dtu.toml"), "--json"])
    printed = json.loads(capsys.readouterr().out)
    assert status == 1
    assert printed["ok"] is False
    assert {each["part"] for each in printed["findings"]} >= {"screen", "identity"}


def test_the_command_names_a_wrong_setting(tmp_path, capsys):
    (tmp_path / "dtu.toml").write_text('displai = "console"\n')
    assert selftest.main(["--config", str(tmp_path / "dtu.toml")]) == 2
    assert "display" in capsys.readouterr().err


def test_a_part_that_cannot_be_looked_at_does_not_hide_the_others(machine):
    keys = machine[1] / "sys/class/input/input3/name"
    keys.unlink()
    os.mkdir(keys)
    assert told(machine, "keyboard")[0] == "missing"
    assert told(machine, "network")[0] == "ok"
