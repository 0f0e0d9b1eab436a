"""A tokenQ under way: when it is over, whom it waits for, when it repeats."""

from ipaddress import IPv4Address

import pytest

from roamwire.addresses import NO_ADDRESS
from roamwire.datagrams import Claim, TokenR
from sessionhost.core.questions import Answer, Question
from sessionhost.core.timing import QUESTION_REPEAT_S, QUESTION_S

DTU = IPv4Address("10.0.0.99")
CLAIM = Claim("a1", 0, 1)


def question(*hosts, now=100.0):
    return Question.begin("q", "d" * 64, DTU, set(hosts), now)


def answer(host, *claims):
    return Answer(host, DTU, 7009, "n", claims=claims)


def test_it_is_over_when_all_have_answered():
    asked = question("s1", "s2")
    assert not asked.over(100.0)
    asked.answers["s1"] = answer("s1")
    assert not asked.over(100.1)
    assert asked.silent() == {"s2"}
    asked.answers["s2"] = answer("s2")
    assert asked.over(100.1)


def test_it_is_over_at_once_when_there_is_nobody_to_ask():
    assert question().over(100.0)


@pytest.mark.parametrize(("later", "over"), [(0.0, False), (0.29, False), (0.31, True)])
def test_it_is_over_when_its_time_is_up(later, over):
    assert question("s1").over(100.0 + later) is over


def test_it_wakes_to_repeat_and_then_to_end():
    asked = question("s1")
    assert asked.next_deadline() == pytest.approx(100.0 + QUESTION_REPEAT_S)
    asked.repeat_at = 200.0
    assert asked.next_deadline() == pytest.approx(100.0 + QUESTION_S)


def test_a_restarting_host_is_awaited_longer():
    asked = question("s1", "s2")
    asked.wait_for("s1", 103.0)
    asked.answers["s2"] = answer("s2")
    assert not asked.over(102.9)
    assert asked.next_deadline() == pytest.approx(100.0 + QUESTION_REPEAT_S)
    assert asked.over(103.0)
    asked.answers["s1"] = answer("s1")
    assert asked.over(100.2)


def test_a_restarting_host_is_not_awaited_when_a_session_is_found_elsewhere():
    asked = question("s1", "s2", "s3")
    asked.wait_for("s1", 103.0)
    asked.answers["s2"] = answer("s2", CLAIM)
    assert not asked.over(100.2)
    assert asked.over(100.0 + QUESTION_S)


def test_only_the_silent_restarting_hosts_count():
    asked = question("s1", "s2")
    asked.wait_for("s1", 103.0)
    asked.answers["s1"] = answer("s1")
    assert asked.over_at() == asked.until
    assert asked.over(100.0 + QUESTION_S)


def test_a_refusing_host_is_given_up_on_unless_it_restarts():
    asked = question("s1", "s2")
    asked.wait_for("s1", 103.0)
    asked.give_up_on("s1")
    asked.give_up_on("s2")
    asked.give_up_on("never asked")
    assert asked.silent() == {"s1"}


def test_a_probe_has_no_digest():
    assert Question.begin("q", "", NO_ADDRESS, {"s1"}, 1.0).probe
    assert not question("s1").probe


def test_an_answer_is_what_the_token_r_says():
    message = TokenR(
        "q", "s2", "b", 3, "mine", "n1", 8, 900, 2, True, True, "s3", (CLAIM,)
    )  # fmt: skip
    assert Answer.of(message, DTU, 7100) == Answer(
        "s2", DTU, 7100, "n1", 8, 900, 2, True, True, "s3", (CLAIM,)
    )
