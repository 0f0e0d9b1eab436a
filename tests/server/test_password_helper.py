"""launcherd's password checks with a PAM that takes its time; no process is started."""

import asyncio

import pytest

from sessionhost.adapters.password_helper import MAX_CHECKS, MAX_WAITING, PasswordChecks


class SlowPam(PasswordChecks):
    """Answers when the test says so."""

    def __init__(self):
        super().__init__(())
        self.asked = []
        self.answer = asyncio.Event()

    async def _ask(self, user, password):
        self.asked.append(user)
        await self.answer.wait()
        return ("right" if password == "right" else "wrong"), user


def run(scenario):
    async def whole():
        checks, told = SlowPam(), {}

        def check(user, password):
            checks.check(user, password, lambda result, _name: told.setdefault(user, result))

        await scenario(checks, check, told)
        await checks.close()

    asyncio.run(whole())


async def turns():
    for _ in range(10):
        await asyncio.sleep(0)


def test_who_comes_after_a_crowd_of_guesses_is_heard_in_turn():
    async def scenario(checks, check, told):
        for number in range(2 * MAX_CHECKS):
            check(f"guess{number}", "guess")
        check("alice", "right")
        await turns()
        assert len(checks.asked) == MAX_CHECKS
        assert told == {}
        checks.answer.set()
        await turns()
        assert checks.asked[-1] == "alice"
        assert told.pop("alice") == "right"
        assert set(told.values()) == {"wrong"}

    run(scenario)


def test_not_more_wait_than_have_their_turn_in_time():
    async def scenario(checks, check, told):
        for number in range(MAX_CHECKS + MAX_WAITING):
            check(f"guess{number}", "guess")
        assert told == {}
        check("alice", "right")
        assert told == {"alice": "down"}
        checks.answer.set()
        await turns()
        check("bob", "right")
        await turns()
        assert told["bob"] == "right"

    run(scenario)


@pytest.mark.parametrize("after", [0, MAX_CHECKS])
def test_a_check_that_fails_gives_its_place_back(after):
    async def scenario(checks, check, told):
        async def broken(user, password):
            raise OSError("no process")

        ask, checks._ask = checks._ask, broken
        for number in range(after):
            check(f"guess{number}", "guess")
        await turns()
        assert list(told.values()) == ["down"] * after
        checks._ask = ask
        checks.answer.set()
        check("alice", "right")
        await turns()
        assert told["alice"] == "right"

    run(scenario)
