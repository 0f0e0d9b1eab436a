"""What an insert leads to: the patent's steps 911-922 as one pure decision. Sends nothing.

    911 insert arrives          912 is it a redirect?      913 is there a session here?
    914 connect to it           915 make a new one         916 who else can the DTU reach?
    917 ask them                918 their answers          919 does anyone have a session?
    920 the most recent one     921 is it ours?            922 redirect

Where the patent makes every new session on the asked server (919 -> 915), we place it on the least
loaded one, by a redirect to a server without a session, which goes through 912, 913, 915 there.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from roamwire.datagrams import Claim
from roamwire.tickets import MAX_HOPS
from sessionhost.core.placement import Candidate, place
from sessionhost.core.questions import Answer


@dataclass(frozen=True)
class ConnectHere:
    """Step 914: this session of ours."""

    session: str


@dataclass(frozen=True)
class CreateHere:
    """Step 915: a new session on this server."""

    why: str


@dataclass(frozen=True)
class RedirectTo:
    """Step 922, also for placement: `answer` has the address and the target's nonce.

    `session` is the one that the target said it has, "" for placement.
    """

    answer: Answer
    why: str
    session: str = ""


@dataclass(frozen=True)
class AskAgain:
    """Another server is deciding on the same token and goes first."""

    host: str


Decision = ConnectHere | CreateHere | RedirectTo | AskAgain


@dataclass(frozen=True)
class Here:
    """This server as a candidate: its own sessions of the token and its own load.

    `home` is where it has just sent the token: an ordinary insert must not be placed anew.
    """

    candidate: Candidate
    claims: tuple[Claim, ...] = ()
    home: str = ""


def decide_redirected(here: Here, session: str = "") -> Decision:
    """Steps 912 yes, 913, 914 or 915: a valid redirect ceases the search.

    `session` is the one that the ticket names: a person may have chosen an older one.
    """
    if session in (claim.session for claim in here.claims):
        return ConnectHere(session)
    newest = _newest(here.claims)
    return CreateHere("redirected here") if newest is None else ConnectHere(newest.session)


def decide(
    here: Here,
    answers: Sequence[Answer],
    *,
    hops: int,
    rounds_left: int,
    lost: str,
    reserved: dict[str, int],
    rng: random.Random,
) -> Decision:
    """Steps 918-922 from the answers; `lost` is never a target, `hops` redirections lie behind.

    `reserved` counts placements by host that their load cannot show yet.
    """
    me = here.candidate.host
    reachable = [a for a in answers if a.address is not None and a.nonce and a.host != lost]
    own = _newest(here.claims)
    if hops >= MAX_HOPS:
        return CreateHere("too many hops") if own is None else ConnectHere(own.session)
    best = _most_recent(reachable)
    if best is not None and (own is None or _claim_order(best[1]) < _claim_order(own)):
        return RedirectTo(best[0], f"has session {best[1].session}", best[1].session)
    if own is not None:
        return ConnectHere(own.session)
    by_name = {answer.host: answer for answer in reachable}
    homes = [(answer.host, answer.home) for answer in answers]
    if hops == 0:
        homes.insert(0, (me, here.home))
    for host, home in homes:
        if home in by_name:
            return RedirectTo(by_name[home], f"{host} has just sent the token there")
    first = min((a.host for a in answers if a.pending and not a.home), default=me)
    if first < me and rounds_left > 0:
        return AskAgain(first)
    return _place(here, reachable, reserved, rng)


def _place(
    here: Here, reachable: Sequence[Answer], reserved: dict[str, int], rng: random.Random
) -> Decision:
    me = here.candidate.host
    candidates = [here.candidate]
    for a in reachable:
        waiting = reserved.get(a.host, 0)
        candidates.append(Candidate(a.host, a.cpus, a.load, a.sessions, waiting, a.drain))
    chosen = place(candidates, rng)
    if chosen is None or chosen.host == me:
        return CreateHere("least loaded" if chosen else "all servers are draining")
    target = next(answer for answer in reachable if answer.host == chosen.host)
    return RedirectTo(target, f"least loaded ({chosen.score:.2f})")


def _claim_order(claim: Claim) -> tuple[int, int, str]:
    """Most recent first: by age of the last connection, then by epoch."""
    return claim.age, -claim.epoch, claim.session


def _newest(claims: Sequence[Claim]) -> Claim | None:
    return min(claims, key=_claim_order, default=None)


def _most_recent(answers: Sequence[Answer]) -> tuple[Answer, Claim] | None:
    """Step 920 over the other servers."""
    found = [(answer, claim) for answer in answers for claim in answer.claims]
    return min(found, key=lambda pair: (_claim_order(pair[1]), pair[0].host), default=None)
