"""The group's policy as a table: what a token must prove, and who may. Judges nothing itself."""

import enum
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from roamwire.settings import Setting, SettingsError, SettingsTable, Value
from roamwire.tokens import Token
from sessionhost.core.enrolment import Mode
from sessionhost.core.hours import hours_problem

HASH_DIGITS = 16


class Who(enum.Enum):
    """Whose token of a kind opens a session."""

    OFF = "off"
    REGISTERED = "registered"
    SELF = "self"
    KIOSK = "kiosk"
    CHAINED = "chained"


class Extra(enum.Enum):
    """What a person shows besides the token when a session is opened."""

    NONE = "none"
    PASSWORD = "password"
    PIN = "pin"


_USER = re.compile(r"(?:[a-z_][a-z0-9_.-]{0,31})?\Z")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}\Z")
_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?\Z")


def is_user_name(text: str) -> bool:
    """Whether a text that a certificate holds can be a person's account: directories have capitals
    and numbers in theirs, no spaces, signs or lines."""
    return _NAME.match(text) is not None


def _user(text: str) -> str | None:
    return None if _USER.match(text) else f"is not a Unix user's name: {text!r:.80}"


def _domain(text: str) -> str | None:
    return None if _DOMAIN.match(text) else f"is not a domain: {text!r:.80}"


def _who(kind: str, words: str, *more: str) -> Setting:
    choices = ("off", "registered", "self", "kiosk", *more)
    return Setting(kind, "choice", "registered", words, choices=choices)


def _hours(kind: str) -> Setting:
    words = f"when {kind} opens a session ('mon-fri 07:00-19:00'); empty: always"
    return Setting(f"{kind}_hours", "text", "", words, check=hours_problem)


SETTINGS = SettingsTable(
    (
        _who(
            "piv",
            "cards that prove themselves: off, registered, self (their owner registers them by "
            "name and password), kiosk (any), chained (of a CA in piv_cas, or registered)",
            "chained",
        ),
        _who("uid", "card numbers, which can be copied: off, registered, self, kiosk"),
        _who("pseudo", "terminals without a card: off, registered, self, kiosk"),
        Setting(
            "piv_proof",
            "choice",
            "9e",
            "9e: the card signs; pin: and then its key 9A, for which the card wants its PIN",
            choices=("9e", "pin"),
        ),
        Setting(
            "piv_dates",
            "flag",
            True,
            "refuse registered cards whose certificate is outside its dates by the server's clock",
        ),
        Setting(
            "chained_user",
            "choice",
            "upn",
            "the name in a chained card's certificate that is its user's",
            choices=("upn", "email", "cn"),
        ),
        Setting(
            "chained_domains",
            "list",
            (),
            "domains that are cut off such a name; a name of another domain opens nothing",
            check=_domain,
        ),
        Setting(
            "chained_crl",
            "flag",
            True,
            "refuse chained cards whose CA has no valid revocation list in piv_cas",
        ),
        Setting("login", "flag", False, "let people sign in by name and password without a card"),
        Setting("kiosk_user", "text", "", "whose session a kiosk token opens", check=_user),
        Setting(
            "after_hotdesk",
            "choice",
            "none",
            "what a person shows besides the card when a session is opened or comes back",
            choices=("none", "password", "pin"),
        ),
        Setting(
            "grace_s",
            "whole",
            0,
            "seconds after the card was pulled in which it is not shown again",
            highest=86400,
        ),
        Setting("lock_on_removal", "flag", False, "no grace: a pulled card has always to show it"),
        Setting(
            "user_tries",
            "whole",
            5,
            "wrong passwords of a user in 15 minutes, from all desks where the user has not been, "
            "before such desks have to wait; each server counts by itself: a directory's own lock "
            "should need more than this times the number of servers",
            lowest=1,
            highest=100,
        ),
        Setting(
            "enrolment",
            "choice",
            Mode.APPROVE.value,
            "terminals without a certificate: 'open' lets all in, 'approve' waits for a person, "
            "'preregistered' wants a code",
            choices=tuple(mode.value for mode in Mode),
        ),
        _hours("piv"),
        _hours("uid"),
        _hours("pseudo"),
        _hours("login"),
    )
)


@dataclass(frozen=True)
class Policy:
    """What is in force; the names are those of the table."""

    piv: Who = Who.REGISTERED
    uid: Who = Who.REGISTERED
    pseudo: Who = Who.REGISTERED
    piv_proof: str = "9e"
    piv_dates: bool = True
    chained_user: str = "upn"
    chained_domains: tuple[str, ...] = ()
    chained_crl: bool = True
    login: bool = False
    kiosk_user: str = ""
    after_hotdesk: Extra = Extra.NONE
    grace_s: int = 0
    lock_on_removal: bool = False
    user_tries: int = 5
    enrolment: Mode = Mode.APPROVE
    piv_hours: str = ""
    uid_hours: str = ""
    pseudo_hours: str = ""
    login_hours: str = ""

    def who(self, token: Token) -> Who:
        """Whose tokens of that kind open a session."""
        found = {"piv": self.piv, "uid": self.uid, "pseudo": self.pseudo}
        return found.get(token.kind, Who.OFF)

    def hours(self, token: Token) -> str:
        """When tokens of that kind do."""
        found = {"piv": self.piv_hours, "uid": self.uid_hours, "pseudo": self.pseudo_hours}
        return found.get(token.kind, "")

    @property
    def wants_pin(self) -> bool:
        """Whether a card's key 9A is ever asked for."""
        return self.piv_proof == "pin" or self.after_hotdesk is Extra.PIN


assert tuple(field.name for field in fields(Policy)) == SETTINGS.names


def policy_of(values: Mapping[str, Value], source: str) -> Policy:
    """The policy of a table's values; SettingsError if two of them do not fit together."""
    typed: dict[str, Any] = dict(values)
    for kind in ("piv", "uid", "pseudo"):
        typed[kind] = Who(values[kind])
    typed["after_hotdesk"] = Extra(values["after_hotdesk"])
    typed["enrolment"] = Mode(values["enrolment"])
    policy = Policy(**typed)
    kiosk = Who.KIOSK in (policy.piv, policy.uid, policy.pseudo)
    if kiosk and not policy.kiosk_user:
        raise SettingsError(f"{source}: a kiosk needs 'kiosk_user', whose session it opens")
    if policy.after_hotdesk is Extra.NONE and (policy.grace_s or policy.lock_on_removal):
        raise SettingsError(
            f"{source}: 'grace_s' and 'lock_on_removal' do nothing without 'after_hotdesk': say "
            "there what a person shows when the card comes back"
        )
    names_with_domains = policy.piv is Who.CHAINED and policy.chained_user != "cn"
    if names_with_domains and not policy.chained_domains:
        raise SettingsError(
            f"{source}: 'chained_domains' must name the domains whose users are yours: a CA may "
            "sign cards of other organisations too"
        )
    return policy


def policy_hash(values: Mapping[str, Value], authorities: Iterable[str] = ()) -> str:
    """16 hex digits over what differs from the defaults, and the card CAs' fingerprints.

    A setting that only a newer version knows does not count while it holds its default.
    """
    defaults = SETTINGS.defaults()
    lines = [
        f"{name}={values[name]!r}" for name in sorted(values) if values[name] != defaults[name]
    ]
    lines += [f"ca={each}" for each in sorted(authorities)]
    return hashlib.sha256("\n".join(lines).encode("utf-8")).hexdigest()[:HASH_DIGITS]
