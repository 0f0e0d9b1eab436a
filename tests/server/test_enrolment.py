"""Who becomes a terminal: every mode against everything that is known of a name."""

from ipaddress import ip_address

import pytest

from roamwire.enrolment import Refusal
from sessionhost.core import timing
from sessionhost.core.enrolment import (
    BURST_COUNT,
    MAX_ADDRESSES,
    MAX_PENDING,
    WRONG_CODE_COUNT,
    Admit,
    AskingRate,
    Known,
    Mode,
    Refuse,
    Request,
    Wait,
    Waiting,
    check_interval_s,
    decide,
    decide_renewal,
    network_of,
    room_for,
)

OURS, OTHERS = "aa" * 32, "bb" * 32
NEW = Request("desk1", OURS)
WITH_CODE = Request("desk1", OURS, "c0de")


@pytest.mark.parametrize(
    ("request_", "known", "answers"),
    [
        # Answers for open, approve, preregistered.
        (NEW, None, (Admit(), Wait(), Refuse(Refusal.NOT_PREREGISTERED))),
        (NEW, Known(OURS), (Admit(), Admit(), Admit())),
        (NEW, Known(OTHERS), (Wait(), Wait(), Refuse(Refusal.NOT_PREREGISTERED))),
        (NEW, Known("", "c0de"), (Refuse(Refusal.NOT_PREREGISTERED),) * 3),
        (NEW, Known(OTHERS, "c0de"), (Refuse(Refusal.NOT_PREREGISTERED),) * 3),
        (NEW, Known(OURS, "c0de"), (Admit(),) * 3),
        (NEW, Known(OURS, denied=True), (Refuse(Refusal.DENIED),) * 3),
        (NEW, Known(denied=True), (Refuse(Refusal.DENIED),) * 3),
        (WITH_CODE, Known("", "c0de"), (Admit(by_code=True),) * 3),
        (WITH_CODE, Known(OTHERS, "c0de"), (Admit(by_code=True),) * 3),
        (WITH_CODE, Known("", "other"), (Refuse(Refusal.CODE),) * 3),
        (WITH_CODE, Known(OTHERS), (Refuse(Refusal.CODE),) * 3),
        (WITH_CODE, None, (Refuse(Refusal.CODE),) * 3),
        (WITH_CODE, Known(OURS), (Admit(),) * 3),
        (WITH_CODE, Known(OTHERS, "c0de", denied=True), (Refuse(Refusal.DENIED),) * 3),
    ],
)
def test_who_gets_in(request_, known, answers):
    assert tuple(decide(request_, known, mode, blocked=False) for mode in Mode) == answers
    for mode in Mode:
        assert decide(request_, known, mode, blocked=True) == Refuse(Refusal.BLOCKED)


@pytest.mark.parametrize(
    ("known", "answer"),
    [
        (None, Admit()),
        (Known(OURS), Admit()),
        (Known("", "c0de"), Admit()),
        (Known(OTHERS), Refuse(Refusal.DENIED)),
        (Known(OURS, denied=True), Refuse(Refusal.DENIED)),
    ],
)
def test_who_is_renewed(known, answer):
    assert decide_renewal(OURS, known, blocked=False) == answer
    assert decide_renewal(OURS, known, blocked=True) == Refuse(Refusal.BLOCKED)


def crowd(count, address, name="desk"):
    return [Waiting(f"{name}{n}", f"{n:064x}", address, n) for n in range(count)]


def test_who_waits_already_may_go_on():
    full = crowd(MAX_PENDING, "10.0.0.9")
    assert room_for(full, "desk0", "0" * 64, "10.0.0.1") == (True, None)


def test_one_machine_cannot_fill_the_table():
    full = crowd(MAX_PENDING, "10.0.0.9")
    assert room_for(full, "new", OURS, "10.0.0.1") == (True, full[0])
    assert room_for(full, "new", OURS, "10.0.0.9") == (False, None)
    many = [Waiting(f"d{n}", OURS, f"10.0.1.{n}", n) for n in range(MAX_PENDING)]
    assert room_for(many, "new", OURS, "10.0.0.1") == (False, None)


def test_one_name_has_few_who_wait_for_it():
    same = [Waiting("desk1", f"{n:064x}", "10.0.0.9", n) for n in range(4)]
    assert room_for(same[:3], "desk1", OURS, "10.0.0.9") == (True, None)
    assert room_for(same, "desk1", OURS, "10.0.0.9") == (False, None)
    assert room_for(same, "desk1", OURS, "10.0.0.1") == (True, same[0])


def test_one_address_asks_at_its_rate():
    rate = AskingRate()
    assert [rate.allows("a", 0.0) for _ in range(BURST_COUNT + 1)] == [True] * BURST_COUNT + [False]
    assert rate.wait_ms("a", 0.0) == timing.ASKING_REFILL_S * 1000
    assert rate.allows("b", 0.0), "others are not in its way"
    assert rate.allows("a", timing.ASKING_REFILL_S)
    assert not rate.allows("a", timing.ASKING_REFILL_S)
    assert rate.wait_ms("new", 0.0) == 0


def test_a_wrong_code_costs_more():
    rate = AskingRate()
    tries = 0
    for second in range(3600):
        if rate.allows("a", float(second)):
            tries += 1
            rate.fine("a", float(second), WRONG_CODE_COUNT)
    assert tries == 3600 // (WRONG_CODE_COUNT + 1) + 2, "two at once, then one in eleven seconds"
    assert rate.wait_ms("a", 3599.0) > 0


def test_the_rate_table_is_bounded():
    rate = AskingRate()
    for _ in range(BURST_COUNT):
        rate.allows("first", 0.0)
    for number in range(MAX_ADDRESSES):
        rate.allows(str(number), 0.0)
    assert rate.allows("first", 0.0), "forgotten, not kept for ever"


def test_an_ipv6_machine_is_one_asker():
    assert network_of(ip_address("10.0.0.1")) == "10.0.0.1"
    one, two = (network_of(ip_address(f"fd77::{n}")) for n in (1, 2))
    assert one == two == "fd77::/64"


def test_a_short_life_is_checked_more_often():
    assert check_interval_s(366 * 86400) == timing.MAX_CHECK_S
    assert check_interval_s(60) == 6
    assert check_interval_s(10) == timing.MIN_CHECK_S
