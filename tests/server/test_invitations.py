"""One-time tokens: what is in them, who can open an envelope, and that it is given once."""

import json

import pytest

from roamwire.enrolment import Join
from sessionhost.adapters import invitations
from sessionhost.adapters.invitations import (
    InvitationError,
    Invitations,
    new_token,
    parse_token,
    parts_of,
    seal,
    unseal,
)

FILES = {"server.key": b"-----BEGIN", "group/secret": bytes(range(256))}


def counted(size):
    return bytes(range(1, size + 1))


@pytest.fixture
def token():
    return new_token("fd77::11", 7011, b"the CA", counted)


def test_a_token_is_text_that_reads_back_and_is_not_shown(token):
    assert parse_token(token.text) == token
    assert token.text.startswith("roamdesk-join-")
    assert token.key.hex() not in repr(token)
    assert token.key.hex() not in token.claim


@pytest.mark.parametrize(
    "change", [lambda t: t[:-8], lambda t: "x" + t, lambda t: t + "!", str.upper]
)
def test_half_a_token_is_refused(token, change):
    with pytest.raises(InvitationError, match="copy all of it"):
        parse_token(change(token.text))


def test_only_the_token_opens_the_envelope(token):
    envelope = seal(token, FILES, counted)
    assert FILES["server.key"] not in envelope
    assert unseal(token, envelope) == FILES
    other = new_token("fd77::11", 7011, b"the CA", lambda size: b"\x07" * size)
    for wrong, sealed in (
        (other, envelope),
        (token, envelope[:-1] + bytes([envelope[-1] ^ 1])),
        (token, envelope[:20]),
        (token, b""),
    ):
        with pytest.raises(InvitationError, match="does not open"):
            unseal(wrong, sealed)


def test_an_envelope_is_given_once_to_whoever_has_the_key(token, tmp_path):
    folder = Invitations(tmp_path / "invitations")
    path = folder.put(token, b"sealed", until_ms=1000)
    kept = path.read_text()
    assert token.key.hex() not in kept
    assert token.claim not in kept, "who reads the folder cannot fetch it either"
    good = Join(token.id, token.claim)
    assert folder.take(Join(token.id, "0" * 64), 1) is None, "and it is still there"
    assert folder.take(Join("../" + token.id, token.claim), 1) is None
    assert folder.take(good, 1) == b"sealed"
    assert folder.take(good, 1) is None
    assert not path.exists()


def test_an_envelope_has_an_end(token, tmp_path):
    folder = Invitations(tmp_path)
    folder.put(token, b"sealed", until_ms=1000)
    assert folder.take(Join(token.id, token.claim), 1000) is None
    assert folder.take(Join(token.id, token.claim), 0) is None, "nor has a clock that goes back it"


def test_a_damaged_invitation_is_none(token, tmp_path):
    folder = Invitations(tmp_path)
    for text in ("", "[]", json.dumps({"claim": 1}), "{"):
        (tmp_path / token.id).write_text(text)
        assert folder.take(Join(token.id, token.claim), 1) is None


def test_a_long_envelope_comes_in_parts(monkeypatch):
    parts = parts_of(b"x" * 20_000)
    assert [(each.part, each.parts) for each in parts] == [(n, 4) for n in (1, 2, 3, 4)]
    monkeypatch.setattr(invitations.enrolment, "MAX_PARTS", 3)
    with pytest.raises(InvitationError, match="take 4 parts"):
        parts_of(b"x" * 20_000)
