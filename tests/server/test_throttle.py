"""Limits: what a guess costs whom, and that nobody is stopped by what others do elsewhere."""

import itertools

import pytest

from roamwire.tokens import Token
from sessionhost.core import throttle
from sessionhost.core.actions import PasswordResult
from sessionhost.core.reasons import Reason
from sessionhost.core.throttle import FREE_TRIES, INSERTS_AT_ONCE, Backoff, Throttle
from sessionhost.core.timing import (
    BACKOFF_S,
    CHECK_AGAIN_S,
    FORGET_FAILURE_S,
    INSERT_PACE_S,
    MAX_BACKOFF_S,
    PASSWORD_CHECK_S,
    USER_TRIES_S,
)

ALICE = Token("uid", "04a1")
CARD = Token("piv", "ab" * 20)


def guess(limits, number, dtu="desk1", now=0.0):
    limits.refused(Token("uid", f"{number:04x}"), dtu, Reason.NOT_REGISTERED, now)


NUMBERS = itertools.count(1)


def checked(limits, result, user, dtu, now=0.0, signed=None):
    number = next(NUMBERS)
    limits.begin_check(number, user, dtu, now, signed)
    assert limits.end_check(number, result) == dtu


def wrong(limits, *check):
    checked(limits, PasswordResult.WRONG, *check)


def right(limits, *check):
    checked(limits, PasswordResult.RIGHT, *check)


def test_the_wait_doubles_up_to_its_end():
    waits, backoff, now = [], Backoff(), 0.0
    for _ in range(FREE_TRIES + 12):
        backoff.failed("a", now=now)
        waits.append(backoff.wait_s("a", now=now))
    assert waits[:FREE_TRIES] == [0] * FREE_TRIES
    assert waits[FREE_TRIES : FREE_TRIES + 3] == [BACKOFF_S, 2 * BACKOFF_S, 4 * BACKOFF_S]
    assert waits[-1] == MAX_BACKOFF_S
    assert backoff.wait_s("b", now=now) == 0
    assert backoff.wait_s("a", now=now + MAX_BACKOFF_S) == 0


def test_time_forgets_failures_one_by_one():
    backoff = Backoff()
    for _ in range(3):
        backoff.failed("a", now=0.0)
    assert backoff.number("a", now=FORGET_FAILURE_S - 1) == 3
    assert backoff.number("a", now=FORGET_FAILURE_S) == 2
    assert backoff.number("a", now=10 * FORGET_FAILURE_S) == 0


def test_the_table_is_bounded(monkeypatch):
    monkeypatch.setattr(throttle, "MAX_KEYS", 3)
    backoff = Backoff()
    for name in "abcd":
        backoff.failed(name, now=0.0)
    assert [backoff.number(name, now=0.0) for name in "abcd"] == [0, 1, 1, 1]


def test_guesses_stop_that_desk_alone():
    limits = Throttle(5)
    for number in range(FREE_TRIES + 2):
        guess(limits, number)
    assert limits.insert_wait_s(ALICE, "desk1", 0.0) > BACKOFF_S
    assert limits.insert_wait_s(ALICE, "desk2", 0.0) == 0
    assert limits.password_wait_s("alice", "desk1", 0.0) > 0


def test_guesses_over_many_names_stop_that_desk_for_strangers():
    limits = Throttle(50)
    limits.admitted("alice", "desk1")
    for number in range(FREE_TRIES + 2):
        wrong(limits, f"user{number}", "desk1", 0.0)
    assert limits.password_wait_s("another", "desk1", 0.0) > BACKOFF_S
    assert limits.password_wait_s("alice", "desk1", 0.0) == 0
    assert limits.password_wait_s("another", "desk2", 0.0) == 0


def test_one_persons_wrong_passwords_are_not_the_next_ones_wait():
    limits = Throttle(50)
    for _ in range(3 * FREE_TRIES):
        wrong(limits, "alice", "desk1", 0.0)
    assert limits.password_wait_s("alice", "desk1", 0.0) > 0
    assert limits.password_wait_s("bob", "desk1", 0.0) == 0
    assert limits.insert_wait_s(ALICE, "desk1", 0.0) == 0


def test_the_desks_own_token_is_no_guess():
    limits = Throttle(5)
    for number in range(FREE_TRIES + 2):
        guess(limits, number)
    assert limits.insert_wait_s(Token("pseudo", "desk1"), "desk1", 0.0) == 0
    assert limits.insert_wait_s(Token("pseudo", "desk2"), "desk1", 0.0) > 0


def test_a_card_that_has_signed_waits_for_nobodys_guesses():
    limits = Throttle(3)
    for number in range(20):
        wrong(limits, "alice", f"evil{number}", 0.0)
        wrong(limits, "alice", "desk1", 0.0)
        wrong(limits, f"user{number}", "desk1", 0.0)
    assert limits.password_wait_s("alice", "desk1", 0.0) > 0
    assert limits.password_wait_s("alice", "desk1", 0.0, CARD) == 0


def test_guesses_with_a_stolen_card_get_slower_wherever_it_is():
    limits = Throttle(50)
    for number in range(FREE_TRIES + 1):
        assert limits.password_wait_s("alice", f"desk{number}", 0.0, CARD) == 0
        wrong(limits, "alice", f"desk{number}", 0.0, CARD)
    assert limits.password_wait_s("alice", "desk99", 0.0, CARD) == BACKOFF_S
    assert limits.password_wait_s("alice", "desk1", 0.0, Token("piv", "cd" * 20)) == 0
    right(limits, "alice", "desk1", 0.0, CARD)
    assert limits.password_wait_s("alice", "desk99", 0.0, CARD) == 0


def test_guesses_with_a_stolen_card_are_of_those_that_reach_pam_for_a_user():
    limits = Throttle(3)
    for number in range(3):
        wrong(limits, "alice", f"desk{number}", 0.0, CARD)
    assert limits.password_wait_s("alice", "elsewhere", 0.0) == USER_TRIES_S


def test_guesses_never_stop_a_card_that_proves_itself():
    limits = Throttle(5)
    for number in range(50):
        guess(limits, number)
        limits.refused(CARD, "desk1", Reason.WRONG_SIGNATURE, 0.0)
    assert limits.insert_wait_s(CARD, "desk1", 0.0) == 0


def test_one_wrong_badge_again_and_again_is_one_guess():
    limits = Throttle(5)
    for _ in range(20):
        guess(limits, 7)
    assert limits.insert_wait_s(Token("uid", "0007"), "desk1", 0.0) > 0
    assert limits.insert_wait_s(ALICE, "desk1", 0.0) == 0


@pytest.mark.parametrize("reason", [Reason.TOKEN_DISABLED, Reason.OUTSIDE_HOURS, Reason.PROOF_LATE])
def test_what_is_no_guess_costs_nothing(reason):
    limits = Throttle(5)
    for _ in range(50):
        limits.refused(ALICE, "desk1", reason, 0.0)
    assert limits.insert_wait_s(ALICE, "desk1", 0.0) == 0


def test_inserts_have_a_pace():
    limits = Throttle(5)
    waits = [limits.insert_wait_s(CARD, "desk1", 0.0) for _ in range(INSERTS_AT_ONCE + 1)]
    assert waits == [0] * INSERTS_AT_ONCE + [INSERT_PACE_S]
    assert limits.insert_wait_s(CARD, "desk2", 0.0) == 0
    assert limits.insert_wait_s(CARD, "desk1", INSERT_PACE_S) == 0
    assert limits.insert_wait_s(CARD, "desk1", INSERT_PACE_S) > 0


def test_wrong_passwords_from_everywhere_do_not_stop_the_users_own_desk():
    limits = Throttle(3)
    limits.admitted("alice", "desk1")
    for number in range(20):
        wrong(limits, "alice", f"evil{number}", 0.0)
    assert limits.password_wait_s("alice", "evil99", 0.0) == USER_TRIES_S
    assert limits.password_wait_s("alice", "desk1", 0.0) == 0
    assert limits.password_wait_s("bob", "evil99", 0.0) == 0
    assert limits.password_wait_s("alice", "evil99", USER_TRIES_S) == 0


@pytest.mark.parametrize("name", ["ALICE", "alice@corp.example", "CORP\\Alice"])
def test_a_user_under_another_name_is_the_same_one(name):
    limits = Throttle(2)
    limits.admitted("alice", "desk1")
    for number in range(2):
        wrong(limits, name, f"evil{number}", 0.0)
    assert limits.password_wait_s("alice", "evil9", 0.0) > 0
    assert limits.password_wait_s(name, "desk1", 0.0) == 0


def test_so_many_wrong_passwords_reach_pam_for_one_user():
    limits, reached = Throttle(5), 0
    for number in range(1000):
        if limits.password_wait_s("alice", f"evil{number}", 0.0) == 0:
            reached += 1
            wrong(limits, "alice", f"evil{number}", 0.0)
    assert reached == 5


def test_the_users_own_desk_has_its_own_back_off():
    limits = Throttle(3)
    limits.admitted("alice", "desk1")
    for _ in range(FREE_TRIES + 1):
        wrong(limits, "alice", "desk1", 0.0)
    assert limits.password_wait_s("alice", "desk1", 0.0) > 0
    assert limits.password_wait_s("alice", "desk2", 0.0) == 0
    right(limits, "alice", "desk1")
    assert limits.password_wait_s("alice", "desk1", MAX_BACKOFF_S) == 0


def test_no_table_grows_without_end(monkeypatch):
    monkeypatch.setattr(throttle, "MAX_KEYS", 3)
    monkeypatch.setattr(throttle, "MAX_HOMES", 2)
    limits = Throttle(1)
    for number in range(9):
        limits.insert_wait_s(CARD, f"desk{number}", 0.0)
        wrong(limits, f"user{number}", f"desk{number}", 0.0)
        limits.admitted(f"user{number}", "desk")
    assert (len(limits._paces), len(limits._users), len(limits._homes)) == (3, 3, 2)
    assert limits.password_wait_s("user8", "other", 0.0) > 0
    assert limits.password_wait_s("user8", "desk", 0.0) == 0


def test_a_password_counts_as_wrong_from_its_beginning():
    limits = Throttle(5)
    for number in range(20):
        if limits.password_wait_s("alice", f"evil{number}", 0.0) == 0:
            limits.begin_check(number, "alice", f"evil{number}", 0.0)
    assert len(limits._checks) == 5
    for number in range(5):
        limits.end_check(number, PasswordResult.WRONG)
    assert limits.password_wait_s("alice", "evil99", 0.0) == USER_TRIES_S


NOT_WRONG = [each for each in PasswordResult if each is not PasswordResult.WRONG]


@pytest.mark.parametrize("result", NOT_WRONG)
@pytest.mark.parametrize("signed", [None, CARD])
def test_what_was_not_wrong_costs_nothing(result, signed):
    limits = Throttle(2)
    for number in range(50):
        checked(limits, result, f"user{number % 7}", "desk1", 0.0, signed)
    assert limits.password_wait_s("another", "desk1", 0.0) == 0
    assert limits.password_wait_s("user1", "desk2", 0.0) == 0
    assert limits.password_wait_s("user1", "desk1", 0.0, signed) == 0


def test_a_check_that_was_not_wrong_leaves_what_was_before():
    limits, end = Throttle(50), 10.0
    limits.admitted("alice", "desk1")
    for _ in range(FREE_TRIES + 2):
        wrong(limits, "alice", "desk1", end)
    before = [limits.password_wait_s("alice", "desk1", end + after) for after in (0, 1, 2)]
    assert before == [2 * BACKOFF_S, BACKOFF_S, 0]
    checked(limits, PasswordResult.DOWN, "alice", "desk1", end + 2)
    assert [limits.password_wait_s("alice", "desk1", end + after) for after in (0, 1, 2)] == before
    checked(limits, PasswordResult.RIGHT, "alice", "desk1", end + 2)
    assert limits.password_wait_s("alice", "desk1", end) == 0


def test_the_owner_who_types_it_right_does_not_make_room_for_guesses_of_others():
    limits = Throttle(3)
    for number in range(3):
        wrong(limits, "alice", f"evil{number}", 0.0)
    for number in range(9):
        right(limits, "alice", f"desk{number}", 1.0, CARD)
    assert limits.password_wait_s("alice", "evil9", 1.0) == USER_TRIES_S - 1.0


def test_a_terminal_has_one_password_checked_at_a_time():
    limits = Throttle(5)
    limits.begin_check(1, "alice", "desk1", 0.0)
    assert limits.check_wait_s("desk1", 1.0) == CHECK_AGAIN_S
    assert limits.check_wait_s("desk2", 1.0) == 0
    limits.end_check(1, PasswordResult.DOWN)
    assert limits.check_wait_s("desk1", 1.0) == 0
    limits.begin_check(2, "alice", "desk1", 1.0)
    assert limits.check_wait_s("desk1", 1.0 + PASSWORD_CHECK_S) == 0  # nobody has answered
    assert limits.end_check(9, PasswordResult.WRONG) == ""
