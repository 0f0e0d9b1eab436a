"""The group's CA and its secret are replaced while people work: nobody notices."""

import os
import subprocess
import sys
import time

import pytest
from cryptography import x509

from roamtools.bench.group import status, wait_trusted
from roamtools.demo.desk import wait_until
from roamtools.lab.lab import Lab
from roamwire.errors import RemoteProtocolError
from sessionhost.adapters import pki
from sessionhost.adapters.certificates import is_root

pytestmark = pytest.mark.system

LIFE_S = 60
"""Of a terminal's certificate: it asks for roots and renewal every six seconds."""

SEEN_BY_PEOPLE = {"connect", "blank", "open_display", "words"}
"""What a desk's trace must not have while a session is shown."""


def roamctl(*words):
    done = subprocess.run(
        [sys.executable, "-m", "sessionhost.app.roamctl", *map(str, words)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def everywhere(lab):
    """As the administrator does after each step: export and reload, server by server."""
    for server in lab.servers():
        lab.equip_again(server)


def kept(lab, desk, pattern):
    (path,) = (lab.node_dir(desk) / "state").glob(pattern)
    return x509.load_pem_x509_certificates(path.read_bytes())


def has_kept(lab, desk, pattern, holds):
    try:
        return holds(kept(lab, desk, pattern))
    except ValueError:
        return False


@pytest.mark.timeout(300)
def test_the_ca_is_replaced_under_a_live_session():
    with Lab(f"ca-{os.getpid()}") as lab:
        settings = {"terminal_certificate_s": LIFE_S}
        lab.up(servers=2, desks=2, tied=True, enrol="open", server_settings=settings)
        wait_trusted(lab)
        for desk in ("desk1", "desk2"):
            wait_until(f"{desk} is in", lambda desk=desk: lab.desk_state(desk)["code"] == 21)
        lab.stop_process("desk2", "dtu")  # it is switched off all the time
        old = pki.load_ca(lab.group_dir).certificate
        with lab.trace("desk1") as trace:
            lab.insert("desk1", "A")
            shown = trace.wait("first_frame", 20)
            roamctl("group", "rotate-ca", "--dir", lab.group_dir, "--prepare")
            everywhere(lab)
            wait_until(
                "desk1 knows both",
                lambda: has_kept(lab, "desk1", "roots-*.crt", lambda roots: len(roots) == 2),
            )
            roamctl("group", "rotate-ca", "--dir", lab.group_dir)
            everywhere(lab)
            new = pki.load_ca(lab.group_dir).certificate
            assert new != old
            assert is_root(new)
            wait_until(
                "desk1 has another certificate",
                lambda: has_kept(
                    lab, "desk1", "dtu.crt", lambda chain: chain[1].issuer == new.subject
                ),
            )
            roamctl("group", "rotate-ca", "--dir", lab.group_dir, "--finish")
            everywhere(lab)
            wait_until(
                "desk1 trusts the new one alone",
                lambda: has_kept(lab, "desk1", "roots-*.crt", lambda roots: roots == [new]),
            )
            state = lab.desk_state("desk1")
            assert (state["session"], state["epoch"]) == (shown["session"], shown["epoch"])
            events = [each for each in trace.events(0.2) if each["event"] in SEEN_BY_PEOPLE]
            assert events == [], "nobody has noticed"
        # New connections, of control and display, with what is new.
        before = lab.desk_state("desk1")["server"]
        with lab.trace("desk1") as trace:
            lab.restart(before)
            trace.wait("connect", 10)
            assert trace.wait("first_frame", 20)["session"] == shown["session"]
        lab.remove("desk1")
        with lab.trace("desk1") as trace:
            lab.insert("desk1", "A")
            assert trace.wait("first_frame", 20)["session"] == shown["session"]
        # Who was off knows the old one alone, and says so.
        lab.start_process("desk2", "dtu")
        wait_until("desk2 refuses the servers", lambda: code(lab, "desk2") == 19)
        assert "no server of this terminal's group" in lab.desk_state("desk2")["text"]


def code(lab, desk):
    try:
        return lab.desk_state(desk)["code"]
    except (OSError, RemoteProtocolError):
        return 0


def test_the_secret_is_replaced_under_live_sessions():
    with Lab(f"secret-{os.getpid()}") as lab:
        lab.up(servers=2, desks=2, tied=True)
        wait_trusted(lab)
        with lab.trace("desk1") as one, lab.trace("desk2") as two:
            lab.insert("desk1", "A")
            lab.insert("desk2", "B")
            shown = [each.wait("first_frame", 20)["session"] for each in (one, two)]
            for step in (["--prepare"], []):
                roamctl("group", "rotate-secret", "--dir", lab.group_dir, *step)
                for server in lab.servers():
                    lab.equip_again(server)
                    _all_trusted(lab)  # also while one server has the step and the other not yet
            for desk, trace in (("desk1", one), ("desk2", two)):
                events = [each for each in trace.events(0.2) if each["event"] in SEEN_BY_PEOPLE]
                assert (desk, events) == (desk, [])
            assert [lab.desk_state(desk)["session"] for desk in ("desk1", "desk2")] == shown
        # A card from the other server is found and redirected with what is signed now.
        lab.remove("desk2")
        lab.remove("desk1")
        with lab.trace("desk2") as trace:
            lab.insert("desk2", "A")
            assert trace.wait("first_frame", 20)["session"] == shown[0]
        for server in lab.servers():
            dropped = status(lab, server)["dropped"]
            assert not {"untrusted", "signature"} & dropped.keys(), dropped


def _all_trusted(lab):
    """Three announcements long, each server trusts the other."""
    until = time.monotonic() + 3
    while time.monotonic() < until:
        for server in lab.servers():
            (other,) = status(lab, server)["topology"]
            assert other["trusted"]
            assert not other["down"]
