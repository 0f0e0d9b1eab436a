"""Signatures: both live secrets, the patent's digest only when allowed, and every damage."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roamwire.datagrams import parse_datagram
from roamwire.errors import LocalProtocolError
from roamwire.signing import MIN_SECRET_BYTES, GroupSecrets, Signed, derive
from roamwire.tokens import Token

VECTORS = Path(__file__).parent.parent / "vectors"
OLD, NEW, OTHER = b"0123456789abcdef", b"fedcba9876543210", b"x" * 32
CARD = Token("uid", "04a1b2c3")


def golden():
    for line in (VECTORS / "signatures.txt").read_text(encoding="ascii").splitlines():
        name, digest, secret, datagram = line.split("\t")
        yield pytest.param(
            digest, secret.replace("_", " ").encode(), datagram.encode(), id=f"{name}-{digest}"
        )


@pytest.mark.parametrize(("digest", "secret", "datagram"), list(golden()))
def test_signatures_that_another_program_made(digest, secret, datagram):
    body = datagram.rpartition(b" sig=")[0]
    for classic in (False, True):
        trusted = digest == "sha256" or classic
        assert GroupSecrets(secret, classic=classic).verify(datagram) == Signed(body, trusted)
    if digest == "sha256":
        assert GroupSecrets(secret).sign(body) == datagram
    assert not GroupSecrets(OTHER, classic=True).verify(datagram).trusted


@given(st.binary(max_size=200))
def test_what_is_signed_is_trusted_and_comes_back(body):
    assert GroupSecrets(OLD).verify(GroupSecrets(OLD).sign(body)) == Signed(body, trusted=True)


@given(st.binary(min_size=1, max_size=60), st.data())
def test_one_changed_byte_takes_the_trust_away(body, data):
    datagram = bytearray(GroupSecrets(OLD).sign(body))
    at = data.draw(st.integers(0, len(datagram) - 1))
    datagram[at] ^= data.draw(st.integers(1, 255))
    assert not GroupSecrets(OLD, classic=True).verify(bytes(datagram)).trusted


@given(st.binary(max_size=300))
def test_any_bytes_are_not_trusted(data):
    assert not GroupSecrets(OLD, OTHER, classic=True).verify(data).trusted


@pytest.mark.parametrize("cut", range(1, 70))
def test_a_truncated_datagram_is_not_trusted(cut):
    datagram = GroupSecrets(OLD).sign(b"serverQ=a dtu=b")
    assert not GroupSecrets(OLD, classic=True).verify(datagram[:-cut]).trusted


def test_an_unsigned_datagram_is_left_whole():
    assert GroupSecrets(OLD).verify(b"host=mud addr=1") == Signed(b"host=mud addr=1", trusted=False)


def test_only_the_last_signature_counts():
    secrets = GroupSecrets(OLD)
    twice = secrets.sign(secrets.sign(b"serverQ=a"))
    assert secrets.verify(twice) == Signed(secrets.sign(b"serverQ=a"), trusted=True)
    appended = secrets.sign(b"serverQ=a") + b" sig=" + b"0" * 64
    assert not secrets.verify(appended).trusted


def test_upper_case_digits_are_no_signature():
    body, _, digits = GroupSecrets(OLD).sign(b"serverQ=a").rpartition(b" sig=")
    assert not GroupSecrets(OLD).verify(body + b" sig=" + digits.upper()).trusted


def test_a_rotation_in_three_steps_has_no_gap():
    """The new secret verifies on every server before the first one signs with it."""
    stages = [
        GroupSecrets(OLD),
        GroupSecrets(OLD, NEW),
        GroupSecrets(NEW, OLD),
        GroupSecrets(NEW),
    ]
    for one, other in pairwise(stages):
        assert other.verify(one.sign(b"serverQ=a")).trusted
        assert one.verify(other.sign(b"serverQ=a")).trusted
        assert one.token_digest(CARD) in other.token_digests(CARD)
    assert not stages[-1].verify(stages[0].sign(b"serverQ=a")).trusted


def test_tokens_are_recognised_across_a_rotation():
    during = GroupSecrets(NEW, OLD)
    assert GroupSecrets(OLD).token_digest(CARD) in during.token_digests(CARD)
    assert GroupSecrets(NEW).token_digest(CARD) in during.token_digests(CARD)
    assert GroupSecrets(OTHER).token_digest(CARD) not in during.token_digests(CARD)


def test_a_token_digest_hides_the_token_and_tells_tokens_apart():
    secrets = GroupSecrets(OLD)
    digests = {
        secrets.token_digest(Token(kind, value))
        for kind in ("uid", "pseudo")
        for value in ("04a1b2c3", "04a1b2c4")
    }
    assert len(digests) == 4
    assert all(len(digest) == 64 and "04a1b2c3" not in digest for digest in digests)


def test_an_owner_digest_tells_the_users_of_a_token_apart():
    secrets, during = GroupSecrets(OLD), GroupSecrets(NEW, OLD)
    digests = {
        secrets.token_digest(CARD),
        secrets.owner_digest(CARD, ""),
        secrets.owner_digest(CARD, "alice"),
        secrets.owner_digest(CARD, "bob"),
        secrets.owner_digest(Token(CARD.kind, CARD.value + "a"), "lice"),
    }
    assert len(digests) == 5
    assert secrets.owner_digest(CARD, "alice") in during.owner_digests(CARD, "alice")
    assert secrets.owner_digest(CARD, "alice") not in during.owner_digests(CARD, "bob")


def test_keys_of_different_purposes_differ():
    assert len({derive(OLD, "token"), derive(OLD, "ticket"), derive(NEW, "token"), OLD}) == 4


@pytest.mark.parametrize("secrets", [(b"",), (b"x" * (MIN_SECRET_BYTES - 1),), (OLD, b"short")])
def test_a_short_secret_is_refused(secrets):
    with pytest.raises(LocalProtocolError, match="at least 16 bytes"):
        GroupSecrets(*secrets)


def test_the_patents_host_message_can_be_signed_and_read():
    mud = (VECTORS / "host_mud.txt").read_bytes()
    signed = GroupSecrets(OLD).verify(GroupSecrets(OLD).sign(mud))
    assert signed.trusted
    assert parse_datagram(signed.body).host == "mud"
