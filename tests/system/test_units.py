"""systemd's own tools on our units: do they parse, and how much is a service let do."""

import re
import shutil
import subprocess

import pytest

from roamtools.lab.plan import project_root

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd on this machine"),
]

UNITS = sorted(project_root().glob("*/systemd/*.service"))

MAX_EXPOSURE = 2.0


def analyze(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_all_units_are_here():
    assert [unit.name for unit in UNITS] == [
        "roamdesk-dhcp@.service",
        "roamdesk-dtu-sound.service",
        "roamdesk-dtu.service",
        "roamdesk-link@.service",
        "roamdesk-displayd.service",
        "roamdesk-enrold.service",
        "roamdesk-hostd.service",
        "roamdesk-launcherd.service",
    ]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_has_no_unknown_word(unit):
    told = analyze("verify", "--man=no", "--recursive-errors=no", str(unit)).stderr
    # Programs and users of an image are not on this machine.
    assert not re.search(r"Unknown|Failed to parse|Invalid", told), told


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_service_may_do_little(unit):
    told = analyze("security", "--offline=yes", "--no-pager", str(unit)).stdout
    exposure = float(re.search(r"exposure level for \S+: (\S+)", told).group(1))
    assert exposure <= MAX_EXPOSURE, told
