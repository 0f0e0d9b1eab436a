"""What the core asks about a token: registry, card's signature, password. Decides nothing.

Each errand takes a while, and its answer goes back into the core; none blocks the event loop.
"""

import asyncio
import datetime
import logging
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from roamwire.tokens import Token
from sessionhost.adapters.card_authorities import FOLDER, CardAuthorities
from sessionhost.adapters.card_verify import verify
from sessionhost.adapters.launcher_client import LauncherClient
from sessionhost.adapters.registry_sqlite import SqliteRegistry
from sessionhost.app.config import ServerConfig
from sessionhost.core import actions
from sessionhost.core.policy import Policy
from sessionhost.core.replies import PasswordChecked, Registered, Verified
from sessionhost.core.server import ServerCore

MAX_SEEN = 1000
"""Tokens whose last use waits to be noted: more than are put in between two flushes."""

_LOG = logging.getLogger("hostd")

Keep = Callable[[Coroutine[Any, Any, None]], None]


class Errands:
    """Carries out the core's questions about tokens."""

    def __init__(
        self,
        config: ServerConfig,
        policy: Policy,
        registry: SqliteRegistry,
        launcher: LauncherClient,
        keep: Keep,
    ) -> None:
        self._registry = registry
        self._launcher = launcher
        self._keep = keep
        self._authorities_dir = config.group_dir / FOLDER
        self.follow(policy)
        # One thread: hostile certificates cost time one after the other, and not the loop's.
        self._cards = ThreadPoolExecutor(max_workers=1, thread_name_prefix="cards")
        self._seen: dict[Token, tuple[int, str]] = {}

    def follow(self, policy: Policy) -> None:
        """Judges chained cards by this policy; a card that is being judged is so by the last."""
        self._authorities = CardAuthorities(
            self._authorities_dir, need_list=policy.chained_crl, clock=time.monotonic
        )

    def begin(self, action: actions.Action, core: ServerCore, pump: Callable[[], None]) -> bool:
        """Starts an errand if the action is one."""
        match action:
            case actions.Lookup():
                self._keep(self._lookup(action, core, pump))
            case actions.Verify():
                self._keep(self._verify(action, core, pump))
            case actions.CheckPassword():
                self._keep(self._check_password(action, core, pump))
            case actions.Register():
                self._keep(self._register(action, core, pump))
            case actions.Noticed():
                if len(self._seen) < MAX_SEEN:
                    self._seen[action.token] = (_wall_ms(), action.dtu)
            case _:
                return False
        return True

    async def flush(self) -> None:
        """Notes in the registry when tokens were last used."""
        seen, self._seen = self._seen, {}
        if seen:
            await self._registry.note_seen_async(seen)

    def close(self) -> None:
        """Ends the thread."""
        self._cards.shutdown(wait=True, cancel_futures=True)

    async def _lookup(
        self, action: actions.Lookup, core: ServerCore, pump: Callable[[], None]
    ) -> None:
        found = await self._registry.lookup_async(action.token)
        core.looked_up(
            action.link,
            action.seq,
            found,
            time.monotonic(),
            failed=bool(self._registry.trouble),
            reader=self._registry.is_reader(action.dtu),
        )
        pump()

    async def _verify(
        self, action: actions.Verify, core: ServerCore, pump: Callable[[], None]
    ) -> None:
        now = datetime.datetime.now(datetime.UTC)
        loop = asyncio.get_running_loop()
        facts = await loop.run_in_executor(self._cards, verify, action, self._authorities, now)
        core.replied(action.link, Verified(action.data, facts), time.monotonic())
        pump()

    async def _check_password(
        self, action: actions.CheckPassword, core: ServerCore, pump: Callable[[], None]
    ) -> None:
        seen = await self._launcher.check_password(action.number, action.user, action.password)
        try:
            result = actions.PasswordResult(seen.result)
        except ValueError:
            _LOG.error("launcherd is of another version: it says %.40r of a password", seen.result)
            result = actions.PasswordResult.DOWN
        right = result is actions.PasswordResult.RIGHT
        # The account's name as the system writes it: one person is one user, however they type it.
        user = seen.user if right else action.user
        reply = PasswordChecked(action.number, user, result)
        core.replied(action.link, reply, time.monotonic())
        pump()

    async def _register(
        self, action: actions.Register, core: ServerCore, pump: Callable[[], None]
    ) -> None:
        problem = await self._registry.register_async(action, _wall_ms())
        core.replied(action.link, Registered(action.seq, problem), time.monotonic())
        pump()


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
