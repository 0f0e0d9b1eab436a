"""Redirect tickets: what was issued comes back, nothing else does."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roamwire.errors import RemoteProtocolError
from roamwire.limits import MAX_TICKET_CHARS
from roamwire.proof import Proof
from roamwire.signing import GroupSecrets, token_digest
from roamwire.tickets import RedirectTicket, issue, verify

SECRETS = GroupSecrets(b"0123456789abcdef")
TICKET = RedirectTicket("s1", "desk1", "ab" * 32, "s2", "0011", 1, "0f" * 8)
proofs = st.sampled_from(Proof)
parts = st.text("aZ0.-~ %=ü", max_size=20)


def test_a_ticket_comes_back():
    assert verify(issue(TICKET, SECRETS), SECRETS) == TICKET


@given(st.lists(parts, min_size=7, max_size=7), st.integers(0, 99), st.frozensets(proofs))
def test_any_names_come_back(names, hops, proven):
    *first, session, user = names
    ticket = RedirectTicket(*first, hops, session, proven, user)
    assert verify(issue(ticket, SECRETS), SECRETS) == ticket


def test_a_ticket_with_the_longest_names_fits():
    names = ("i" * 63, "d" * 63, "a" * 64, "t" * 63, "n" * 24)
    longest = RedirectTicket(*names, 2, "s" * 64, frozenset(Proof), "u" * 64)
    text = issue(longest, SECRETS)
    assert len(text) <= MAX_TICKET_CHARS
    assert verify(text, SECRETS) == longest


def test_a_ticket_survives_a_rotation_and_no_more():
    text = issue(TICKET, SECRETS)
    assert verify(text, GroupSecrets(b"n" * 16, SECRETS.current)) == TICKET
    with pytest.raises(RemoteProtocolError, match="not signed"):
        verify(text, GroupSecrets(b"n" * 16))


@given(st.data())
def test_a_changed_ticket_is_none(data):
    text = issue(TICKET, SECRETS)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from([c for c in "0a~%zü" if c != text[at]]))
    with pytest.raises(RemoteProtocolError) as caught:
        verify(text[:at] + other + text[at + 1 :], SECRETS)
    assert caught.value.reason == "ticket"


@given(st.text(max_size=100))
def test_any_text_is_no_ticket(text):
    with pytest.raises(RemoteProtocolError):
        verify(text, SECRETS)


@pytest.mark.parametrize("cut", [1, 5, 64, 65, 100])
def test_a_truncated_ticket_is_none(cut):
    with pytest.raises(RemoteProtocolError):
        verify(issue(TICKET, SECRETS)[:-cut], SECRETS)


def test_an_oversized_ticket_is_none():
    with pytest.raises(RemoteProtocolError, match="too long"):
        verify("x" * (MAX_TICKET_CHARS + 1), SECRETS)


@pytest.mark.parametrize(
    "text",
    [
        "1~s1~desk1~00~s2~11~1~ff~9e~alice~{tag}",
        "2~s1~desk1~00~s2~11~1~ff~{tag}",
        "2~s1~desk1~00~s2~11~1~ff~9f~alice~{tag}",
        "2~s1~desk1~00~s2~11~x~ff~9e~alice~{tag}",
    ],
)
def test_a_ticket_of_another_version_is_none(text):
    body = text.removesuffix("~{tag}")
    tag = issue_tag(body)
    with pytest.raises(RemoteProtocolError, match="of another version"):
        verify(text.format(tag=tag), SECRETS)


def issue_tag(body):
    """The tag as RFC 2104 has it, under the key for tickets."""
    key = hmac.new(SECRETS.current, b"roamdesk ticket", hashlib.sha256).digest()
    return hmac.new(key, body.encode(), hashlib.sha256).hexdigest()


def test_a_signature_for_one_purpose_is_none_for_another():
    text = issue(TICKET, SECRETS)
    body, _, tag = text.rpartition("~")
    assert tag == issue_tag(body)
    assert tag != token_digest(SECRETS.current, body)
    assert not SECRETS.verify(f"{body} sig={tag}".encode()).trusted
