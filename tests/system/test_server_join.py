"""A server joins with a one-time token: once, with the right key, and nothing that was changed."""

import base64
import dataclasses
import hashlib
import json
import os

import pytest
from enrol_desk import EnrolDesk
from server_box import USERS, server_box, wait_for

from roamwire.enrolment import Join, Refusal, encode_line, parse_line
from sessionhost.adapters.invitations import InvitationError, parse_token, unseal

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def shared_box():
    with server_box() as found:
        yield found


@pytest.fixture
def box(shared_box):
    """Each test begins with a daemon that has not been asked too often."""
    (shared_box.root / "enrold.log").unlink(missing_ok=True)
    shared_box.start("enrold", "roamdesk-enrol")
    yield shared_box
    shared_box.end("enrold")


def roamctl(box, *words):
    command = [box.python, "-m", "sessionhost.app.roamctl", *map(str, words)]
    done = box.run(*command, "--config", str(box.config), "--json")
    return done.returncode, json.loads(done.stdout)


@pytest.fixture
def token(box):
    status, told = roamctl(
        box, "server", "invite", "server2", "--group", box.group / "ca", "--at", "127.0.0.1"
    )
    assert status == 0, told
    return parse_token(told["token"])


def join(box, token, name="joined"):
    return roamctl(box, "server", "join", token.text, "--out", box.root / name)


READS = """
from pathlib import Path
from sessionhost.adapters import tls, keyfiles
from sessionhost.app.config import load_config
config = load_config(Path("{0}"))
tls.server_context(config)
keyfiles.{1}
"""


def test_a_server_joins_once(box, token):
    (box.root / "joined").mkdir()
    settings = 'host = "server2"\ngroup_dir = "group"\n'
    settings += 'identity_cert = "server.crt"\nidentity_key = "server.key"\n'
    (box.root / "joined" / "server.toml").write_text(settings)
    status, told = join(box, token)
    assert status == 0, told
    assert told["host"] == "server2"
    out = box.root / "joined"
    secret = out / "group" / "secret"
    assert secret.read_bytes() == (box.group / "ca" / "secret").read_bytes()
    assert secret.stat().st_uid == USERS["roamdesk"]
    assert (out / "server.toml").read_text() == settings, "what is there stays"
    modes = {path.name: path.stat().st_mode & 0o777 for path in out.rglob("*") if path.is_file()}
    assert modes["secret"] == 0o600
    assert modes["desk-ca.key"] == 0o640
    assert "ca.key" not in modes
    assert token.key.hex() not in box.log("enrold")
    # Each daemon can read what it needs, and nothing that it does not.
    secret, audit_key, desk_ca = (
        "load_secrets(config.group_dir)",
        "load_secret(config.group_dir / 'audit.key')",
        "read_private(config.group_dir / 'desk-ca.key')",
    )
    for user, reads, may in (
        ("roamdesk", secret, True),
        ("roamdesk", audit_key, True),
        ("roamdesk-enrol", audit_key, False),
        ("roamdesk", desk_ca, False),
        ("roamdesk-enrol", desk_ca, True),
        ("roamdesk-enrol", secret, False),
        ("roamdesk-display", "KeyFileError", True),
        ("roamdesk-display", secret, False),
        ("alice", "KeyFileError", False),
    ):
        done = box.run(box.python, "-c", READS.format(out / "server.toml", reads), user=user)
        assert (done.returncode == 0) is may, (user, reads, done.stderr)
    status, told = join(box, token, "again")
    assert status == 1
    assert "no such invitation, or it was used" in told["error"]
    assert not (box.root / "again").exists()


def test_another_key_gets_nothing_and_uses_nothing_up(box, token, tmp_path):
    wrong = dataclasses.replace(token, key=bytes(32))
    status, told = join(box, wrong, "wrong")
    assert (status, "no such invitation" in told["error"]) == (1, True)
    thief = EnrolDesk(tmp_path, box.group / "ca.crt", box.enrol_port)
    (answer,) = thief.ask(Join(token.id, "00" * 32))
    assert answer.code is Refusal.INVITATION
    # Two wrong ones: whoever asks from that address has to wait a moment.
    assert "asked too often" in join(box, token, "right")[1]["error"]
    wait_for(lambda: join(box, token, "right")[0] == 0, 20, "the right key gets it")


def test_a_changed_envelope_is_refused(box, token):
    path = box.enrol_dir / "invitations" / token.id
    kept = json.loads(path.read_text())
    sealed = bytearray(base64.b64decode(kept["envelope"]))
    sealed[40] ^= 1
    path.write_text(json.dumps(kept | {"envelope": base64.b64encode(sealed).decode()}))
    status, told = join(box, token, "changed")
    assert status == 1
    assert "changed on its way" in told["error"]
    assert not (box.root / "changed").exists()


def test_a_server_of_another_group_is_found_out_before_it_sees_the_claim(box, token):
    elsewhere = dataclasses.replace(token, ca="00" * 32)
    status, told = join(box, elsewhere, "elsewhere")
    assert status == 1
    assert "another group" in told["error"]
    path = box.enrol_dir / "invitations" / token.id
    assert path.exists(), "it was not asked for"


def test_nobody_listens_there(box, token):
    nowhere = dataclasses.replace(token, port=1)
    status, told = join(box, nowhere, "nowhere")
    assert status == 1
    assert "does enrold run there" in told["error"]


def on_the_wire(box, token, folder):
    """The bytes that enrold sends to whoever shows the claim, out of their lines."""
    desk = EnrolDesk(folder, box.group / "ca.crt", box.enrol_port)
    parts = []
    with desk.connect() as link, link.makefile("rb") as file:
        link.sendall(encode_line(Join(token.id, token.claim)))
        while not parts or len(parts) < parts[0].parts:
            parts.append(parse_line(file.readline()))
    return base64.b64decode("".join(part.data for part in parts), validate=True)


def test_the_envelope_on_the_wire_is_of_no_use(box, token, tmp_path):
    seen = on_the_wire(box, token, tmp_path)
    for other in (os.urandom(32), bytes(32), hashlib.sha256(token.claim.encode()).digest()):
        with pytest.raises(InvitationError, match="does not open"):
            unseal(dataclasses.replace(token, key=other), seen)
    files = unseal(token, seen)
    with pytest.raises(ValueError, match=r"codec can't decode|Expecting value|Extra data"):
        json.loads(seen)  # which is what is sealed
    secret = files["group/secret"].strip()
    for word in (
        b"-----BEGIN",
        b"PRIVATE KEY",
        b"server.key",
        secret,
        bytes.fromhex(secret.decode()),
    ):
        # As it is, and in base64 as it is sealed, wherever in a group of three bytes it begins.
        forms = [word, *(base64.b64encode(bytes(at) + word)[4:-4] for at in range(3))]
        assert not any(form in seen for form in forms), word
