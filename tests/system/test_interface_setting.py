"""Which interface is the terminal's: the script that units ask says what the terminal reads."""

import os
import subprocess

import pytest

from dtu.app.config import load_config
from roamtools.lab import plan

pytestmark = pytest.mark.system

SCRIPT = plan.project_root() / "firmware/etc/network/roamdesk-interface"
FILES = {
    "the default": 'name = "d"\n',
    "an empty file": "",
    "plain": 'name = "d"\ninterface = "end0"\n',
    "narrow": 'interface="wlan0"',
    "with a comment": 'interface = "end0" # "eth0"\n',
    "in single quotes": "interface = 'enx0011'\n",
    "a quoted key, indented": ' \t"interface"  =\t"end0"\n',
    "commented out": '# interface = "end0"\n',
    "another key": 'name = "interface"\nmenu_keys = "ctrl-alt-home"\n',
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES.keys())
def test_it_says_yes_to_the_interface_in_force_only(tmp_path, text):
    path = tmp_path / "dtu.toml"
    path.write_text(text)
    ours = load_config(path).interface
    environment = os.environ | {"ROAMDESK_DTU_TOML": str(path)}
    said = {
        name: subprocess.run([SCRIPT, name], env=environment, check=False).returncode == 0
        for name in ("eth0", "eth1", "end0", "wlan0", "enx0011", "")
    }
    assert [name for name, yes in said.items() if yes] == [ours]


def test_without_settings_it_says_no(tmp_path):
    environment = os.environ | {"ROAMDESK_DTU_TOML": str(tmp_path / "none")}
    done = subprocess.run([SCRIPT, "eth0"], env=environment, check=False, capture_output=True)
    assert done.returncode == 1
