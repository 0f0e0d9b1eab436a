"""The group's CA: files, permissions, roles, and a TLS 1.3 handshake in memory."""

import datetime
import os
import ssl
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from roamwire.errors import RemoteProtocolError
from roamwire.identity import Identity, peer_identity
from roamwire.signing import GroupSecrets
from sessionhost.adapters import certificates, keyfiles, pki
from sessionhost.adapters.keyfiles import KeyFileError, check_private, load_secrets, write_private
from sessionhost.adapters.pki import PkiError
from sessionhost.adapters.tls import IdentityError, peer_name, server_context

NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Files:
    group_dir: Path
    identity_cert: Path
    identity_key: Path


def fake_random():
    numbers = count(1)
    return lambda size: bytes([next(numbers)]) * size


@pytest.fixture
def group(tmp_path):
    folder = tmp_path / "group"
    pki.create_group(folder, "lab", NOW, fake_random())
    return folder


def issue(group, role, name, out):
    issued = pki.load_ca(group).issue(Identity(role, name), NOW)
    certificate, key = out / f"{name}.crt", out / f"{name}.key"
    keyfiles.write_public(certificate, issued.certificate)
    write_private(key, issued.key)
    return certificate, key


def client_context(ca, certificate=None, key=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(ca)
    if certificate:
        context.load_cert_chain(certificate, key)
    return context


def handshake(server, client):
    """Both ends after a handshake in memory; raises ssl.SSLError as a socket would."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        server.wrap_bio(to_server, to_client, server_side=True),
        client.wrap_bio(to_client, to_server),
    ]
    waiting = set(range(2))
    for _ in range(10):
        for index in sorted(waiting, reverse=True):
            try:
                ends[index].do_handshake()
                waiting.discard(index)
            except ssl.SSLWantReadError:
                pass
    assert not waiting
    return ends


def test_a_new_group_has_private_files(group):
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in group.iterdir()}
    private = dict.fromkeys(["ca.key", "desk-ca.key", "secret", "audit.key"], "0o600")
    assert modes == private | dict.fromkeys(["ca.crt", "desk-ca.crt", "policy.toml"], "0o644")
    assert load_secrets(group) == GroupSecrets(b"\x01" * 32, None)
    assert pki.load_ca(group).name == "lab"


def test_a_group_is_never_overwritten(group):
    with pytest.raises(PkiError, match="holds a group already"):
        pki.create_group(group, "other", NOW, fake_random())


def test_bad_names_are_refused(tmp_path, group):
    with pytest.raises(PkiError, match="the group is not a name"):
        pki.create_group(tmp_path / "x", "a b", NOW, fake_random())
    with pytest.raises(PkiError, match="server is not a name"):
        pki.load_ca(group).issue(Identity("server", "../s1"), NOW)


def test_both_ends_know_each_other(group, tmp_path):
    server_files = issue(group, "server", "s1", tmp_path)
    dtu_files = issue(group, "dtu", "desk1", tmp_path)
    server = server_context(Files(group, *server_files))
    server_end, client_end = handshake(server, client_context(group / "ca.crt", *dtu_files))
    assert server_end.version() == client_end.version() == "TLSv1.3"
    assert peer_identity(client_end.getpeercert(), "server").name == "s1"
    assert peer_identity(server_end.getpeercert(), "dtu").name == "desk1"
    assert ("DNS", "s1") in client_end.getpeercert()["subjectAltName"]
    assert peer_name(server_end) == "desk1"
    assert peer_name(client_end) == "", "a server is not a terminal"
    with pytest.raises(RemoteProtocolError):
        peer_identity(server_end.getpeercert(), "server")


def test_a_terminal_cannot_serve(group, tmp_path):
    dtu_files = issue(group, "dtu", "desk1", tmp_path)
    server = server_context(Files(group, *dtu_files))
    with pytest.raises(ssl.SSLError):
        handshake(server, client_context(group / "ca.crt", *dtu_files))


def test_a_stranger_is_refused_by_both_ends(group, tmp_path):
    pki.create_group(tmp_path / "evil", "lab", NOW, fake_random())
    ours = issue(group, "server", "s1", tmp_path)
    theirs = issue(tmp_path / "evil", "dtu", "desk1", tmp_path)
    server = server_context(Files(group, *ours))
    with pytest.raises(ssl.SSLError):
        handshake(server, client_context(group / "ca.crt", *theirs))
    with pytest.raises(ssl.SSLError):
        handshake(server, client_context(group / "ca.crt"))
    with pytest.raises(ssl.SSLError):
        handshake(server, client_context(tmp_path / "evil" / "ca.crt", *theirs))


def test_certificates_hold_for_a_machine_that_thinks_it_is_1970(group):
    issued = pki.load_ca(group).issue(Identity("server", "s1"), NOW)
    certificate = x509.load_pem_x509_certificate(issued.certificate)
    assert certificate.not_valid_before_utc.year == 1970
    assert certificate.not_valid_after_utc.year == 2036


def test_a_key_open_to_others_is_refused(group):
    key = group / "ca.key"
    key.chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod"):
        pki.load_ca(group)
    key.chmod(0o660)
    with pytest.raises(KeyFileError, match="0660"):
        check_private(key)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
def test_a_key_of_another_user_is_refused(group):
    os.chown(group / "secret", 1, 1)
    with pytest.raises(KeyFileError, match="belongs to user 1"):
        load_secrets(group)


@pytest.mark.skipif(os.geteuid() != 0, reason="a group may share only root's files")
def test_root_may_share_a_key_with_one_group(group):
    (group / "secret").chmod(0o640)
    load_secrets(group)


def test_a_damaged_secret_is_told(group):
    write_private(group / "secret", b"zz\n")
    with pytest.raises(KeyFileError, match="64 hexadecimal digits"):
        load_secrets(group)
    write_private(group / "secret", b"\xff" * 64)
    with pytest.raises(KeyFileError, match="64 hexadecimal digits"):
        load_secrets(group)
    (group / "secret").unlink()
    with pytest.raises(KeyFileError, match="No such file"):
        load_secrets(group)
    (group / "secret").mkdir()
    with pytest.raises(KeyFileError, match="not a regular file"):
        load_secrets(group)


def test_a_damaged_ca_is_told(group, tmp_path):
    pki.create_group(tmp_path / "other", "other", NOW, fake_random())
    write_private(group / "ca.key", (tmp_path / "other" / "ca.key").read_bytes())
    with pytest.raises(PkiError, match="do not belong together"):
        pki.load_ca(group)
    write_private(group / "ca.key", b"nothing")
    with pytest.raises(PkiError, match="does not hold a CA's key"):
        pki.load_ca(group)
    with pytest.raises(KeyFileError, match="No such file"):
        pki.load_ca(tmp_path / "none")


def test_a_context_tells_which_file_is_wrong(group, tmp_path):
    certificate, key = issue(group, "server", "s1", tmp_path)
    with pytest.raises(IdentityError, match="No such file"):
        server_context(Files(group, certificate, tmp_path / "none"))
    with pytest.raises(IdentityError, match="roamctl server issue"):
        server_context(Files(group, group / "ca.crt", key))
    with pytest.raises(IdentityError, match="the group's CA certificate"):
        server_context(Files(tmp_path, certificate, key))
    key.chmod(0o644)
    with pytest.raises(IdentityError, match="chmod"):
        server_context(Files(group, certificate, key))


def test_rotation_at_once_keeps_the_last_secret_live(group):
    assert pki.rotate_secret(group, fake_random()) is False
    assert pki.rotate_secret(group, lambda size: b"\x09" * size) is False
    assert load_secrets(group) == GroupSecrets(b"\x09" * 32, b"\x01" * 32)


def test_rotation_in_two_steps_has_no_moment_of_distrust(group, tmp_path):
    out = tmp_path / "out"
    pki.export_group(group, out)
    first = load_secrets(out)
    pki.prepare_secret(group, lambda size: b"\x09" * size)
    with pytest.raises(PkiError, match="prepared already"):
        pki.prepare_secret(group, fake_random())
    pki.export_group(group, out)
    second = load_secrets(out)
    assert second == GroupSecrets(first.current, b"\x09" * 32)
    assert pki.rotate_secret(group, fake_random()) is True
    pki.export_group(group, out)
    third = load_secrets(out)
    assert third == GroupSecrets(b"\x09" * 32, first.current)


def test_what_servers_get_has_no_ca_key(group, tmp_path):
    written = pki.export_group(group, tmp_path / "out")
    shared = {"ca.crt", "secret", "audit.key", "policy.toml"}
    assert {path.name for path in written} == shared | {"desk-ca.crt", "desk-ca.key"}
    pki.export_group(group, tmp_path / "out", offline=True)
    assert {path.name for path in (tmp_path / "out").iterdir()} == shared
    (group / "ca.crt").unlink()
    with pytest.raises(KeyFileError, match=r"ca\.crt"):
        pki.export_group(group, tmp_path / "out")


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "key"
    write_private(path, b"old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keyfiles.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_private(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def request(key=None, curve=None):
    key = key or ec.generate_private_key(curve or ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "whoever")])
    built = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return key, built.public_bytes(serialization.Encoding.DER)


def signed_by(authority, role, name, out, life=datetime.timedelta(days=1), now=None):
    key, der = request()
    now = now or datetime.datetime.now(datetime.UTC)
    chain = authority.sign(Identity(role, name), certificates.parse_request(der), now, life)
    certificate = out / f"{name}-{role}.crt"
    keyfiles.write_public(certificate, certificates.joined(chain))
    write_private(out / f"{name}-{role}.key", certificates.key_pem(key))
    return certificate, out / f"{name}-{role}.key"


def test_the_desk_ca_makes_terminals_and_never_a_server(group, tmp_path):
    desk_ca = pki.load_desk_ca(group)
    ours = issue(group, "server", "s1", tmp_path)
    server = server_context(Files(group, *ours))
    desk = signed_by(desk_ca, "dtu", "desk1", tmp_path)
    server_end, _ = handshake(server, client_context(group / "ca.crt", *desk))
    assert peer_name(server_end) == "desk1"
    # Its certificate forbids the role mark of a server, at either end of a connection.
    forged = signed_by(desk_ca, "server", "s2", tmp_path)
    with pytest.raises(ssl.SSLError):
        handshake(server, client_context(group / "ca.crt", *forged))
    with pytest.raises(ssl.SSLError):
        handshake(server_context(Files(group, *forged)), client_context(group / "ca.crt", *desk))
    below = certificates.new_desk_ca(desk_ca, datetime.datetime.now(datetime.UTC))
    deeper = signed_by(
        certificates.Authority("lab", below.certificate, below.key, (*below.chain, *desk_ca.chain)),
        "dtu", "desk2", tmp_path,
    )  # fmt: skip
    with pytest.raises(ssl.SSLError):
        handshake(server, client_context(group / "ca.crt", *deeper))


def test_servers_know_each_other_at_both_ends(group, tmp_path):
    one, two = (issue(group, "server", name, tmp_path) for name in ("s1", "s2"))
    strangers = server_context(Files(group, *one), strangers=True)
    server_end, _ = handshake(strangers, client_context(group / "ca.crt", *two))
    assert peer_identity(server_end.getpeercert(), "server").name == "s2"
    server_end, _ = handshake(strangers, client_context(group / "ca.crt"))
    assert server_end.getpeercert() is None
    assert peer_name(server_end) == ""


def test_a_request_must_be_signed_by_its_own_fit_key():
    key, der = request()
    assert certificates.key_digest(certificates.parse_request(der)) == certificates.key_digest(
        key.public_key()
    )
    with pytest.raises(PkiError, match="not signed by the key"):
        certificates.parse_request(der[:-1] + bytes([der[-1] ^ 1]))
    with pytest.raises(PkiError, match="P-256 or P-384"):
        certificates.parse_request(request(curve=ec.SECP521R1())[1])
    with pytest.raises(PkiError, match="not a certificate request"):
        certificates.parse_request(b"nonsense")
    # cryptography raises an exception of its own for each of these, and no ValueError.
    version, curve = der.index(b"\x02\x01\x00"), der.index(bytes.fromhex("2a8648ce3d030107"))
    for at in (version + 2, curve + 7):
        with pytest.raises(PkiError, match="not a certificate request"):
            certificates.parse_request(der[:at] + b"\x52" + der[at + 1 :])


def test_renewal_is_due_in_the_second_half_or_after_a_rotation(group, tmp_path):
    desk_ca, life = pki.load_desk_ca(group), datetime.timedelta(days=10)
    path, _ = signed_by(desk_ca, "dtu", "desk1", tmp_path, life, NOW)
    (der,) = certificates.roots_of(path.read_bytes())[:1]

    def due(days, authority=desk_ca):
        return certificates.wants_renewal(der, authority, NOW + datetime.timedelta(days=days), life)

    assert [due(1), due(4.9), due(5.1), due(11)] == [False, False, True, True]
    pki.prepare_ca(group, NOW)
    pki.rotate_ca(group, NOW)
    assert due(1, pki.load_desk_ca(group))


def test_a_ca_is_replaced_in_three_steps(group, tmp_path):
    first = pki.load_ca(group)
    old = signed_by(pki.load_desk_ca(group), "dtu", "old", tmp_path)
    with pytest.raises(PkiError, match="--prepare"):
        pki.rotate_ca(group, NOW)
    pki.prepare_ca(group, NOW)
    with pytest.raises(PkiError, match="prepared already"):
        pki.prepare_ca(group, NOW)
    with pytest.raises(PkiError, match="finish the rotation"):
        pki.finish_ca(group)
    assert pki.load_ca(group).certificate == first.certificate, "it signs until the rotation"
    knows_both = client_context(group / "ca.crt")
    pki.rotate_ca(group, NOW)
    new = signed_by(pki.load_desk_ca(group), "dtu", "new", tmp_path)
    ours = issue(group, "server", "s1", tmp_path)
    handshake(server_context(Files(group, *ours), strangers=True), knows_both)
    for desk in (old, new):
        handshake(server_context(Files(group, *ours)), client_context(group / "ca.crt", *desk))
    assert pki.finish_ca(group) == 1
    assert pki.finish_ca(group) == 0
    server = server_context(Files(group, *ours))
    handshake(server, client_context(group / "ca.crt", *new))
    with pytest.raises(ssl.SSLError):
        handshake(server, client_context(group / "ca.crt", *old))


def test_a_rotation_that_broke_off_can_be_repeated(group, monkeypatch):
    pki.prepare_ca(group, NOW)
    monkeypatch.setattr(pki.Path, "unlink", _breaks)
    with pytest.raises(OSError, match="power"):
        pki.rotate_ca(group, NOW)
    monkeypatch.undo()
    pki.rotate_ca(group, NOW)
    after = pki.load_ca(group)
    pki.load_desk_ca(group).certificate.verify_directly_issued_by(after.certificate)
    assert pki.finish_ca(group) == 1


def _breaks(_path, missing_ok=False):
    if not missing_ok:
        raise OSError("power")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
def test_root_leaves_a_replaced_file_to_its_readers(tmp_path):
    path = tmp_path / "secret"
    write_private(path, b"old")
    os.chown(path, 0, 990)
    path.chmod(0o640)
    write_private(path, b"new")
    assert (path.stat().st_gid, path.stat().st_mode & 0o777) == (990, 0o640)
    os.chown(path, 990, 990)
    write_private(path, b"newer")
    assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (990, 0o600)
