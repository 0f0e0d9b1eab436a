"""Answers to the core's questions that take a while: values that the program brings back."""

from dataclasses import dataclass

from sessionhost.core.actions import PasswordResult
from sessionhost.core.cards import CardFacts


@dataclass(frozen=True)
class Verified:
    """To `Verify`: what the signature and the certificate are worth; `data` is the challenge's."""

    data: str
    facts: CardFacts


@dataclass(frozen=True)
class PasswordChecked:
    """To `CheckPassword`: what PAM says."""

    number: int
    user: str
    result: PasswordResult


@dataclass(frozen=True)
class Registered:
    """To `Register`: it is on the disk; or `problem` says in words why it is not."""

    seq: int
    problem: str = ""


Reply = Verified | PasswordChecked | Registered
