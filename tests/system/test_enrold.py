"""The enrolment daemon over real TLS: who gets a certificate, who does not, what it bears."""

import contextlib
import datetime
import json
import os
import signal
import socket
import ssl
import time

import pytest
from cryptography import x509
from enrol_desk import EnrolDesk
from server_box import USERS, server_box, wait_for

from roamwire import enrolment
from roamwire.blocks import dtu_key
from roamwire.enrolment import Check, Current, Enrol, Enrolled, Pending, Refusal, Refused, Renew
from roamwire.errors import RemoteProtocolError
from roamwire.identity import Identity
from sessionhost.adapters import pki
from sessionhost.adapters.enrol_server import CONVERSATION_S, MAX_PER_ADDRESS
from sessionhost.adapters.revoked_file import RevokedFile
from sessionhost.core.enrolment import BURST_COUNT, WRONG_CODE_COUNT

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def shared_box():
    with server_box() as found:
        yield found


@pytest.fixture
def box(shared_box):
    """A daemon with an empty store, and no policy but the default."""
    (shared_box.group / "policy.toml").unlink(missing_ok=True)
    for left in shared_box.enrol_dir.glob("terminals.sqlite*"):
        left.unlink()
    (shared_box.root / "enrold.log").unlink(missing_ok=True)
    shared_box.start("enrold", "roamdesk-enrol")
    yield shared_box
    shared_box.end("enrold")


@pytest.fixture
def new_desk(box, tmp_path):
    def make(name="desk1"):
        return EnrolDesk(tmp_path, box.group / "ca.crt", box.enrol_port, name)

    return make


def roamctl(box, *words):
    command = [box.python, "-m", "sessionhost.app.roamctl", *map(str, words)]
    done = box.run(*command, "--config", str(box.config), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def policy(box, mode):
    (box.group / "policy.toml").write_text(f'enrolment = "{mode}"\n')
    hang_up(box)
    wait_for(lambda: f"enrolment is {mode}" in box.log("enrold"), what="the policy is read")


def hang_up(box):
    (pid,) = box.find("sessionhost.app.enrold ")
    os.kill(pid, signal.SIGHUP)


def test_a_person_approves(box, new_desk):
    desk = new_desk()
    assert desk.enrol() == Pending(5000)
    (listed,) = roamctl(box, "dtu", "list")
    assert listed["fingerprint"] == enrolment.fingerprint(desk.digest)
    assert (listed["state"], listed["address"]) == ("waits", "127.0.0.1")
    roamctl(box, "dtu", "approve", "desk1")
    assert isinstance(desk.enrol(), Enrolled)
    assert isinstance(desk.enrol(), Enrolled), "the same key may come again"
    leaf, desk_ca = x509.load_pem_x509_certificates(desk.certificate.read_bytes())
    leaf.verify_directly_issued_by(desk_ca)
    desk_ca.verify_directly_issued_by(pki.load_ca(box.group / "ca").certificate)
    assert leaf.not_valid_before_utc.year == 1970
    (answer,) = desk.ask(Check())
    assert isinstance(answer, Current)
    assert not answer.renew
    assert "SECRET" not in box.log("enrold")


def test_a_terminal_that_is_denied_hears_it(box, new_desk):
    desk = new_desk()
    desk.enrol()
    roamctl(box, "dtu", "deny", "desk1")
    assert desk.enrol().code is Refusal.DENIED
    assert isinstance(new_desk().enrol(), Pending), "another machine may have the name"


def test_open_lets_everybody_in_but_no_name_twice(box, new_desk):
    policy(box, "open")
    first, second = new_desk(), new_desk()
    assert isinstance(first.enrol(), Enrolled)
    assert isinstance(second.enrol(), Pending)
    assert isinstance(first.ask(Renew(first.csr))[0], Enrolled)
    roamctl(box, "dtu", "approve", "desk1")
    assert isinstance(second.enrol(), Enrolled)
    assert isinstance(first.enrol(), Pending)
    assert first.ask(Renew(first.csr))[0].code is Refusal.DENIED, "the name has gone to another key"


def test_a_code_is_good_once(box, new_desk):
    policy(box, "preregistered")
    desk, thief = new_desk(), new_desk()
    assert desk.enrol().code is Refusal.NOT_PREREGISTERED
    code = roamctl(box, "dtu", "preregister", "desk1")["code"]
    assert thief.enrol("aaaa-bbbb-cccc-dddd").code is Refusal.CODE
    assert isinstance(desk.enrol(code.upper()), Enrolled)
    assert isinstance(desk.enrol(), Enrolled), "its key is known now"
    assert thief.enrol(code).code is Refusal.CODE


def test_codes_cannot_be_tried_in_a_row(box, new_desk):
    policy(box, "preregistered")
    desk = new_desk()
    told = [desk.enrol(f"code-{number}") for number in range(6)]
    tried = [each for each in told if each.code is Refusal.CODE]
    assert len(tried) == BURST_COUNT // (WRONG_CODE_COUNT + 1) + 1
    assert told[-1].code is Refusal.SLOWER
    assert 0 < told[-1].retry_ms <= 12_000


def test_what_is_known_outlives_the_daemon(box, new_desk):
    policy(box, "open")
    desk = new_desk()
    desk.enrol()
    box.end("enrold")
    (box.group / "policy.toml").unlink()
    (box.root / "enrold.log").unlink()
    box.start("enrold", "roamdesk-enrol")
    assert isinstance(desk.enrol(), Enrolled)
    assert isinstance(new_desk().enrol(), Pending)


def test_a_terminal_needs_its_key_for_a_certificate(box, new_desk):
    policy(box, "open")
    desk, other = new_desk(), new_desk()
    stolen = bytearray(enrolment.from_text(desk.csr)[0])
    stolen[-1] ^= 1
    (answer,) = desk.ask(Enrol("desk1", enrolment.to_text([bytes(stolen)])))
    assert answer.code is Refusal.REQUEST
    (answer,) = other.ask(Renew(other.csr))
    assert answer.code is Refusal.REQUEST, "renewal is for those who show a certificate"
    (answer,) = desk.ask(Enrol("../desk1", desk.csr))
    assert answer.code is Refusal.REQUEST


def test_reloading_with_broken_files_changes_nothing(box, new_desk):
    policy(box, "open")
    (box.group / "policy.toml").write_text('enrolment = "everybody"\n')
    hang_up(box)
    wait_for(lambda: "nothing is changed" in box.log("enrold"), what="the error is told")
    assert "must be one of open, approve" in box.log("enrold")
    assert isinstance(new_desk().enrol(), Enrolled)


def test_bad_lines_are_dropped_and_others_go_on(box, new_desk):
    desk = new_desk()
    for data in (b"hello\n", b"\xff\xfe\n", b"x" * 40_000, b"enrol name=a csr=!\n"):
        with desk.connect() as link, contextlib.suppress(OSError):
            link.sendall(data)
            assert link.recv(1) == b""
    assert isinstance(desk.enrol(), Pending)


def test_strangers_who_say_nothing_do_not_keep_others_out(box, new_desk):
    with contextlib.ExitStack() as stack:
        for number in range(300):  # as many as get past the guard, ten from an address
            source = (f"127.0.1.{1 + number // 10}", 0)
            plain = socket.create_connection(("127.0.0.1", box.enrol_port), 5, source)
            stack.enter_context(plain)
        began = time.monotonic()
        assert isinstance(new_desk().enrol(), Pending)
        assert time.monotonic() - began < 2


def test_one_address_holds_few_connections_and_not_for_long(box, new_desk):
    with contextlib.ExitStack() as stack:
        for _ in range(MAX_PER_ADDRESS):
            stack.enter_context(new_desk().connect())

        def gets_in():
            with contextlib.suppress(OSError, RemoteProtocolError):
                return isinstance(new_desk().enrol(), Pending)

        assert not gets_in(), "this address has its share"
        began = time.monotonic()
        wait_for(gets_in, 15, "they are hung up on")
        assert time.monotonic() - began > CONVERSATION_S / 2


def test_a_certificate_of_another_group_is_none(box, new_desk, tmp_path):
    policy(box, "open")
    desk = new_desk()
    now = datetime.datetime.now(datetime.UTC)
    other = pki.create_group(tmp_path / "other", "test", now, os.urandom)
    issued = other.issue(Identity("dtu", "desk1"), now)
    desk.certificate = tmp_path / "foreign.pem"
    desk.certificate.write_bytes(issued.key + issued.certificate)
    with pytest.raises((ssl.SSLError, ConnectionError, ValueError, RemoteProtocolError)):
        desk.ask(Check())


def test_the_desk_ca_is_not_for_the_other_daemons(box):
    key = box.group / pki.DESK_CA_KEY_NAME
    for user in ("roamdesk", "roamdesk-display", "alice"):
        assert box.run("cat", str(key), user=user).returncode != 0
    assert box.run("cat", str(key), user="roamdesk-enrol").returncode == 0
    (pid,) = box.find("sessionhost.app.enrold ")
    assert box.processes()[pid][0] == USERS["roamdesk-enrol"]


def test_who_is_revoked_is_read_as_the_daemons_own_user(box, new_desk):
    policy(box, "open")
    desk, told = new_desk(), RevokedFile(box.run_dir / "public" / "revoked")
    assert isinstance(desk.enrol(), Enrolled)
    told.publish([dtu_key("desk1")])
    try:
        assert desk.ask(Renew(desk.csr))[0].code is Refusal.BLOCKED
        assert new_desk().enrol().code is Refusal.BLOCKED, "whatever its key"
        assert isinstance(new_desk("desk2").enrol(), Enrolled)
        (box.run_dir / "public" / "revoked").unlink()
        assert desk.ask(Renew(desk.csr))[0].code is Refusal.NO_AUTHORITY
    finally:
        told.publish([])
    assert isinstance(desk.ask(Renew(desk.csr))[0], Enrolled)


def test_a_daemon_without_the_desk_ca_says_so(box, new_desk):
    key = box.group / pki.DESK_CA_KEY_NAME
    kept = key.read_bytes()
    key.unlink()
    try:
        hang_up(box)
        wait_for(lambda: "no desk CA" in box.log("enrold"), what="it is told")
        answer = new_desk().enrol()
        assert isinstance(answer, Refused)
        assert answer.code is Refusal.NO_AUTHORITY
        assert isinstance(new_desk().ask(Check())[0], Current)
    finally:
        key.write_bytes(kept)
        os.chown(key, USERS["roamdesk-enrol"], USERS["roamdesk-enrol"])
        key.chmod(0o600)
