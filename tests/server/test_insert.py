"""The insert decision, steps 911-922 of the patent, enumerated from the patent's own text.

A model written from the steps, in another form than the code, is compared with it over every
combination of what two other servers can say.
"""

import dataclasses
import itertools
import random
from ipaddress import IPv4Address

import pytest

from roamwire.datagrams import Claim
from roamwire.tickets import MAX_HOPS
from sessionhost.core.insert import (
    AskAgain,
    ConnectHere,
    CreateHere,
    Here,
    RedirectTo,
    decide,
    decide_redirected,
)
from sessionhost.core.placement import Candidate
from sessionhost.core.questions import Answer

ADDRESS = IPv4Address("10.0.0.9")


def here(*claims, host="s2", **load):
    values = {"cpus": 4, "load": 0, "sessions": 0, **load}
    return Here(Candidate(host, **values), claims)


def answer(host, *claims, address=ADDRESS, nonce="n", **more):
    values = {"cpus": 4, "load": 0, "sessions": 0, **more}
    return Answer(host, address, 7009, nonce, claims=claims, **values)


def choose(me, *answers, hops=0, rounds_left=4, lost="", reserved=None, seed=1):
    return decide(
        me,
        answers,
        hops=hops,
        rounds_left=rounds_left,
        lost=lost,
        reserved=reserved or {},
        rng=random.Random(seed),
    )


def claim(age, epoch=1, session=None):
    return Claim(session or f"a{age}e{epoch}", age, epoch)


# 912 yes: 913, 914, 915


def test_a_redirected_insert_connects_to_a_session_that_is_here():
    assert decide_redirected(here(claim(9, session="old"), claim(5, session="new"))) == (
        ConnectHere("new")
    )


def test_a_redirected_insert_makes_a_session_when_none_is_here():
    assert isinstance(decide_redirected(here()), CreateHere)


# 912 no: 916-922, every combination

OWN = [None, 0, 50]
OTHERS = [None, 0, 20, 80]
REACHABLE = [ADDRESS, None]


@pytest.mark.parametrize("own", OWN)
@pytest.mark.parametrize(("first", "second"), list(itertools.product(OTHERS, OTHERS)))
@pytest.mark.parametrize(("one_at", "two_at"), list(itertools.product(REACHABLE, REACHABLE)))
@pytest.mark.parametrize("hops", range(MAX_HOPS + 1))
@pytest.mark.parametrize("lost", ["", "s3"])
def test_every_combination_follows_the_steps(own, first, second, one_at, two_at, hops, lost):
    told = {"s1": (first, one_at), "s3": (second, two_at)}
    answers = [
        answer(host, *([] if age is None else [claim(age, session=host)]), address=at, load=3000)
        for host, (age, at) in told.items()
    ]
    me = here(*([] if own is None else [claim(own, session="mine")]))
    decision = choose(me, *answers, hops=hops, lost=lost)

    ages = {  # 916-918: who can be reached and has a session
        host: age
        for host, (age, at) in told.items()
        if age is not None and at is not None and host != lost and hops < MAX_HOPS
    }
    if own is not None:
        ages["s2"] = own
    if not ages:  # 919 no
        assert isinstance(decision, CreateHere)  # 915: all others are loaded
        return
    newest = min(ages.values())  # 920
    best = {host for host, age in ages.items() if age == newest}
    if isinstance(decision, ConnectHere):  # 921 yes: 913, 914
        assert decision.session == "mine"
        assert "s2" in best
    else:  # 921 no: 922
        assert isinstance(decision, RedirectTo)
        assert decision.answer.host in best - {"s2"}


def test_equal_ages_are_decided_alike_on_every_server():
    """Two servers with a session of the same age must not send a DTU back and forth."""
    one, two = claim(10, epoch=3, session="aa"), claim(10, epoch=3, session="bb")
    assert choose(here(one, host="s1"), answer("s2", two)) == ConnectHere("aa")
    there = choose(here(two, host="s2"), answer("s1", one))
    assert (type(there), there.answer.host) == (RedirectTo, "s1")


def test_the_higher_epoch_wins_at_equal_age():
    decision = choose(here(claim(0, epoch=3)), answer("s1", claim(0, epoch=4)))
    assert decision.answer.host == "s1"
    assert isinstance(choose(here(claim(0, epoch=4)), answer("s1", claim(0, epoch=3))), ConnectHere)


def test_the_newest_of_several_sessions_of_one_server_counts():
    decision = choose(here(claim(30)), answer("s1", claim(90), claim(10)), answer("s3", claim(20)))
    assert decision.answer.host == "s1"


def test_a_server_without_a_nonce_is_no_target():
    """It would take the redirect for an ordinary insert."""
    assert isinstance(choose(here(), answer("s1", claim(0), nonce="")), CreateHere)


def test_after_two_hops_the_session_here_is_taken_or_made():
    newest = answer("s1", claim(0))
    assert choose(here(claim(90, session="mine")), newest, hops=MAX_HOPS) == ConnectHere("mine")
    assert isinstance(choose(here(), newest, hops=MAX_HOPS), CreateHere)


# Placement of a new session


def test_a_new_session_goes_to_the_least_loaded_server():
    decision = choose(here(load=3000), answer("s1", load=2000), answer("s3", load=100))
    assert (type(decision), decision.answer.host) == (RedirectTo, "s3")


def test_a_new_session_stays_when_this_server_is_least_loaded():
    assert isinstance(choose(here(load=10), answer("s1", load=2000)), CreateHere)
    assert isinstance(choose(here()), CreateHere)


def test_reserved_places_count_as_load():
    answers = (answer("s1", load=0), answer("s3", load=400))
    assert choose(here(load=3000), *answers, reserved={}).answer.host == "s1"
    assert choose(here(load=3000), *answers, reserved={"s1": 9}).answer.host == "s3"


@pytest.mark.parametrize("seed", range(8))
def test_an_unreachable_idle_server_is_not_chosen(seed):
    answers = (answer("s1", address=None), answer("s3", nonce=""), answer("s4", load=900))
    assert choose(here(load=3000), *answers, seed=seed).answer.host == "s4"


def test_a_draining_server_gives_new_sessions_away_and_gets_none():
    assert choose(here(drain=True), answer("s1", load=3900)).answer.host == "s1"
    assert isinstance(choose(here(load=3900), answer("s1", drain=True)), CreateHere)


def test_a_draining_server_keeps_the_sessions_it_has():
    assert choose(here(claim(5, session="mine"), drain=True), answer("s1")) == ConnectHere("mine")


def test_when_all_drain_the_person_still_gets_a_session():
    assert isinstance(choose(here(drain=True), answer("s1", drain=True)), CreateHere)


# Two servers decide on one token at the same time


def test_the_lower_name_goes_first():
    assert choose(here(host="s2"), answer("s1", pending=True)) == AskAgain("s1")
    assert isinstance(choose(here(host="s2"), answer("s3", pending=True, load=900)), CreateHere)
    decision = choose(here(host="s3"), answer("s2", pending=True), answer("s1", pending=True))
    assert decision == AskAgain("s1")


def test_a_server_that_never_decides_is_not_waited_for_for_ever():
    stuck = answer("s1", pending=True, load=900)
    assert isinstance(choose(here(host="s2"), stuck, rounds_left=0), CreateHere)


def test_a_session_that_is_there_is_taken_without_waiting():
    answers = (answer("s1", pending=True), answer("s3", claim(0)))
    assert choose(here(host="s2"), *answers).answer.host == "s3"
    assert choose(here(claim(1, session="mine")), answer("s1", pending=True)) == ConnectHere("mine")


def test_a_token_that_was_just_sent_somewhere_follows_there():
    answers = (answer("s1", pending=True, home="s3"), answer("s3", load=3000))
    decision = choose(here(host="s2"), *answers)
    assert (type(decision), decision.answer.host) == (RedirectTo, "s3")


def test_a_token_that_we_have_just_sent_away_follows_there():
    sent = dataclasses.replace(here(host="s2"), home="s3")
    others = (answer("s1"), answer("s3", load=3000))
    assert choose(sent, *others).answer.host == "s3"
    assert choose(sent, answer("s1")) == choose(here(host="s2"), answer("s1"))
    lost = choose(sent, *others, lost="s3")
    assert lost == choose(here(host="s2"), *others, lost="s3")
    assert choose(sent, *others, hops=1) == choose(here(host="s2"), *others, hops=1)


@pytest.mark.parametrize("home", ["s2", "s9"])
def test_a_token_that_was_sent_here_or_out_of_reach_gets_its_session_here(home):
    told = answer("s1", pending=True, home=home, load=3000)
    assert isinstance(choose(here(host="s2"), told), CreateHere)


def test_the_lost_host_is_never_a_target():
    back = answer("s1", claim(0))
    assert isinstance(choose(here(), back, lost="s1"), CreateHere)
    sent = (answer("s1", home="s3", load=3000), answer("s3"))
    assert isinstance(choose(here(), *sent, lost="s3"), CreateHere)
