"""launcherd's password checks: one short-lived process each, so that PAM blocks nobody else."""

import asyncio
import logging
import sys
from collections.abc import Callable, Collection
from pathlib import Path

HELPER = Path(__file__).resolve().parent.parent / "app" / "password_check.py"

MAX_CHECKS = 8
"""At a time; PAM takes some two seconds for a wrong password, so this is four tries a second."""

MAX_WAITING = 32
"""Beyond these, in the order in which they came: the last has its turn within eight seconds, while
hostd and the person still wait. Guesses from several terminals keep nobody else out for longer."""

CHECK_S = 20.0
"""Then the process is ended: a directory that does not answer must not collect them."""

MAX_ANSWER_BYTES = 256

RESULTS = ("right", "wrong", "expired", "refused", "down")

log = logging.getLogger("launcherd")

Told = Callable[[str, str], None]
"""The result, and the account's name as the system writes it."""


class PasswordChecks:
    """The checks under way."""

    def __init__(self, daemons: Collection[int]) -> None:
        uids = [str(uid) for uid in sorted(daemons)]
        self._command = (sys.executable, "-I", "-S", str(HELPER), *uids)
        self._tasks: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(MAX_CHECKS)

    def check(self, user: str, password: str, told: Told) -> None:
        """Asks PAM; `told` is called once, `down` at once if too many wait already."""
        if len(self._tasks) >= MAX_CHECKS + MAX_WAITING:
            log.warning("a password is not checked: %d checks are under way", len(self._tasks))
            told("down", "")
            return
        task = asyncio.get_running_loop().create_task(self._run(user, password, told))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, user: str, password: str, told: Told) -> None:
        result, name = "down", ""
        try:
            async with self._places:
                result, name = await self._ask(user, password)
        except (OSError, TimeoutError, ValueError) as error:
            log.error("a password could not be checked: %s", error or "PAM does not answer")
        told(result, name)

    async def _ask(self, user: str, password: str) -> tuple[str, str]:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*self._command, stdin=pipe, stdout=pipe)
        try:
            text = f"{user}\0{password}".encode()
            out, _ = await asyncio.wait_for(process.communicate(text), CHECK_S)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        result, _, name = out[:MAX_ANSWER_BYTES].decode("utf-8", "replace").strip().partition(" ")
        if result not in RESULTS:
            raise ValueError(f"the helper ended with status {process.returncode}")
        return result, name

    async def close(self) -> None:
        """Ends the checks that are under way."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
