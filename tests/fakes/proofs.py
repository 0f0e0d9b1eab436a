"""A server that knows a card, and desks that prove or do not: what tests of proofs share."""

from fakes.lan import Site
from roamtools.sim.cards import SimCard
from roamwire.control import (
    Connect,
    Notice,
)
from sessionhost.core.actions import (
    PasswordResult,
    Report,
)
from sessionhost.core.policy import Policy
from sessionhost.core.registration import Registration

CARD, COPY, OTHER = SimCard.with_key(1), SimCard.with_key(1, forged=True), SimCard.with_key(2)
RIGHT = PasswordResult.RIGHT
PLAIN, WITH_PIN = Policy(), Policy(piv_proof="pin")


def site_of(*names, policy=PLAIN, **registered):
    """Servers that know CARD as alice's."""
    site = Site(*names or ("s1",), policy=policy)
    site.registry[CARD.token] = Registration("alice", True, **registered)
    site.passwords["alice", "secret"] = RIGHT
    site.run(1.0)
    return site


def codes(desk):
    return [line.code for line in desk.told(Notice)]


def shown(desk):
    desk.site.run(1.0)
    return [line.session for line in desk.told(Connect)]


def reports(site):
    return "\n".join(action.text for action in site.actions(Report))


def keepalive(desk, seconds):
    """Time passes; the terminal goes on living."""
    site = desk.site
    for _ in range(int(seconds)):
        site.run(1.0)
        desk.say_bytes(b"keepalive n=1")


def redirected(policy=PLAIN, **registered):
    """A session of CARD on s2 that nobody shows, and a desk at s1 that is sent there."""
    site = site_of("s1", "s2", policy=policy, **registered)
    site.core("s1").group.standing.drain = True
    owner, desk = site.desk("s2"), site.desk("s1")
    owner.insert(CARD.token)
    owner.sign(CARD)
    return site, owner, desk
