"""Group manager: serverQ of terminals, tokenQ and tokenR between servers."""

from ipaddress import IPv4Address

import pytest

from fakes.lan import events, interface, manager
from fakes.talk import answer_all, feed, group, host, of, signed
from roamwire.datagrams import (
    Claim,
    ServerQ,
    ServerR,
    encode_datagram,
    parse_datagram,
)
from sessionhost.core.group import MAX_QUESTIONS
from sessionhost.core.group_events import TokenAnswered, TokenAsked
from sessionhost.core.timing import PROFILES, QUESTION_S, RESTARTING_QUESTION_S

DTU = IPv4Address("10.0.0.99")
DIGEST = "d" * 64
FAST = PROFILES["fast"]

# serverQ


def ask_server(machine, source="10.0.0.99", port=40000, way_in="eth0"):
    data = encode_datagram(ServerQ("nonce", "desk1"))
    machine.receive_datagram(data, (source, port), way_in, 1000.0, "broadcast")
    return machine.datagrams_to_send(1000.0)


def test_a_terminal_is_answered_with_the_address_on_its_subnet():
    machine = manager("s1", "10.0.0.1")
    machine.set_interfaces([interface("10.9.0.1", "eth1"), interface("10.0.0.1")], 1000.0)
    machine.standing.load, machine.standing.drain = 700, True
    (out,) = ask_server(machine)
    assert (out.address, out.port, out.interface) == ("10.0.0.99", 40000, "")
    assert parse_datagram(out.data) == ServerR(
        "nonce", "s1", IPv4Address("10.0.0.1"), 7009, 4, 700, 0, True
    )


def test_a_terminal_of_another_subnet_gets_the_address_of_the_interface_it_came_by():
    machine = manager("s1", "10.0.0.1")
    (out,) = ask_server(machine, source="192.168.7.7")
    assert parse_datagram(out.data).addr == IPv4Address("10.0.0.1")
    assert ask_server(machine, source="192.168.7.7", way_in="eth9") == []


def test_a_restarting_server_does_not_offer_itself():
    machine = manager("s1", "10.0.0.1")
    machine.standing.back_ms = 5000
    assert ask_server(machine) == []


# tokenQ and tokenR


def test_a_question_is_over_as_soon_as_all_have_answered():
    lan, one, *_ = group("s1", "s2", "s3")
    qid = one.ask(DIGEST, DTU, lan.now)
    lan.deliver()
    assert answer_all(lan, (Claim("a", 5, 1),), names=["s2"])
    assert of(TokenAnswered, one) == []
    answer_all(lan, names=["s3"])
    (over,) = of(TokenAnswered, one)
    assert (over.qid, over.silent) == (qid, ())
    assert [(each.host, str(each.address), len(each.claims)) for each in over.answers] == [
        ("s2", "10.0.0.2", 1),
        ("s3", "10.0.0.3", 0),
    ]


def test_a_question_carries_the_hash_and_never_the_token():
    lan, one, *_ = group("s1", "s2")
    one.ask(DIGEST, DTU, lan.now)
    lan.deliver()
    ((name, asked),) = answer_all(lan)
    assert (name, asked.host, asked.digest, asked.pending) == ("s2", "s1", DIGEST, True)


def test_a_question_with_nobody_to_ask_is_over_at_once():
    lan, one = group("s1")
    qid = one.ask(DIGEST, DTU, lan.now)
    assert events(one) == [TokenAnswered(qid, (), ())]


def test_silent_servers_are_asked_three_times_and_named():
    lan, one, *_ = group("s1", "s2", "s3")
    start = lan.now
    one.ask(DIGEST, DTU, lan.now)
    lan.deliver()
    answer_all(lan, names=["s3"])
    lan.run(QUESTION_S + 0.01)
    (over,) = of(TokenAnswered, one)
    assert over.silent == ("s2",)
    asked = [out.address for _, _, out in lan.sent if b"tokenQ" in out.data[:6]]
    assert asked.count("10.0.0.2") == 3
    assert asked.count("10.0.0.3") == 1
    assert lan.now - start == pytest.approx(QUESTION_S, abs=0.02)


def test_a_lost_question_is_made_good_by_its_repetition():
    lan, one, *_ = group("s1", "s2")
    lan.lose = lambda sender, receiver, data: b"tokenQ" in data[:6]
    one.ask(DIGEST, DTU, lan.now)
    lan.deliver()
    lan.lose = lambda sender, receiver, data: False
    lan.run(0.12)
    answer_all(lan)
    (over,) = of(TokenAnswered, one)
    assert (len(over.answers), over.silent) == (1, ())


def test_a_late_answer_is_dropped():
    lan, one, *_ = group("s1", "s2")
    one.ask(DIGEST, DTU, lan.now)
    lan.deliver()
    lan.run(1.0)
    of(TokenAnswered, one)
    answer_all(lan)
    assert events(one) == []
    assert one.dropped["late"] >= 1


def test_the_lost_server_is_not_asked():
    lan, one, *_ = group("s1", "s2", "s3")
    one.ask(DIGEST, DTU, lan.now, lost="s2")
    lan.deliver()
    assert [name for name, _ in answer_all(lan)] == ["s3"]
    (over,) = of(TokenAnswered, one)
    assert [each.host for each in over.answers] == ["s3"]


def test_a_refused_datagram_ends_the_waiting():
    lan, one, *_ = group("s1", "s2", "s3")
    lan.nodes["s2"].up = False
    lan.run(1.6)
    one.ask(DIGEST, DTU, lan.now)
    lan.deliver()
    answer_all(lan)
    assert of(TokenAnswered, one) == []
    one.refused("10.0.0.77", lan.now)
    assert of(TokenAnswered, one) == []
    one.refused("10.0.0.2", lan.now)
    (over,) = of(TokenAnswered, one)
    assert [each.host for each in over.answers] == ["s3"]
    assert over.silent == ()


def test_a_forged_refusal_of_a_host_that_announces_is_not_believed():
    lan, one, *_ = group("s1", "s2")
    one.ask(DIGEST, DTU, lan.now)
    one.refused("10.0.0.2", lan.now)
    assert of(TokenAnswered, one) == []


def test_a_refused_proof_is_given_up():
    lan, one, _ = group("s1", "s2")
    feed(one, signed(host("s2", "10.0.0.2", boot="new")), "10.0.0.2", lan.now)
    one.refused("10.0.0.2", lan.now)
    lan.nodes["s2"].up = False
    lan.run(0.5)
    assert of(TokenAnswered, one) == []
    assert one.topology.trusted("s2").message.boot != "new"


def test_a_restarting_server_is_awaited_longer_even_when_it_refuses():
    lan, one, two, _ = group("s1", "s2", "s3")
    two.standing.back_ms = 5000
    two.announce_now(lan.now)
    lan.deliver()
    told = lan.now
    lan.nodes["s2"].up = False
    qid = one.ask(DIGEST, DTU, lan.now)
    lan.deliver()
    answer_all(lan)
    one.refused("10.0.0.2", lan.now)
    lan.run(RESTARTING_QUESTION_S - 0.1)
    assert of(TokenAnswered, one) == []
    lan.run(0.2)
    (over,) = of(TokenAnswered, one)
    assert (over.qid, over.silent) == (qid, ("s2",))
    assert lan.now - told == pytest.approx(RESTARTING_QUESTION_S, abs=0.2)


def test_questions_under_way_are_bounded():
    lan, one, *_ = group("s1", "s2")
    for _ in range(MAX_QUESTIONS):
        assert not one.busy
        one.ask(DIGEST, DTU, lan.now)
    assert one.busy
    lan.run(1.0)
    assert not one.busy, "questions end by themselves"


def test_an_answer_says_what_the_server_is_and_where_the_terminal_reaches_it():
    lan, one, two = group("s1", "s2")
    two.standing.load, two.standing.sessions, two.standing.drain = 900, 7, True
    one.ask(DIGEST, IPv4Address("172.16.0.9"), lan.now)
    lan.deliver()
    (asked,) = of(TokenAsked, two)
    two.answer(asked, (Claim("a", 1, 2, True),), "n1", pending=True, home="s3")
    lan.deliver()
    (over,) = of(TokenAnswered, one)
    (found,) = over.answers
    assert (found.load, found.sessions, found.drain, found.cpus) == (900, 7, True, 4)
    assert (found.pending, found.home, found.nonce) == (True, "s3", "n1")
    assert found.claims == (Claim("a", 1, 2, True),)
    assert found.address == IPv4Address("10.0.0.2")  # a routed terminal: where it speaks from


def test_a_server_out_of_the_terminals_reach_answers_without_an_address():
    lan, one, two = group("s1", "s2")
    two.set_interfaces([interface("10.9.0.2", "eth1")], lan.now)
    lan.run(1.2)
    one.ask(DIGEST, DTU, lan.now)
    lan.deliver()
    answer_all(lan)
    (over,) = of(TokenAnswered, one)
    assert over.answers[0].address is None


def test_an_answer_of_a_rebooted_host_before_its_first_announcement_counts():
    lan, one, _ = group("s1", "s2")
    fresh = manager("s2", "10.0.0.2", seed=2, broadcast=False)
    lan.join("s2", fresh, "10.0.0.2")
    one.ask(DIGEST, DTU, lan.now)
    lan.deliver()
    answer_all(lan)
    (over,) = of(TokenAnswered, one)
    assert [each.host for each in over.answers] == ["s2"]


def test_a_machine_wakes_for_what_is_next():
    lan, one, _ = group("s1", "s2")
    lan.run(0.2)
    announce = one.next_deadline()
    assert lan.now < announce <= lan.now + FAST.announce_s
    one.ask(DIGEST, DTU, lan.now)
    assert one.next_deadline() == pytest.approx(lan.now + 0.1)
