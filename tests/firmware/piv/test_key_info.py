"""A key has one token, however its certificate encodes it, at the terminal and at the server."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from dtu.core.piv import tlv
from dtu.core.piv.key_info import canonical_key_info
from dtu.core.piv.keys import public_key_info
from fakes.cards import KINDS, RealCard
from fakes.odd_keys import ODD, compressed, hybrid, parts_of, replaced, whole
from sessionhost.adapters.card_verify import card_key, public_bytes, read_certificate

CASES = [(kind, odd) for kind in KINDS for odd in ODD["rsa" if kind[0] == "r" else "p"]]


@pytest.mark.parametrize("kind", KINDS)
def test_a_usual_key_stays_as_it_is(kind):
    card = RealCard(kind)
    assert canonical_key_info(card.der) == public_key_info(card.der) == card.spki


@pytest.mark.parametrize(("kind", "odd"), CASES)
def test_an_odd_encoding_is_the_same_key_at_both_ends(kind, odd):
    card = RealCard(kind)
    der = replaced(card.der, odd(card.spki))
    assert public_key_info(der) == odd(card.spki) != card.spki
    assert canonical_key_info(der) == card.spki
    try:
        found = card_key(read_certificate(der))
    except ValueError:
        found = None
    # What the server does not take opens nothing; what it takes has the terminal's token.
    assert found is None or public_bytes(found) == card.spki


def test_the_server_takes_some_of_them():
    card = RealCard("p256")
    found = card_key(read_certificate(replaced(card.der, compressed(card.spki))))
    assert public_bytes(found) == card.spki


@given(st.sampled_from((ec.SECP256R1(), ec.SECP384R1())), st.integers(1, 2**200))
def test_any_compressed_point_is_the_one_that_openssl_finds(curve, secret):
    card = RealCard("p256" if curve.key_size == 256 else "p384")
    key = ec.derive_private_key(secret, curve).public_key()
    info = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert canonical_key_info(replaced(card.der, compressed(info))) == info


def test_what_is_no_point_or_has_unused_bits_stays_as_it_is():
    card = RealCard("p256")
    algorithm, key = parts_of(card.spki)
    points = (b"\2" + x.to_bytes(32) for x in range(1, 100))
    no_root = next(point for point in points if _is_no_point(point))
    for odd in (
        b"\0" + no_root,
        b"\0\2" + b"\xff" * 32,
        b"\0\4" + key[2:-1],
        b"\0\5" + key[2:],
        b"\0",
        b"\1" + key[1:],
    ):
        info = whole(algorithm, odd)
        assert canonical_key_info(replaced(card.der, info)) == info


def _is_no_point(data):
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), data)
    except ValueError:
        return True
    return False


def test_other_kinds_of_keys_stay_as_they_are():
    card = RealCard("p521")
    assert canonical_key_info(card.der) == card.spki


@pytest.mark.parametrize("info", [b"\x30\x00", b"\x30\x02\x05\x00", b"\x30\x04\x30\x00\x04\x00"])
def test_what_is_no_key_is_an_error(info):
    with pytest.raises(tlv.TlvError):
        canonical_key_info(replaced(RealCard("p256").der, info))


def test_the_replacement_of_this_test_makes_certificates():
    card = RealCard("p256")
    assert replaced(card.der, card.spki) == card.der
    assert x509.load_der_x509_certificate(replaced(card.der, hybrid(card.spki)))
