"""What enrold answers, without a socket: revoked names, renewals, names learned from others."""

import asyncio
import datetime
import os

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from roamwire import enrolment
from roamwire.blocks import dtu_key
from roamwire.enrolment import Check, Current, Enrol, Enrolled, Pending, Refusal, Renew
from roamwire.errors import RemoteProtocolError
from roamwire.identity import Identity
from sessionhost.adapters import certificates, pki
from sessionhost.adapters.enrol_server import Peer
from sessionhost.adapters.keyfiles import write_private, write_public
from sessionhost.adapters.revoked_file import RevokedFile
from sessionhost.app import enrold
from sessionhost.app.config import load_config
from sessionhost.app.daemon import StartError
from sessionhost.app.enrold import EnrolDaemon

LIFE_S = 1000


class Desk:
    """A key, its request, and the peer that it is once it has a certificate."""

    def __init__(self, name="desk1"):
        self.name = name
        self.key = ec.generate_private_key(ec.SECP256R1())
        built = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        der = built.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
        self.csr = enrolment.to_text([der])
        self.stranger = Peer("10.0.0.1", name)

    @property
    def asks(self):
        return Enrol(self.name, self.csr)

    def certified(self, authority, life_s=LIFE_S):
        now = datetime.datetime.now(datetime.UTC)
        life = datetime.timedelta(seconds=life_s)
        identity = Identity("dtu", self.name)
        leaf = authority.sign(identity, self.key.public_key(), now, life)[0]
        return Peer("10.0.0.1", self.name, identity, certificates.to_der(leaf))


@pytest.fixture
def folder(tmp_path):
    now = datetime.datetime.now(datetime.UTC)
    ca = pki.create_group(tmp_path / "group", "lab", now, os.urandom)
    issued = ca.issue(Identity("server", "s1"), now)
    write_public(tmp_path / "server.crt", issued.certificate)
    write_private(tmp_path / "server.key", issued.key)
    (tmp_path / "enrol").mkdir()
    (tmp_path / "group" / "policy.toml").write_text('enrolment = "open"\n')
    (tmp_path / "server.toml").write_text(
        'host = "s1"\ngroup_dir = "group"\nenrol_dir = "enrol"\nidentity_cert = "server.crt"\n'
        f'run_dir = "run"\nidentity_key = "server.key"\nterminal_certificate_s = {LIFE_S}\n'
    )
    return tmp_path


@pytest.fixture
def revoked():
    return set()


@pytest.fixture
def daemon(folder, revoked):
    made = EnrolDaemon(load_config(folder / "server.toml"), revoked.__contains__)
    yield made
    made._store.close()


@pytest.fixture
def desk_ca(folder):
    return pki.load_desk_ca(folder / "group")


def ask(daemon, line, peer):
    (answer,) = daemon._answer(line, peer)
    return answer


def test_a_revoked_name_is_neither_enrolled_nor_renewed(daemon, revoked, desk_ca):
    desk = Desk()
    assert isinstance(ask(daemon, desk.asks, desk.stranger), Enrolled)
    peer = desk.certified(desk_ca)
    assert isinstance(ask(daemon, Renew(desk.csr), peer), Enrolled)
    revoked.add("desk1")
    assert ask(daemon, desk.asks, desk.stranger).code is Refusal.BLOCKED
    assert ask(daemon, Renew(desk.csr), peer).code is Refusal.BLOCKED
    assert ask(daemon, Desk().asks, desk.stranger).code is Refusal.BLOCKED, "with any key"
    revoked.clear()
    assert isinstance(ask(daemon, desk.asks, desk.stranger), Enrolled)


def test_it_asks_hostd_who_is_revoked(folder, desk_ca, monkeypatch):
    """As the daemon is put together for a server, not only as it can be."""
    made = []

    async def keep(daemon):
        made.append(daemon)

    monkeypatch.setattr(EnrolDaemon, "run", keep)
    config = load_config(folder / "server.toml")
    config.run_dir.mkdir()
    asyncio.run(enrold._run(config))
    RevokedFile(config.revoked_path).write([dtu_key("desk1")])
    desk = Desk()
    (daemon,) = made
    assert ask(daemon, desk.asks, desk.stranger).code is Refusal.BLOCKED
    assert ask(daemon, Renew(desk.csr), desk.certified(desk_ca)).code is Refusal.BLOCKED
    assert isinstance(ask(daemon, Desk("desk2").asks, desk.stranger), Enrolled)
    daemon._store.close()


def test_a_certificate_is_renewed_in_its_second_half(daemon, desk_ca):
    desk = Desk()
    for life_s, due in ((LIFE_S, False), (LIFE_S // 2 - 1, True)):
        answer = ask(daemon, Check(), desk.certified(desk_ca, life_s))
        assert isinstance(answer, Current)
        assert answer.renew is due
        assert answer.check_s == LIFE_S // 10
    assert not ask(daemon, Check(), desk.stranger).renew


def test_a_renewal_may_bring_another_key(daemon, desk_ca):
    old, new = Desk(), Desk()
    ask(daemon, old.asks, old.stranger)
    assert isinstance(ask(daemon, Renew(new.csr), old.certified(desk_ca)), Enrolled)
    assert isinstance(ask(daemon, new.asks, new.stranger), Enrolled)
    assert isinstance(ask(daemon, old.asks, old.stranger), Pending), "the name is the new key's"


def test_a_name_from_another_server_is_not_given_again(daemon, desk_ca):
    desk, thief = Desk(), Desk()
    ask(daemon, Check(), desk.certified(desk_ca))
    assert isinstance(ask(daemon, thief.asks, thief.stranger), Pending)


def test_a_server_is_no_terminal(daemon, desk_ca):
    peer = Peer("10.0.0.2", "s2", Identity("server", "s2"), desk_ca.certificate.public_bytes(
        serialization.Encoding.DER))  # fmt: skip
    assert ask(daemon, Renew(Desk().csr), peer).code is Refusal.REQUEST
    assert not ask(daemon, Check(), peer).renew


def test_what_only_servers_say_is_refused(daemon):
    with pytest.raises(RemoteProtocolError):
        daemon._answer(Pending(1), Desk().stranger)


def test_a_disk_that_fails_is_no_answer_to_trust(daemon):
    desk = Desk()
    daemon._store.close()
    assert ask(daemon, desk.asks, desk.stranger).code is Refusal.NO_AUTHORITY


def test_the_roots_of_a_rotation_reach_terminals_at_a_reload(daemon, folder, desk_ca):
    now = datetime.datetime.now(datetime.UTC)
    pki.prepare_ca(folder / "group", now)
    assert len(enrolment.from_text(ask(daemon, Check(), Desk().stranger).ca)) == 1
    daemon.reload()
    assert len(enrolment.from_text(ask(daemon, Check(), Desk().stranger).ca)) == 2
    pki.rotate_ca(folder / "group", now)
    daemon.reload()
    desk = Desk()
    assert ask(daemon, Check(), desk.certified(desk_ca)).renew, "signed by the last desk CA"
    assert not ask(daemon, Check(), desk.certified(pki.load_desk_ca(folder / "group"))).renew


def test_broken_files_are_told_and_change_nothing(daemon, folder):
    (folder / "group" / "desk-ca.crt").write_text("nonsense")
    with pytest.raises(StartError, match="does not hold a CA"):
        daemon.reload()
    desk = Desk()
    assert isinstance(ask(daemon, desk.asks, desk.stranger), Enrolled)
