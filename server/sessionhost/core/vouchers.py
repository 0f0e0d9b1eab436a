"""Short-lived notes of a server: nonces it gave out, whom it sent away, places it reserved."""

import random
from collections import Counter, OrderedDict
from collections.abc import Callable

from roamwire.errors import RemoteProtocolError
from roamwire.signing import GroupSecrets
from roamwire.tickets import RedirectTicket, verify
from sessionhost.core.registration import Owner
from sessionhost.core.timing import NONCE_S, PLACED_S, RESERVATION_S

MAX_NONCES = 4096
"""Nonces open at a time; each tokenQ takes one for 10 s, so this is 400 inserts a second."""

MAX_PLACED = 1024
"""Tokens sent away in the last seconds."""


class Vouchers:
    """Bounded tables whose entries end by time."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._nonces: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._homes: OrderedDict[Owner, tuple[str, float]] = OrderedDict()

    def issue(self, digest: str, now: float) -> str:
        """A nonce under which a redirect of that token to this host is accepted once."""
        nonce = f"{self._rng.getrandbits(96):024x}"
        self._nonces[nonce] = (digest, now + NONCE_S)
        if len(self._nonces) > MAX_NONCES:
            self._nonces.popitem(last=False)
        return nonce

    def redeem(self, nonce: str, digest: str, now: float) -> bool:
        """Whether the nonce is ours, for that token, in time and not yet used; it is used now."""
        wanted, until = self._nonces.pop(nonce, ("", 0.0))
        return wanted == digest and now < until

    def redeem_ticket(
        self,
        text: str,
        owner: Callable[[RedirectTicket], Owner],
        secrets: GroupSecrets,
        *,
        dtu: str,
        host: str,
        now: float,
    ) -> RedirectTicket:
        """The redirect ticket of an insert, used up; RemoteProtocolError if it is not for this.

        `owner` is whose sessions the insert may have, given what the ticket says of it.
        """
        ticket = verify(text, secrets)
        if ticket.dtu != dtu or ticket.target != host:
            raise RemoteProtocolError("ticket", f"for {ticket.dtu} at {ticket.target}")
        meant = owner(ticket)
        if ticket.token not in secrets.owner_digests(meant.token, meant.user):
            raise RemoteProtocolError("ticket", "for another token")
        if not self.redeem(ticket.nonce, ticket.token, now):
            raise RemoteProtocolError("ticket", "used before, or too old")
        return ticket

    def placed(self, owner: Owner, host: str, now: float) -> None:
        """The owner's token has just been sent to that host."""
        self._homes[owner] = (host, now)
        self._homes.move_to_end(owner)
        if len(self._homes) > MAX_PLACED:
            self._homes.popitem(last=False)

    def forget_home(self, owner: Owner) -> None:
        """The token has come back: it is here now."""
        self._homes.pop(owner, None)

    def home(self, owner: Owner, now: float) -> str:
        """Where the token was sent a moment ago, or ""."""
        host, since = self._homes.get(owner, ("", 0.0))
        return host if host and now - since < PLACED_S else ""

    def placed_owners(self) -> list[Owner]:
        """Whose tokens were sent away."""
        return list(self._homes)

    def reserved(self, now: float) -> dict[str, int]:
        """Placements per host that its own figures may not show yet."""
        recent = [host for host, since in self._homes.values() if now - since < RESERVATION_S]
        return Counter(recent)
