"""Lines between servers about audit logs: they print and parse, and a signature is good once."""

import pytest

from roamwire.errors import RemoteProtocolError
from roamwire.log_lines import (
    LogFollows,
    NoLog,
    Prove,
    ReadLog,
    encode_log_line,
    parse_log_line,
    request_of,
)
from roamwire.signing import GroupSecrets

OLD, NEW = b"0123456789abcdef", b"fedcba9876543210"
ASKED = ReadLog("00ff", "s1", "s2", "root (alice)", "2026-11-24T08:00:00")
EXPECTED = ReadLog("00ff", "s1", "s2", "")


@pytest.mark.parametrize("line", [Prove("00ff"), ASKED, LogFollows(123), NoLog("busy, it says")])
def test_a_line_is_read_as_it_was_written(line):
    data = encode_log_line(line)
    assert data.endswith(b"\n")
    assert parse_log_line(data) == line


def test_a_request_is_believed_under_either_live_secret():
    for secrets in (GroupSecrets(OLD), GroupSecrets(NEW, OLD)):
        data = encode_log_line(ASKED, GroupSecrets(OLD))
        assert request_of(data, secrets, EXPECTED) == ASKED


@pytest.mark.parametrize(
    "other",
    [
        ReadLog("00fe", "s1", "s2", ""),  # a request that was recorded
        ReadLog("00ff", "s3", "s2", ""),  # of another server's connection
        ReadLog("00ff", "s1", "s3", ""),  # that was relayed
    ],
)
def test_a_request_of_another_connection_is_none(other):
    data = encode_log_line(ASKED, GroupSecrets(OLD))
    with pytest.raises(RemoteProtocolError, match="another connection"):
        request_of(data, GroupSecrets(OLD), other)


def test_without_the_secret_nothing_is_a_request():
    secrets = GroupSecrets(OLD)
    unsigned = encode_log_line(ASKED)
    foreign = encode_log_line(ASKED, GroupSecrets(NEW))
    changed = encode_log_line(ASKED, secrets).replace(b"alice", b"carol")
    # The key of datagrams is another one.
    datagram = secrets.sign(encode_log_line(ASKED).rstrip(b"\n")) + b"\n"
    for data in (unsigned, foreign, changed, datagram, b"", b"\n"):
        with pytest.raises(RemoteProtocolError, match="secret"):
            request_of(data, secrets, EXPECTED)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (Prove("00ff"), "Prove is not for who is asked"),
        (ReadLog("00ff", "s1", "s2", "root", "yesterday"), "is no time"),
    ],
)
def test_signed_nonsense_is_refused(line, words):
    with pytest.raises(RemoteProtocolError, match=words):
        request_of(encode_log_line(line, GroupSecrets(OLD)), GroupSecrets(OLD), EXPECTED)


@pytest.mark.parametrize(
    "data", [b"hello\n", b"prove\n", b"logfollows size=x\n", b"prove nonce=1 nonce=2\n", b"\xff\n"]
)
def test_what_is_no_line_is_told(data):
    with pytest.raises(RemoteProtocolError):
        parse_log_line(data)
