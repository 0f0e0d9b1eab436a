"""OpenSC's own tools take the emulated card for a PIV card, over pcscd and a virtual reader."""

import re
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

from roamtools.card.piv_keys import KEY_TYPES, public_template
from roamtools.card.piv_make import Order, make_authority, make_card
from roamtools.card.piv_objects import CERTIFICATES
from roamtools.card.piv_state import PivState
from roamtools.card.tlv import split
from roamtools.lab.lab import Lab

pytestmark = pytest.mark.system

DESK, FILE = "desk1", "card.json"
PIN, NEW_PIN = "123456", "654321"
SEEN_S = 10.0
GUID = bytes(range(0x40, 0x50))
SLOTS = (0x9A, 0x9C, 0x9D, 0x9E)


@pytest.fixture(scope="module")
def lab():
    """A desk without a network: pcscd and a reader."""
    with Lab("opensc") as lab:
        lab.up(0, 1, tied=True, with_daemons=False, dhcp=False)
        yield lab


class Card:
    """A card in the desk's reader, and tools that are run beside it."""

    def __init__(self, lab: Lab, kind: str) -> None:
        self._lab = lab
        self.path = lab.cards / FILE
        self.authority = make_authority("Card authority")
        order = Order("Alice", dict.fromkeys(SLOTS, kind), GUID, self.authority)
        self.made = make_card(order, self.path)
        lab.insert(DESK, "A", piv=FILE)
        deadline = time.monotonic() + SEEN_S
        while self.run("opensc-tool", "--atr").returncode:
            assert time.monotonic() < deadline, "pcscd sees no card"
            time.sleep(0.1)

    def run(self, *command: str):
        return self._lab.run(DESK, command)

    def says(self, *command: str) -> str:
        """What a tool says that ends well."""
        done = self.run(*command)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def issued(self, slot: int) -> x509.Certificate:
        content = split(self.made.objects[CERTIFICATES[slot]])
        return x509.load_der_x509_certificate(content["70"])

    def now(self) -> PivState:
        """The card as it is in its file."""
        return PivState.load(self.path)


@pytest.fixture(params=KEY_TYPES)
def card(lab, request):
    card = Card(lab, request.param)
    yield card
    lab.remove(DESK)


@pytest.fixture
def curve_card(lab):
    card = Card(lab, "p256")
    yield card
    lab.remove(DESK)


def test_it_is_a_piv_card(curve_card):
    assert curve_card.says("opensc-tool", "--name").strip() == "Personal Identity Verification Card"
    assert curve_card.says("piv-tool", "-n").strip() == "Personal Identity Verification Card"
    serial = curve_card.says("piv-tool", "--serial")
    assert bytes.fromhex(serial[: 3 * len(GUID)]) == GUID


def test_its_keys_and_certificates_are_listed(card, request):
    kind = request.node.callspec.params["card"]
    bits = kind.removeprefix("rsa").removeprefix("p")
    listed = card.says("pkcs11-tool", "--list-objects")
    assert len(re.findall(rf"^Public Key Object; (RSA|EC).* {bits} bits", listed, re.M)) == 4
    for name in ("PIV Authentication", "Digital Signature", "Key Management"):
        assert f"Certificate for {name}\n" in listed
    dump = card.says("pkcs15-tool", "--dump")
    assert f"Serial number  : {GUID.hex()}" in dump
    for reference in ("154 (0x9A)", "156 (0x9C)", "157 (0x9D)", "158 (0x9E)"):
        assert f"Key ref        : {reference}" in dump


def test_its_certificates_are_read(card):
    for number, slot in (("01", 0x9A), ("04", 0x9E)):
        pem = card.says("pkcs15-tool", "--read-certificate", number)
        read = x509.load_pem_x509_certificate(pem.encode())
        assert read == card.issued(slot)
        read.verify_directly_issued_by(card.authority[0])


def test_opensc_tests_its_keys(card, request):
    told = card.says("pkcs11-tool", "--test", "--login", "--pin", PIN)
    assert told.endswith("No errors\n"), told
    # OpenSC 0.23 tests RSA only: raw, padded, with hashes, and decryption; 9D signs nothing there.
    if request.node.callspec.params["card"].startswith("rsa"):
        assert told.count("RSA-X-509: OK") >= 7, told


def test_a_signature_made_through_opensc(card, lab):
    data = lab.node_dir(DESK) / "data"
    data.write_bytes(b"what is to be signed")
    place = "/run/lab/data"
    public = card.issued(0x9A).public_key()
    curve = isinstance(public, ec.EllipticCurvePublicKey)
    mechanism = "ECDSA-SHA256" if curve else "SHA256-RSA-PKCS"
    command = ["pkcs11-tool", "--login", "--pin", PIN, "--sign", "--id", "01"]
    command += ["--mechanism", mechanism, "--input-file", place, "--output-file", f"{place}.sig"]
    card.says(*command, *(["--signature-format", "openssl"] if curve else []))
    signature = data.with_name("data.sig").read_bytes()
    if curve:
        public.verify(signature, data.read_bytes(), ec.ECDSA(hashes.SHA256()))
    else:
        public.verify(signature, data.read_bytes(), padding.PKCS1v15(), hashes.SHA256())


def test_pin_and_puk(curve_card):
    card = curve_card
    wrong = card.run("pkcs15-tool", "--verify-pin", "--pin", "999999")
    assert wrong.returncode != 0
    assert card.now().pin.left == 2
    card.says("pkcs15-tool", "--verify-pin", "--pin", PIN)
    assert card.now().pin.left == 3
    card.says("pkcs15-tool", "--change-pin", "--pin", PIN, "--new-pin", NEW_PIN)
    assert card.now().pin.value == NEW_PIN
    for _ in range(3):
        assert card.run("pkcs15-tool", "--verify-pin", "--pin", PIN).returncode != 0
    assert card.now().pin.left == 0
    assert card.run("pkcs15-tool", "--verify-pin", "--pin", NEW_PIN).returncode != 0
    unblock = ["pkcs15-tool", "--unblock-pin", "--auth-id", "01", "--puk", "12345678"]
    card.says(*unblock, "--new-pin", PIN)
    assert (card.now().pin.value, card.now().pin.left) == (PIN, 3)


def test_an_administrator_writes_a_key_and_its_certificate(curve_card, lab):
    """piv-tool 0.23 with OpenSSL 3 has the card make the key, but cannot write it to a file: its
    exit status then says nothing, and the card's own state is what counts."""
    card, folder = curve_card, lab.node_dir(DESK)
    (folder / "9b").write_text(":".join(3 * [f"{n:02x}" for n in range(1, 9)]))
    admin = ["env", "PIV_EXT_AUTH_KEY=/run/lab/9b", "piv-tool", "--admin", "M:9B:03"]
    card.run(*admin, "--genkey", "9A:11", "--out", "/run/lab/public")
    made = card.now().keys[0x9A]
    assert public_template(made) != public_template(card.made.keys[0x9A])
    certificate = make_authority("Another name")[0]
    (folder / "pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    card.run(*admin, "--cert", "9A", "--in", "/run/lab/pem")
    pem = card.says("pkcs15-tool", "--read-certificate", "01")
    assert x509.load_pem_x509_certificate(pem.encode()) == certificate


def test_without_the_management_key_nothing_is_written(curve_card, lab):
    card, folder = curve_card, lab.node_dir(DESK)
    (folder / "9b").write_text(":".join(24 * ["00"]))
    admin = ["env", "PIV_EXT_AUTH_KEY=/run/lab/9b", "piv-tool", "--admin", "M:9B:03"]
    assert card.run(*admin, "--genkey", "9A:11", "--out", "/run/lab/public").returncode != 0
    assert public_template(card.now().keys[0x9A]) == public_template(card.made.keys[0x9A])
