"""PIV cards of a lab: made, and registered as an administrator would. Puts none into a reader."""

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from roamtools.card import piv_objects, tlv
from roamtools.card.piv_make import Order, clone, make_card
from roamtools.card.piv_state import PivState
from roamtools.lab.credentials import roamctl
from roamtools.lab.lab import Lab

PIN = "135792"
TRIES = 3


def make_piv(
    lab: Lab, name: str, user: str = "", kind: str = "p256", *, pin: str = PIN
) -> PivState:
    """A card of that key type in the file `name` in `lab.cards`; registered if it has a `user`.

    Every server of the lab learns of it, and those that are added later.
    """
    order = Order(user or name, {0x9E: kind, 0x9A: kind}, pin=pin, tries=TRIES)
    card = make_card(order, lab.cards / name)
    if user:
        _register(lab, card, user)
    return card


def clone_piv(lab: Lab, card: PivState, name: str) -> PivState:
    """A card with that one's certificates and other keys, in the file `name`."""
    return clone(card, lab.cards / name)


def _register(lab: Lab, card: PivState, user: str) -> None:
    pems = []
    for slot in (0x9E, 0x9A):
        pems.append(lab.directory / f"{slot:x}.pem")
        pems[-1].write_bytes(certificate(card, slot).public_bytes(Encoding.PEM))
    places = [lab.node_dir(server) / "state" for server in lab.servers()]
    for folder in [lab.directory / "credentials", *places]:
        roamctl(
            *("card", "add", "--certificate", pems[0], "--person-certificate", pems[1]),
            *("--user", user, "--registry", folder / "registry.sqlite"),
        )
    for pem in pems:
        Path(pem).unlink()


def certificate(card: PivState, slot: int) -> x509.Certificate:
    """The certificate that the card gives to everybody who asks for it."""
    return x509.load_der_x509_certificate(
        tlv.split(card.objects[piv_objects.CERTIFICATES[slot]])["70"]
    )
