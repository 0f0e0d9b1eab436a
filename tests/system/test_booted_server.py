"""The server's units as systemd runs them: daemons in a sandbox, and a session outside of it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from booted import booted, server_files
from server_box import wait_for

from roamwire.blocks import dtu_key

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not shutil.which("systemd-nspawn"), reason="no systemd-nspawn here"),
]

DAEMONS = ("launcherd", "displayd", "hostd", "enrold")


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    keys = tmp_path_factory.mktemp("group")

    def prepare(root: Path) -> None:
        authority = server_files(root, keys)
        etc = root / "etc/roamdesk"
        shutil.copytree(keys / "ca", etc / "group", ignore=shutil.ignore_patterns("ca.key"))
        certificate, key = authority.issue("server", "server1")
        shutil.copyfile(certificate, etc / "server.crt")
        shutil.copyfile(key, etc / "server.key")
        (etc / "server.toml").write_text('host = "server1"\n')
        (etc / "group" / "policy.toml").write_text("login = true\n")
        authority.issue("dtu", "desk1")

    with booted(prepare) as made:
        # As the README says: the network daemons use the server's key, hostd alone the secret,
        # enrold alone the desk CA's key.
        made.run("chown", "root:roamdesk-keys", "/etc/roamdesk/server.key")
        made.run("chmod", "640", "/etc/roamdesk/server.key")
        made.run("chown", "-R", "roamdesk", "/etc/roamdesk/group")
        made.run("chown", "roamdesk-enrol", "/etc/roamdesk/group/desk-ca.key")
        made.run("chmod", "755", "/etc/roamdesk/group")
        for name in DAEMONS:
            made.start(f"roamdesk-{name}.service")
        wait_for(lambda: "serves on port" in made.journal("roamdesk-hostd.service"), what="hostd")
        for name in ("displayd", "enrold"):
            journal = f"roamdesk-{name}.service"
            try:
                wait_for(lambda unit=journal: "TCP port" in made.journal(unit), what=name)
            except AssertionError as error:
                raise AssertionError(f"{error}: {made.journal(journal)}") from None
        yield made, keys


def test_the_daemons_run_as_they_should(box):
    made, _ = box
    for name in DAEMONS:
        unit = f"roamdesk-{name}.service"
        assert made.active(unit), made.journal(unit)
        assert "Traceback" not in made.journal(unit)


@pytest.mark.parametrize("name", DAEMONS)
def test_a_daemon_leaves_no_core_dump(box, name):
    made, _ = box
    unit = f"roamdesk-{name}.service"
    pid = made.run("systemctl", "show", "-P", "MainPID", unit).stdout.strip()
    limits = made.run("cat", f"/proc/{pid}/limits").stdout
    assert re.search(r"Max core file size +0 +0 ", limits), limits
    # What may not be dumped belongs to root in /proc, whoever runs it (proc(5)).
    assert made.run("stat", "-c", "%U", f"/proc/{pid}/environ").stdout.strip() == "root"


def test_systemd_reloads_what_holds_certificates(box):
    made, _ = box
    for name in ("displayd", "hostd", "enrold"):
        unit = f"roamdesk-{name}.service"
        before = made.run("systemctl", "show", "-P", "MainPID", unit).stdout
        assert made.run("systemctl", "reload", unit).returncode == 0
        wait_for(lambda unit=unit: "are read again" in made.journal(unit), what=f"{name} reloads")
        assert made.run("systemctl", "show", "-P", "MainPID", unit).stdout == before


def test_terminals_can_enrol_at_the_sandboxed_daemon(box):
    made, _ = box
    roamctl = ("python3", "-m", "sessionhost.app.roamctl")
    told = made.run(*roamctl, "dtu", "preregister", "desk7", "--json")
    assert told.returncode == 0, told.stderr
    assert "preregistered" in made.run(*roamctl, "dtu", "list").stdout
    folder = made.run("stat", "-c", "%U %a", "/var/lib/roamdesk-enrol").stdout.strip()
    assert folder == "roamdesk-enrol 700"
    stored = made.run("stat", "-c", "%U %a", "/var/lib/roamdesk-enrol/terminals.sqlite")
    assert stored.stdout.strip() == "roamdesk-enrol 600"


def test_enrold_may_read_who_is_revoked_and_nothing_else_of_hostds(box):
    made, _ = box
    roamctl = ("python3", "-m", "sessionhost.app.roamctl")
    told = made.run(*roamctl, "dtu", "revoke", "desk8")
    assert told.returncode == 0, told.stderr
    as_enrold = ("setpriv", "--reuid=roamdesk-enrol", "--regid=roamdesk-enrol", "--init-groups")
    read = made.run(*as_enrold, "cat", "/run/roamdesk/revoked")
    assert read.stdout.split() == [dtu_key("desk8")], read.stderr
    assert made.run(*as_enrold, "cat", "/var/lib/roamdesk/blocks").returncode != 0
    assert made.run(*roamctl, "dtu", "restore", "desk8").returncode == 0
    assert made.run(*as_enrold, "cat", "/run/roamdesk/revoked").stdout == ""


def desk(made, keys: Path, *what: str) -> dict:
    """What a desk says after it has inserted a token, and typed a name and a password."""
    client = Path(__file__).parent / "booted_client.py"
    told = subprocess.run(
        [
            *("nsenter", "-t", str(made.init), "-n", sys.executable, client, keys / "ca.crt"),
            *(keys / "desk1.crt", keys / "desk1.key", *what),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 0, f"{told.stderr}\n{made.journal('roamdesk-*')}"
    return json.loads(told.stdout)


def test_a_password_is_checked_inside_of_the_launchers_sandbox(box):
    made, keys = box
    typed = made.run("sh", "-c", "echo alice:right-one | chpasswd")
    assert typed.returncode == 0, typed.stderr
    seen = desk(made, keys, "pseudo:desk1", "alice", "right-one")
    assert seen["user"] == "alice"
    assert "right-one" not in made.journal("roamdesk-*")


def test_a_card_gets_a_session_outside_of_the_sandbox(box):
    made, keys = box
    roamctl = ("python3", "-m", "sessionhost.app.roamctl")
    added = made.run(*roamctl, "token", "add", "uid:04a1b2c3", "alice")
    assert added.returncode == 0, added.stderr
    seen = desk(made, keys, "uid:04a1b2c3")
    assert seen["user"] == "alice"
    assert seen["size"] == [1280, 800]
    units = made.run("systemctl", "list-units", "--plain", "roamdesk-session-*").stdout
    assert re.search(r"roamdesk-session-\S+\.service +loaded +active +running", units), units
