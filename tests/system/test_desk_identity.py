"""A terminal's key, certificate and roots as files: made by the real openssl, kept whole."""

import asyncio
import datetime
import os
import ssl
import threading

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from dtu.app.identity import DeskIdentity
from dtu.app.tls import IdentityError
from roamwire.identity import Identity
from sessionhost.adapters import certificates, pki

pytestmark = pytest.mark.system

NOW = datetime.datetime.now(datetime.UTC)


def run(work):
    """In a loop of its own; asyncio's thread that waits for a process may end after the loop."""
    try:
        return asyncio.run(work)
    finally:
        for thread in threading.enumerate():
            if thread.name.startswith("waitpid-"):
                thread.join(5)


@pytest.fixture
def group(tmp_path):
    pki.create_group(tmp_path / "group", "lab", NOW, os.urandom)
    return tmp_path / "group"


@pytest.fixture
def desk(tmp_path, group):
    state = tmp_path / "state"
    return DeskIdentity("desk-1.a", group / "ca.crt", state / "dtu.crt", state / "dtu.key", state)


def signed(group, key):
    desk_ca, life = pki.load_desk_ca(group), datetime.timedelta(days=1)
    chain = desk_ca.sign(Identity("dtu", "desk-1.a"), key, NOW, life)
    return tuple(map(certificates.to_der, chain))


def roots(group):
    return certificates.roots_of((group / "ca.crt").read_bytes())


def test_the_key_is_made_once_and_is_private(desk, tmp_path):
    csr, digest = run(desk.request())
    key = certificates.parse_request(csr)
    assert key.curve.name == "secp256r1"
    assert certificates.key_digest(key) == digest
    path = tmp_path / "state" / "dtu.key"
    assert path.stat().st_mode & 0o777 == 0o600
    kept = path.read_bytes()
    again = DeskIdentity("desk-1.a", desk._image_ca, desk._cert, desk._key, tmp_path / "state")
    assert run(again.request())[1] == digest
    assert path.read_bytes() == kept


def test_a_certificate_is_kept_with_its_chain(desk, group):
    csr, _ = run(desk.request())
    assert desk.context() is None
    desk.keep(signed(group, certificates.parse_request(csr)), roots(group))
    assert isinstance(desk.context(), ssl.SSLContext)
    assert desk.ca == group / "ca.crt", "the same roots need no file"


def test_a_certificate_for_another_key_is_not_taken(desk, group, tmp_path):
    csr, _ = run(desk.request())
    desk.keep(signed(group, certificates.parse_request(csr)), roots(group))
    before = (tmp_path / "state" / "dtu.crt").read_bytes()
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    with pytest.raises(IdentityError, match="that a server gave"):
        desk.keep(signed(group, other), roots(group))
    assert (tmp_path / "state" / "dtu.crt").read_bytes() == before
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == ["dtu.crt", "dtu.key"]


def test_roots_follow_a_rotation_and_belong_to_the_image(desk, group, tmp_path):
    image = (group / "ca.crt").read_bytes()
    (tmp_path / "image.crt").write_bytes(image)
    desk = DeskIdentity("d", tmp_path / "image.crt", desk._cert, desk._key, tmp_path / "state")
    pki.prepare_ca(group, NOW)
    assert desk.keep_roots(roots(group))
    assert not desk.keep_roots(roots(group))
    assert desk.roots() == roots(group)
    with pytest.raises(IdentityError, match="cannot be used"):
        desk.keep_roots((b"nonsense",))
    assert desk.roots() == roots(group)
    # An image of another group does not find the roots of this one.
    pki.create_group(tmp_path / "other", "other", NOW, os.urandom)
    other = DeskIdentity(
        "d", tmp_path / "other" / "ca.crt", desk._cert, desk._key, tmp_path / "state"
    )
    assert other.roots() == roots(tmp_path / "other")


def test_damaged_files_are_asked_for_anew(desk, group, tmp_path):
    pki.prepare_ca(group, NOW)
    csr, _ = run(desk.request())
    desk.keep(signed(group, certificates.parse_request(csr)), roots(group))
    (tmp_path / "state" / "dtu.crt").write_bytes(b"")
    assert desk.context() is None
    for path in (tmp_path / "state").glob("roots-*"):
        path.write_bytes(b"half of a certi")
    assert isinstance(desk.stranger(), ssl.SSLContext)
    assert desk.ca == group / "ca.crt"


def test_without_the_image_s_ca_or_openssl_it_is_told(desk, tmp_path, monkeypatch):
    with pytest.raises(IdentityError, match="the group's CA certificate"):
        DeskIdentity("d", tmp_path / "none", desk._cert, desk._key, tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(IdentityError, match="is it installed"):
        run(desk.request())
