"""Real keys, certificates, CAs and revocation lists: what holds, and every way not to."""

import datetime
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from fakes.cards import DAY, KINDS, NOW, Authority, RealCard, text
from roamwire.control import Response, encode_line
from roamwire.limits import MAX_LINE_BYTES
from sessionhost.adapters.card_authorities import LOOK_AGAIN_S, CardAuthorities
from sessionhost.adapters.card_verify import facts_of, verify
from sessionhost.core.actions import Verify
from sessionhost.core.reasons import Reason

MESSAGE = b"roamdesk card proof 1\nserver=s1"


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "piv_cas"
    made.mkdir()
    return made


@pytest.fixture
def none(tmp_path):
    """No CAs at all."""
    return CardAuthorities(tmp_path / "nothing", need_list=True)


def asked(card, message=MESSAGE, **changes):
    made = Verify(1, 1, "00", message, text(card.sign(message)), text(card.der))
    return replace(made, **changes)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cards_signature_holds(kind, none):
    card = RealCard(kind, common="alice", upn="alice@corp.example", card="URN:UUID:1")
    facts = verify(asked(card), none, NOW)
    assert (facts.problem, facts.key) == (None, card.key_hash)
    assert card.token.value == facts.key
    assert (facts.subject, facts.common_name) == ("CN=alice", "alice")
    assert (facts.upn, facts.card) == ("alice@corp.example", "urn:uuid:1")
    assert facts.dates_hold
    assert facts.chain is Reason.UNKNOWN_ISSUER


@pytest.mark.parametrize("kind", KINDS)
def test_a_proof_fits_into_a_line(kind):
    card = RealCard(kind, email="a" * 60 + "@example.org")
    line = encode_line(Response(1, text(card.sign(MESSAGE)), text(card.der)))
    assert len(line) < MAX_LINE_BYTES / 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_signature_of_something_else_does_not(kind, none):
    card = RealCard(kind)
    assert verify(asked(card, message=MESSAGE + b"x"), none, NOW).problem is None
    wrong = asked(card, signature=text(card.sign(MESSAGE + b"x")))
    assert verify(wrong, none, NOW).problem is Reason.WRONG_SIGNATURE


@pytest.mark.parametrize("kind", KINDS)
def test_anothers_certificate_with_an_own_key_does_not(kind, none):
    own, other = RealCard(kind, number=1), RealCard(kind)
    stolen = asked(own, certificate=text(other.der))
    assert verify(stolen, none, NOW).problem is Reason.WRONG_SIGNATURE


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("rsa1024", Reason.KEY_KIND), ("p521", Reason.KEY_KIND)],
)
def test_keys_that_no_card_has_are_refused(kind, reason, none):
    card = RealCard(kind)
    assert verify(asked(card), none, NOW).problem is reason


@pytest.mark.parametrize(
    "certificate",
    ["", "%%%", text(b""), text(b"\x30\x03\x02\x01\x01"), text(b"\x30" * 9000), "é"],
)
def test_what_is_no_certificate_proves_nothing(certificate, none):
    wrong = asked(RealCard(), certificate=certificate)
    assert verify(wrong, none, NOW).problem is Reason.NO_CERTIFICATE


@pytest.mark.parametrize("signature", ["", "AA", "not base64", text(b"\0" * 4000)])
def test_what_is_no_signature_proves_nothing(signature, none):
    problem = verify(asked(RealCard(), signature=signature), none, NOW).problem
    assert problem in (Reason.WRONG_SIGNATURE, Reason.NO_CERTIFICATE)


@given(data=st.data())
def test_a_damaged_certificate_never_raises(data):
    card = GOOD
    raw = bytearray(card.der)
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    nothing = CardAuthorities.__new__(CardAuthorities)
    nothing.__dict__.update(_clock=lambda: 0.0, _looked_at=0.0, _by_name={}, _lists={})
    facts = verify(replace(GOOD_ASKED, certificate=text(bytes(raw))), nothing, NOW)
    assert facts.problem is not None or facts.key == card.key_hash


@pytest.mark.parametrize(
    ("at", "holds"),
    [
        (NOW, True),
        (NOW - 2 * DAY, False),
        (NOW + 2 * DAY, False),
        (datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC), False),
        (datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC), False),
    ],
)
def test_dates_are_judged_by_the_clock(at, holds, none):
    assert verify(asked(RealCard()), none, at).dates_hold is holds


# CAs


ROOT = Authority("root")
MIDDLE = Authority("middle", ROOT, length=0)
GOOD = RealCard(issuer=MIDDLE, upn="alice@corp.example")
GOOD_ASKED = asked(GOOD)
CARD_AUTH = x509.ExtendedKeyUsage([x509.ObjectIdentifier("2.16.840.1.101.3.6.8")])


def usage(**given):
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
        "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: given.get(name, False) for name in names})


def problem(folder, card, files, *, need_list=True, at=NOW):
    """Why the card is refused by a folder with these files."""
    for name, data in files.items():
        (folder / name).write_bytes(data)
    authorities = CardAuthorities(folder, need_list=need_list)
    return facts_of(card.certificate, authorities, at).chain


FILES = {
    "root.pem": ROOT.pem,
    "middle.pem": MIDDLE.pem,
    "root.crl": ROOT.revoke(),
    "middle.crl": MIDDLE.revoke(),
}


def without(*names):
    return {name: data for name, data in FILES.items() if name not in names}


FOREIGN = Authority("middle")
EXPIRED = RealCard(issuer=MIDDLE, until=NOW - DAY / 2, number=77)
DATED = Authority("dated", until=NOW - DAY)
BOUND = Authority("bound", extra=[(x509.NameConstraints([x509.DNSName("a")], None), True)])
SHORT = Authority("short", length=0)
BELOW = Authority("below", SHORT)


@pytest.mark.parametrize(
    ("card", "files", "reason"),
    [
        (GOOD, FILES, None),
        (GOOD, without("root.pem"), None),
        (GOOD, {}, Reason.UNKNOWN_ISSUER),
        (GOOD, without("middle.pem"), Reason.UNKNOWN_ISSUER),
        (RealCard(issuer=FOREIGN), FILES, Reason.UNKNOWN_ISSUER),
        (RealCard(), FILES, Reason.UNKNOWN_ISSUER),
        # a list is needed from every CA on the way, fresh, and signed by it
        (GOOD, without("middle.crl"), Reason.NO_REVOCATION_LIST),
        (GOOD, without("root.crl"), Reason.NO_REVOCATION_LIST),
        (GOOD, FILES | {"middle.crl": MIDDLE.revoke(until=NOW - DAY)}, Reason.NO_REVOCATION_LIST),
        (GOOD, FILES | {"middle.crl": MIDDLE.revoke(key=ROOT.key)}, Reason.NO_REVOCATION_LIST),
        (GOOD, FILES | {"middle.crl": b"not a list"}, Reason.NO_REVOCATION_LIST),
        (GOOD, FILES | {"middle.crl": MIDDLE.revoke(GOOD.certificate)}, Reason.REVOKED),
        (GOOD, FILES | {"root.crl": ROOT.revoke(MIDDLE.certificate)}, Reason.REVOKED),
        # what an old list said stays said
        (
            GOOD,
            FILES | {"old.crl": MIDDLE.revoke(GOOD.certificate, until=NOW - DAY)},
            Reason.REVOKED,
        ),
        # and outweighs whatever else is wrong
        (
            EXPIRED,
            FILES | {"middle.crl": MIDDLE.revoke(EXPIRED.certificate)},
            Reason.REVOKED,
        ),
        (
            EXPIRED,
            {"a.pem": MIDDLE.pem, "a.crl": MIDDLE.revoke(EXPIRED.certificate, until=NOW - DAY)},
            Reason.REVOKED,
        ),
        # dates of the card and of every CA
        (RealCard(issuer=MIDDLE, until=NOW - DAY / 2), FILES, Reason.OUTSIDE_DATES),
        (
            RealCard(issuer=DATED),
            {"a.pem": DATED.pem, "a.crl": DATED.revoke()},
            Reason.OUTSIDE_DATES,
        ),
        # what the certificate is for
        (RealCard(issuer=MIDDLE, extra=[(CARD_AUTH, True)]), FILES, None),
        (RealCard(issuer=MIDDLE, extra=[(usage(digital_signature=True), True)]), FILES, None),
        (
            RealCard(issuer=MIDDLE, extra=[(usage(key_agreement=True), True)]),
            FILES,
            Reason.NOT_FOR_SIGNING,
        ),
        (
            RealCard(
                issuer=MIDDLE,
                extra=[(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)],
            ),
            FILES,
            Reason.NOT_FOR_SIGNING,
        ),
        (
            RealCard(
                issuer=MIDDLE,
                extra=[
                    (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\5\0"), True)
                ],
            ),
            FILES,
            Reason.NOT_FOR_SIGNING,
        ),
        (
            RealCard(
                issuer=MIDDLE, extra=[(x509.BasicConstraints(ca=True, path_length=None), True)]
            ),
            FILES,
            Reason.NOT_FOR_SIGNING,
        ),
        # a card is no CA
        (RealCard(issuer=GOOD, number=5), FILES | {"card.pem": GOOD.pem}, Reason.UNKNOWN_ISSUER),
        # limits of the CAs themselves
        (
            RealCard(issuer=BOUND),
            {"a.pem": BOUND.pem, "a.crl": BOUND.revoke()},
            Reason.UNKNOWN_ISSUER,
        ),
        (
            RealCard(issuer=BELOW),
            {"a.pem": SHORT.pem, "b.pem": BELOW.pem, "b.crl": BELOW.revoke()},
            None,
        ),
    ],
)  # fmt: skip
def test_a_cards_way_to_its_ca(folder, card, files, reason):
    assert problem(folder, card, files) is reason


RENEWED = Authority("dated", key=DATED.key)


@pytest.mark.parametrize(("old", "new"), [("a.pem", "b.pem"), ("b.pem", "a.pem")])
def test_the_expired_certificate_of_a_ca_does_not_hide_the_renewed_one(folder, old, new):
    card = RealCard(issuer=DATED)
    files = {old: DATED.pem, new: RENEWED.pem, "a.crl": DATED.revoke()}
    assert problem(folder, card, files) is None
    revoked = files | {"a.crl": DATED.revoke(card.certificate)}
    assert problem(folder, card, revoked) is Reason.REVOKED


def test_lists_may_be_missing_if_the_policy_says_so(folder):
    assert problem(folder, GOOD, without("root.crl", "middle.crl"), need_list=False) is None


def test_a_revoked_card_is_refused_even_then(folder):
    files = without("root.crl") | {"middle.crl": MIDDLE.revoke(GOOD.certificate, until=NOW - DAY)}
    assert problem(folder, GOOD, files, need_list=False) is Reason.REVOKED


@pytest.mark.parametrize("year", [1970, 2100])
def test_a_wrong_clock_lets_nobody_in(folder, year):
    at = datetime.datetime(year, 1, 1, tzinfo=datetime.UTC)
    assert problem(folder, GOOD, FILES, at=at) is Reason.OUTSIDE_DATES


def test_the_folder_is_read_again_when_it_changes(folder):
    now = [0.0]
    authorities = CardAuthorities(folder, need_list=False, clock=lambda: now[0])
    assert authorities.fingerprints == []
    (folder / "middle.pem").write_bytes(MIDDLE.pem)
    assert facts_of(GOOD.certificate, authorities, NOW).chain is Reason.UNKNOWN_ISSUER
    now[0] += LOOK_AGAIN_S
    assert facts_of(GOOD.certificate, authorities, NOW).chain is None
    assert len(authorities.fingerprints) == 1
    (folder / "middle.crl").write_bytes(MIDDLE.revoke(GOOD.certificate))
    now[0] += LOOK_AGAIN_S
    assert facts_of(GOOD.certificate, authorities, NOW).chain is Reason.REVOKED


def test_files_that_are_no_cas_are_told(folder, caplog):
    (folder / "a.pem").write_bytes(GOOD.pem)
    (folder / "b.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nAA\n")
    (folder / "c.pem").write_bytes(BOUND.pem)
    assert CardAuthorities(folder, need_list=True).fingerprints == []
    assert "a.pem: not used, it is not the certificate of a CA" in caplog.text
    assert "b.pem: no certificates" in caplog.text
    assert "c.pem: not used, its critical nameConstraints" in caplog.text
