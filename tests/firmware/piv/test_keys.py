"""The walk through certificates to their keys, and what is given to a card to sign."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes import piv

from dtu.core.piv import tlv
from dtu.core.piv.keys import KeyType, key_type, public_key_info

EDWARDS = ed25519.Ed25519PrivateKey.generate()
OTHERS = {
    None: [
        ec.generate_private_key(ec.SECP256K1()),
        rsa.generate_private_key(65537, 1024),
        EDWARDS,
    ],
    **{KeyType(kind): [piv.state(kind).keys[0x9E]] for kind in piv.KEY_TYPES},
}
CASES = [(expected, key) for expected, keys in OTHERS.items() for key in keys]


def certificate(key, name="x", serial=1, days=1, extensions=()):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begins = datetime.datetime(2026, 1, 1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(begins)
        .not_valid_after(begins + datetime.timedelta(days=days))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, False)
    signed = builder.sign(EDWARDS, None)
    return signed.public_bytes(serialization.Encoding.DER)


@given(
    case=st.sampled_from(CASES),
    name=st.text("abcäöü ", min_size=1, max_size=60),
    serial=st.integers(1, 2**158),
    days=st.integers(1, 36_000),  # from 2050 on times have another form
    names=st.lists(st.from_regex(r"[a-z]{1,20}\.example", fullmatch=True), max_size=90),
)
def test_the_key_type_of_any_certificate(case, name, serial, days, names):
    expected, key = case
    extensions = [x509.SubjectAlternativeName([x509.DNSName(n) for n in names])] if names else []
    der = certificate(key, name, serial, days, extensions)
    assert key_type(der) is expected
    spki = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert public_key_info(der) == spki


@given(st.data())
def test_a_damaged_certificate_is_an_error_or_a_key(data):
    der = bytearray(certificate(data.draw(st.sampled_from(CASES))[1]))
    for _ in range(data.draw(st.integers(1, 4))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(der)))
    for damaged in (bytes(der), bytes(der[:cut])):
        try:
            assert key_type(damaged) in (*KeyType, None)
        except tlv.TlvError:
            pass


@given(st.binary(max_size=300))
def test_no_certificate_at_all(data):
    try:
        key_type(data)
    except tlv.TlvError:
        pass


def test_what_follows_a_certificate_is_an_error():
    with pytest.raises(tlv.TlvError, match="after"):
        key_type(certificate(EDWARDS) + b"\0")


@given(
    st.lists(st.tuples(st.sampled_from([0x53, 0x7C, 0x5FC102, 0x5F2F]), st.binary(max_size=300)))
)
def test_what_is_encoded_is_read(pairs):
    data = b"".join(tlv.encode(tag, value) for tag, value in pairs)
    assert [(each.tag, each.value) for each in tlv.elements(data)] == pairs


@pytest.mark.parametrize("data", ["53", "5F", "5FC1", "5FC1C101", "5380", "538401000000", "530200"])
def test_what_is_no_element(data):
    with pytest.raises(tlv.TlvError):
        tlv.read(bytes.fromhex(data))


@pytest.mark.parametrize("kind", piv.KEY_TYPES)
def test_a_signature_is_told_from_other_bytes(kind):
    key = KeyType(kind)
    size = key.modulus_bytes or 70
    assert not key.fits(bytes(size - 1))
    assert not key.fits(b"")
    assert key.fits(bytes(size)) is bool(key.modulus_bytes)
    if not key.modulus_bytes:
        private = piv.state(kind).keys[0x9E]
        signature = private.sign(b"x", ec.ECDSA(hashes.SHA256()))
        assert key.fits(signature)
        assert not key.fits(signature + b"\0")
        assert not key.fits(tlv.encode(0x30, 2 * tlv.encode(2, bytes(60))))
