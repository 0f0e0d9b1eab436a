"""Lines of the enrolment port: there and back, and what is refused."""

import hashlib

import pytest

from roamwire import enrolment as wire
from roamwire.errors import LocalProtocolError, RemoteProtocolError

LINES = [
    wire.Enrol("desk1", "MIIB+/==", "abcd-efgh", "Raspberry Pi 4"),
    wire.Check(),
    wire.Renew("MIIB"),
    wire.Join("0123456789abcdef", "ff" * 32),
    wire.Enrolled("QQ==,Qg==", "Qw==", 60),
    wire.Pending(5000),
    wire.Refused(wire.Refusal.CODE, 30000, "the code is wrong"),
    wire.Current("Qw==", True, 10),
    wire.Envelope(1, 3, "QUJD"),
]


@pytest.mark.parametrize("line", LINES, ids=lambda line: type(line).__name__)
def test_a_line_goes_there_and_back(line):
    data = wire.encode_line(line)
    assert data.endswith(b"\n")
    assert wire.parse_line(data) == line


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"hello dtu=desk1", "verb"),
        (b"enrol name=desk1", "missing"),
        (b"enrol name=" + b"x" * 65 + b" csr=QQ==", "syntax"),
        (b"enrol name=" + b"x" * 65 + b" csr=QQ", "oversize"),
        (b"enrol name=a csr=" + b"A" * 3000, "oversize"),
        (b"enrol name=a name=b csr=QQ", "repeated"),
        (b"refused code=because", "value"),
        (b"current ca=QQ renew=yes", "value"),
        (b"pending poll_ms=soon", "value"),
        (b"check\xff", "binary"),
        (b"x" * 20000, "oversize"),
    ],
)
def test_a_bad_line_is_refused(data, reason):
    with pytest.raises(RemoteProtocolError) as caught:
        wire.parse_line(data)
    assert caught.value.reason == reason


def test_a_line_that_is_too_long_is_our_own_fault():
    with pytest.raises(LocalProtocolError):
        wire.encode_line(wire.Current("x" * 20000))


def test_certificates_travel_as_text():
    blobs = (b"\x30\x82certificate", b"another")
    assert wire.from_text(wire.to_text(blobs)) == blobs


@pytest.mark.parametrize("text", ["", "QQ==,", "Q", "!!!!", ",".join(["QQ=="] * 9)])
def test_what_is_no_list_of_certificates_is_refused(text):
    with pytest.raises(RemoteProtocolError):
        wire.from_text(text)


def test_a_key_has_a_name_and_a_fingerprint():
    digest = wire.key_hash(b"spki")
    assert digest == hashlib.sha256(b"spki").hexdigest()
    assert wire.fingerprint("04a1b2c3d4e5f60718") == "04a1-b2c3-d4e5-f607"
    assert wire.fingerprint("") == ""
