"""Who has to wait before the next try: back-off after failures, and a pace for inserts. No clock.

Failures are counted a token at a terminal, a user at a terminal, and a terminal: there only the
first of each token or name, so that one person's slips are not the next one's wait, while guesses
over many names are. Wrong passwords are counted a user as well, because PAM's own lock would
otherwise shut that user out everywhere. Neither count of others stops a user at a terminal at which
they have been. With a card that has signed as its user's nothing counts but the passwords that were
typed with that very card, wherever it was.

A password counts as wrong from the moment when PAM is asked, and no more when PAM says otherwise:
many at a time are no way round.
"""

from collections import OrderedDict
from dataclasses import dataclass

from roamwire.tokens import Token
from sessionhost.core import timing
from sessionhost.core.actions import PasswordResult
from sessionhost.core.reasons import Reason

MAX_KEYS = 8192
"""Of one table: 2000 terminals with four things under trial at each; the oldest goes first."""

MAX_HOMES = 20_000
"""User and terminal pairs that are remembered: ten a terminal."""

FREE_TRIES = 4
"""Failures in a row that cost nothing: a person mistypes, or has put in the wrong badge."""

SPARE_TRIES = 8
"""So many more of a user's tries are known than count: some turn out to be none."""

INSERTS_AT_ONCE = 20
"""A card that bounces makes some five inserts; a terminal that loses servers one each."""


@dataclass
class _Failures:
    number: int
    last: float
    until: float
    before: "_Failures | None" = None


class Backoff:
    """Failures by key: after FREE_TRIES each next one doubles the wait; time forgets them."""

    def __init__(self) -> None:
        self._failures: OrderedDict[tuple[str, ...], _Failures] = OrderedDict()

    def wait_s(self, *key: str, now: float) -> float:
        """Seconds until this may be tried again; 0 if it may now."""
        found = self._failures.get(key)
        return max(0.0, found.until - now) if found is not None else 0.0

    def failed(self, *key: str, now: float) -> None:
        """One more failure."""
        number = self.number(*key, now=now) + 1
        beyond = number - FREE_TRIES
        wait = (
            min(timing.MAX_BACKOFF_S, timing.BACKOFF_S * 2.0 ** (beyond - 1)) if beyond > 0 else 0
        )
        if (before := self._failures.get(key)) is not None:
            before.before = None
        self._failures[key] = _Failures(number, now, now + wait, before)
        self._failures.move_to_end(key)
        if len(self._failures) > MAX_KEYS:
            self._failures.popitem(last=False)

    def number(self, *key: str, now: float) -> int:
        """Failures that are not forgotten yet: one is, each FORGET_FAILURE_S."""
        found = self._failures.get(key)
        if found is None:
            return 0
        return max(0, found.number - int((now - found.last) / timing.FORGET_FAILURE_S))

    def take_back(self, *key: str) -> None:
        """The last failure was none: all is as before it."""
        found = self._failures.pop(key, None)
        if found is not None and found.before is not None:
            self._failures[key] = found.before

    def succeeded(self, *key: str) -> None:
        """All is forgotten."""
        self._failures.pop(key, None)


@dataclass(frozen=True)
class _Check:
    """A password on its way to PAM; `counted` are the failures that it is taken for."""

    user: str
    dtu: str
    at: float
    counted: tuple[tuple[str, ...], ...]


class Throttle:
    """All limits of one server."""

    def __init__(self, user_tries: int) -> None:
        self.user_tries = user_tries
        self._guesses = Backoff()
        self._users: OrderedDict[str, list[float]] = OrderedDict()
        self._homes: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._paces: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._checks: dict[int, _Check] = {}

    # Inserts

    def insert_wait_s(self, token: Token, dtu: str, now: float) -> float:
        """Before an insert is looked at. Nobody can guess what a card signs, so that guesses never
        stop a card that proves itself; the desk's own token is no guess either."""
        waits = [self._pace_wait_s(dtu, now)]
        if token.kind != "piv" and token != Token("pseudo", dtu):
            waits.append(self._guesses.wait_s("token", str(token), dtu, now=now))
            waits.append(self._guesses.wait_s("dtu", dtu, now=now))
        return max(waits)

    def _pace_wait_s(self, dtu: str, now: float) -> float:
        """A bucket of INSERTS_AT_ONCE that fills again; each insert takes one."""
        level, since = self._paces.get(dtu, (0.0, now))
        level = max(0.0, level - (now - since) / timing.INSERT_PACE_S)
        allowed = level + 1 <= INSERTS_AT_ONCE
        self._paces[dtu] = (level + allowed, now)
        self._paces.move_to_end(dtu)
        if len(self._paces) > MAX_KEYS:
            self._paces.popitem(last=False)
        return 0.0 if allowed else timing.INSERT_PACE_S

    def refused(self, token: Token, dtu: str, reason: Reason, now: float) -> None:
        """A token was refused; guesses make the next ones slower. The same one again is no guess
        at others."""
        if not reason.guess or token.kind == "piv":
            return
        if not self._guesses.number("token", str(token), dtu, now=now):
            self._guesses.failed("dtu", dtu, now=now)
        self._guesses.failed("token", str(token), dtu, now=now)

    def admitted(self, user: str, dtu: str) -> None:
        """The user has proven to be there."""
        home = (_plain(user), dtu)
        self._homes[home] = None
        self._homes.move_to_end(home)
        if len(self._homes) > MAX_HOMES:
            self._homes.popitem(last=False)

    # Passwords

    def password_wait_s(
        self, user: str, dtu: str, now: float, signed: Token | None = None
    ) -> float:
        """Before PAM is asked: it may lock the user everywhere after a few wrong ones.

        `signed`: the user's own card, which has proven to be there.
        """
        user = _plain(user)
        if signed is not None:
            return self._guesses.wait_s("card", str(signed), now=now)
        own = self._guesses.wait_s("user", user, dtu, now=now)
        if (user, dtu) in self._homes:
            return own
        waits = [own, self._guesses.wait_s("dtu", dtu, now=now)]
        recent = self._recent(user, now)
        if len(recent) >= self.user_tries:
            waits.append(recent[-self.user_tries] + timing.USER_TRIES_S - now)
        return max(waits)

    def _recent(self, user: str, now: float) -> list[float]:
        return [at for at in self._users.get(user, []) if now - at < timing.USER_TRIES_S]

    def check_wait_s(self, dtu: str, now: float) -> float:
        """Before another password of a terminal goes to PAM: it has one under way."""
        last = max((each.at for each in self._checks.values() if each.dtu == dtu), default=None)
        if last is None or now - last >= timing.PASSWORD_CHECK_S:
            return 0.0
        return timing.CHECK_AGAIN_S

    def begin_check(
        self, number: int, user: str, dtu: str, now: float, signed: Token | None = None
    ) -> None:
        """PAM is asked; `number` is that of the question, for `end_check`."""
        user = _plain(user)
        counted: list[tuple[str, ...]] = [("card", str(signed))]
        if signed is None:
            counted = [("user", user, dtu)]
            if not self._guesses.number("user", user, dtu, now=now):
                counted.append(("dtu", dtu))
        for key in counted:
            self._guesses.failed(*key, now=now)
        if (user, dtu) not in self._homes:
            self._users[user] = [*self._recent(user, now), now][-self.user_tries - SPARE_TRIES :]
            self._users.move_to_end(user)
            if len(self._users) > MAX_KEYS:
                self._users.popitem(last=False)
        self._checks[number] = _Check(user, dtu, now, tuple(counted))

    def end_check(self, number: int, result: PasswordResult) -> str:
        """PAM has answered, whether anybody still waits for it or not; the terminal it is about."""
        check = self._checks.pop(number, None)
        if check is None:
            return ""
        if result is not PasswordResult.WRONG:
            for key in check.counted:
                self._guesses.take_back(*key)
            if check.at in (tries := self._users.get(check.user, [])):
                tries.remove(check.at)
        if result is PasswordResult.RIGHT:
            self._guesses.succeeded(*check.counted[0])
        return check.dtu


def _plain(user: str) -> str:
    """A user's name without its domain and case: directories take it in several forms."""
    return user.rpartition("\\")[2].partition("@")[0].casefold()
