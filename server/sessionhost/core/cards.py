"""What a card has shown, as values: its certificate's facts, and whose card that makes it.

Reading certificates and verifying signatures is not here.
"""

from dataclasses import dataclass

from sessionhost.core.policy import Policy, is_user_name
from sessionhost.core.reasons import Reason
from sessionhost.core.registration import Registration


@dataclass(frozen=True)
class CardFacts:
    """One certificate and the signature that came with it.

    `problem`: why they prove nothing, None if the signature is of the certificate's key.
    `key`: the hash that names that key. `chain`: why the certificate does not lead to a CA of the
    group's, None if it does. `card`: the card's own number in the certificate (SAN `urn:uuid`).
    """

    problem: Reason | None
    key: str = ""
    dates_hold: bool = False
    chain: Reason | None = Reason.UNKNOWN_ISSUER
    subject: str = ""
    issuer: str = ""
    card: str = ""
    upn: str = ""
    email: str = ""
    common_name: str = ""


def chained_user(policy: Policy, facts: CardFacts | None) -> str:
    """The user that a chained certificate names; "" if none that the policy knows, or if that is
    not the name of an account."""
    if facts is None or facts.chain is not None:
        return ""
    if policy.chained_user == "cn":
        return facts.common_name if is_user_name(facts.common_name) else ""
    name = facts.upn if policy.chained_user == "upn" else facts.email
    user, at, domain = name.rpartition("@")
    known = {each.lower() for each in policy.chained_domains}
    return user if at and domain.lower() in known and is_user_name(user) else ""


def same_card(
    registration: Registration | None, card: CardFacts | None, person: CardFacts
) -> Reason | None:
    """Why a certificate of key 9A is not of the card that key 9E has proven; None if it is.

    Its key was registered with the card; or both certificates are of one CA that we trust, and name
    the same subject or the same card. What its CA has revoked is of no use either way.
    """
    if person.chain is Reason.REVOKED:
        return person.chain
    if registration is not None and registration.person_key:
        return None if registration.person_key == person.key else Reason.OTHER_CARDS_KEY
    if person.chain is not None:
        return person.chain
    if card is None or card.chain is not None or card.issuer != person.issuer:
        return Reason.OTHER_CARDS_KEY
    same = card.subject == person.subject or (card.card and card.card == person.card)
    return None if same else Reason.OTHER_CARDS_KEY
