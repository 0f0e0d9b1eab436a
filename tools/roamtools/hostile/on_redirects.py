"""Attacks with `cause=redirect` and its tickets: none, forged, and genuine ones in other hands.

A ticket that is taken spares the card its challenge, which is what these attacks are after: a claim
that is worth no more than any other gets a challenge. The positive control of all is the genuine
ticket, which gets a session without one.
"""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

from roamtools.hostile.attack import attack
from roamtools.hostile.controls import must
from roamtools.hostile.own_session import (
    SentAway,
    first_word,
    guest,
    is_in,
    other_server,
    sent_away,
)
from roamtools.hostile.peer import Peer
from roamtools.hostile.stage import EVIL_USER, GUESS, Stage
from roamwire import tickets
from roamwire.control import Cause, Challenge, Remove
from roamwire.proof import Proof
from sessionhost.adapters.keyfiles import load_secrets


def _claim(stage: Stage, peer: Peer, ticket: str, card: str = EVIL_USER) -> str:
    """What a card gets by that ticket, in words, if it is more than a challenge."""
    line = first_word(peer, stage.insert(card, cause=Cause.REDIRECT, ticket=ticket))
    peer.send(Remove(1))
    if is_in(line):
        return f"it is taken: {type(line).__name__.lower()} without the card; "
    must(isinstance(line, Challenge), f"a claim gets {line} and no challenge")
    return ""


def _refused_tickets(stage: Stage, server: str) -> int:
    return int(stage.status(server)["dropped"].get("ticket", 0))


@contextmanager
def _genuine(stage: Stage) -> Iterator[SentAway]:
    """A genuine ticket for the attack; it is shown afterwards that it was good."""
    with sent_away(stage) as sent:
        yield sent
        with stage.greeted(sent.home) as peer:
            must(_claim(stage, peer, sent.ticket), "the genuine ticket is refused as well")


@attack("redirect-with-a-forged-ticket")
def forged_ticket(stage: Stage) -> str:
    """A genuine ticket's fields, signed with a guess, not at all, or changed."""
    got = ""
    with _genuine(stage) as sent:
        ticket = tickets.verify(sent.ticket, load_secrets(stage.group))
        must(Proof.CARD in ticket.proofs, "the ticket says nothing of the card")
        body, _, tag = sent.ticket.rpartition("~")
        hops = tickets.issue(dataclasses.replace(ticket, hops=0), GUESS)
        forged = (
            tickets.issue(ticket, GUESS),
            f"{hops.rpartition('~')[0]}~{tag}",
            f"{body}~",
            f"{body}~{'0' * len(tag)}",
        )
        before = _refused_tickets(stage, sent.home)
        for number, text in enumerate(forged):
            with stage.greeted(sent.home) as peer:
                if _claim(stage, peer, text):
                    got += f"forged ticket {number} opens a session; "
        counted = _refused_tickets(stage, sent.home) - before
        must(got or counted == len(forged), f"{counted} of {len(forged)} tickets were looked at")
    return got


@attack("redirect-without-a-ticket")
def no_ticket(stage: Stage) -> str:
    """cause=redirect and nothing else: carol's card without its key, and bob's."""
    got = ""
    with _genuine(stage) as sent:
        for card in (EVIL_USER, "bob"):
            with stage.greeted(sent.home) as peer:
                got += _claim(stage, peer, "", card)
    return got


@attack("redirect-ticket-used-twice")
def used_twice(stage: Stage) -> str:
    """A genuine ticket that has opened a session, again: at the same connection and at another."""
    with sent_away(stage) as sent, stage.greeted(sent.home) as peer:
        must(_claim(stage, peer, sent.ticket), "the genuine ticket is refused")
        before = _refused_tickets(stage, sent.home)
        got = _claim(stage, peer, sent.ticket)
        with stage.greeted(sent.home) as again:
            got += _claim(stage, again, sent.ticket)
        counted = _refused_tickets(stage, sent.home) - before
        must(got or counted == 2, f"{counted} of 2 tickets were looked at")
    return got


@attack("redirect-ticket-at-another-server")
def another_server(stage: Stage) -> str:
    """A genuine ticket is shown to a server that it is not for."""
    with _genuine(stage) as sent, stage.greeted(other_server(sent.home)) as peer:
        return _claim(stage, peer, sent.ticket)


@attack("redirect-ticket-of-another-terminal")
def another_terminal(stage: Stage) -> str:
    """A genuine ticket is shown by another genuine terminal."""
    with _genuine(stage) as sent, guest(stage, "ticket-thief", sent.home) as peer:
        return _claim(stage, peer, sent.ticket)


@attack("redirect-ticket-for-another-card")
def another_card(stage: Stage) -> str:
    """A genuine ticket of carol's card with bob's card."""
    with _genuine(stage) as sent, stage.greeted(sent.home) as peer:
        return _claim(stage, peer, sent.ticket, "bob")
