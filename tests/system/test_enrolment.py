"""Desks of a lab that have no certificate: what their screens say, how they get in and stay in."""

import os
import time

import pytest
from enrol_desk import asked_from

from roamtools.demo.desk import wait_until
from roamtools.lab.lab import Lab
from roamwire.enrolment import fingerprint

pytestmark = pytest.mark.system

LIFE_S = 24
"""Of a certificate: renewed after twelve seconds, asked about every two or three."""


def code(lab, desk):
    return lab.desk_state(desk)["code"]


def certificate(lab, desk):
    path = lab.node_dir(desk) / "state" / "dtu.crt"
    return path.read_bytes() if path.exists() else b""


def key(lab, desk):
    return (lab.node_dir(desk) / "state" / "dtu.key").read_bytes()


def waiting(lab, server):
    return {each["name"]: each for each in lab.roamctl(server, "dtu", "list")}


def test_a_person_approves_one_terminal_and_turns_another_away():
    with Lab(f"approve-{os.getpid()}") as lab:
        lab.up(servers=2, desks=2, tied=True, enrol="approve")
        for desk in ("desk1", "desk2"):
            wait_until(f"{desk} waits", lambda desk=desk: code(lab, desk) == 17)
        wait_until("both are listed at server2", lambda: len(waiting(lab, "server2")) == 2)
        told = waiting(lab, "server2")["desk1"]
        assert told["state"] == "waits"
        assert told["fingerprint"] in lab.desk_state("desk1")["text"]
        assert len(told["fingerprint"]) == len(fingerprint("0" * 64))
        lab.roamctl("server2", "dtu", "approve", "desk1", "--key", told["fingerprint"])
        for server in ("server1", "server2"):
            lab.roamctl(server, "dtu", "deny", "desk2")
        wait_until("desk1 is in", lambda: code(lab, "desk1") == 21)
        wait_until("desk2 is told", lambda: code(lab, "desk2") == 19)
        with lab.trace("desk1") as trace:
            lab.insert("desk1", "A")
            assert trace.wait("first_frame", 20)["session"]
        assert (lab.node_dir("desk1") / "state" / "dtu.key").stat().st_mode & 0o777 == 0o600
        assert certificate(lab, "desk2") == b""
        # Its certificate is good at the server that has never heard of its request.
        lab.kill(lab.desk_state("desk1")["server"])
        with lab.trace("desk1", 0.0) as trace:
            wait_until("it is at the other one", lambda: lab.desk_state("desk1")["session"] != "")
            assert trace.wait("first_frame", 20)["session"]


def test_certificates_renew_by_themselves_and_the_expired_are_asked_for_anew():
    with Lab(f"renew-{os.getpid()}") as lab:
        settings = {"terminal_certificate_s": LIFE_S}
        lab.up(servers=1, desks=1, tied=True, enrol="open", server_settings=settings)
        wait_until("desk1 is in", lambda: code(lab, "desk1") == 21)
        first, began = certificate(lab, "desk1"), time.monotonic()
        with lab.trace("desk1") as trace:
            lab.insert("desk1", "A")
            shown = trace.wait("first_frame", 20)
            wait_until("it is renewed", lambda: certificate(lab, "desk1") != first, LIFE_S)
            assert LIFE_S / 2 - 3 < time.monotonic() - began < LIFE_S
            time.sleep(max(0.0, began + LIFE_S + 1 - time.monotonic()))
            state = lab.desk_state("desk1")
            assert (state["session"], state["epoch"]) == (shown["session"], shown["epoch"])
            events = [each["event"] for each in trace.events(0.1)]
            assert not {"connect", "blank", "open_display"} & set(events), events
        # The first one has ended; a new connection needs the second.
        lab.stop_process("desk1", "dtu", hard=True)
        lab.start_process("desk1", "dtu")
        wait_until("it comes back", lambda: _session(lab) == shown["session"])
        # Now both end while it is off.
        own_key, last = key(lab, "desk1"), certificate(lab, "desk1")
        lab.stop_process("desk1", "dtu", hard=True)
        time.sleep(LIFE_S + 1)
        lab.start_process("desk1", "dtu")
        wait_until("it comes back again", lambda: _session(lab) == shown["session"])
        assert certificate(lab, "desk1") != last
        assert key(lab, "desk1") == own_key
        assert "has admitted this terminal" in lab.logs("desk1", "dtu")


def _session(lab):
    try:
        return lab.desk_state("desk1")["session"]
    except OSError:
        return ""


def test_a_revoked_terminal_is_renewed_by_no_server_of_the_group():
    with Lab(f"revoke-{os.getpid()}") as lab:
        lab.up(servers=2, desks=1, tied=True, enrol="open")
        wait_until("desk1 is in", lambda: code(lab, "desk1") == 21)
        assert [renewal(lab, server) for server in ("server1", "server2")] == ["enrolled"] * 2
        lab.roamctl("server1", "dtu", "revoke", "desk1")
        wait_until("desk1 is told", lambda: code(lab, "desk1") == 10)
        for server in ("server1", "server2"):
            assert revoked(lab, server) == 1
            assert renewal(lab, server) == "blocked"
        lab.roamctl("server1", "dtu", "restore", "desk1")
        wait_until("server2 knows", lambda: revoked(lab, "server2") == 0)
        assert [renewal(lab, server) for server in ("server1", "server2")] == ["enrolled"] * 2
        # One that is off when it is said.
        lab.kill("server2")
        lab.roamctl("server1", "dtu", "revoke", "desk1")
        lab.heal("server2")
        lab.wait_ready("server2")
        wait_until("server2 knows", lambda: revoked(lab, "server2") == 1)
        assert renewal(lab, "server2") == "blocked"


def revoked(lab, server):
    return lab.roamctl(server, "status")["blocked"]["terminals"]


def renewal(lab, server):
    """What this server's enrold says to desk1's certificate."""
    state, ca = lab.node_dir("desk1") / "state", lab.group_dir / "ca.crt"
    return asked_from(lab.node(server)["init"], state, ca, 7011, "desk1")


def test_a_terminal_with_a_code_needs_nobody():
    with Lab(f"code-{os.getpid()}") as lab:
        lab.up(servers=1, desks=0, tied=True, enrol="preregistered")
        code_ = lab.roamctl("server1", "dtu", "preregister", "desk1")["code"]
        lab.add_desk(settings={"enrol_code": code_})
        lab.add_desk(settings={"enrol_code": code_})
        wait_until("desk1 is in", lambda: code(lab, "desk1") == 21)
        wait_until("desk2 is told", lambda: code(lab, "desk2") == 19)
        assert "code" in lab.desk_state("desk2")["text"]
        assert [each["state"] for each in lab.roamctl("server1", "dtu", "list")] == ["known"]
