"""Roles in certificates, on what the ssl module gives for a peer."""

import pytest

from roamwire.errors import RemoteProtocolError
from roamwire.identity import Identity, name_problem, peer_identity


def certificate(*uris, name="s1", extra=()):
    names = (("DNS", "s1"), *(("URI", uri) for uri in uris), *extra)
    return {
        "subject": ((("organizationName", "g"),), (("commonName", name),)),
        "subjectAltName": names,
    }


def test_the_right_role_is_accepted():
    found = peer_identity(certificate("roamdesk://server/s1"), "server")
    assert found == Identity("server", "s1")
    assert found.uri == "roamdesk://server/s1"


def test_a_foreign_uri_does_not_disturb():
    peer_identity(certificate("roamdesk://dtu/s1", "https://example.org/"), "dtu")


@pytest.mark.parametrize(
    "shown",
    [
        None,
        {},
        {"subject": ((("commonName", "s1"),),)},
        certificate(),
        certificate("roamdesk://dtu/s1"),
        certificate("roamdesk://server/s2"),
        certificate("roamdesk://server/"),
        certificate("roamdesk://server/s1/x", name="s1/x"),
        certificate("roamdesk://server/s1", "roamdesk://dtu/s1"),
        certificate("roamdesk://root/s1"),
    ],
)
def test_anything_else_is_refused(shown):
    with pytest.raises(RemoteProtocolError) as caught:
        peer_identity(shown, "server")
    assert caught.value.reason == "certificate"


@pytest.mark.parametrize("name", ["s1", "a", "desk-1.example.org", "x" * 63])
def test_good_names(name):
    assert name_problem(name) is None


@pytest.mark.parametrize("name", ["", "-a", "a-", "a b", "a/b", "x" * 64, "ä", "a\n"])
def test_bad_names(name):
    assert "is not a name" in (name_problem(name) or "")
