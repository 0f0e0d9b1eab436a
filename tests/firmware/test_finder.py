"""Which server is tried next: the order of DESIGN section 4, each once, the lost one last."""

import random
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtu.core.finder import DNS_NAME, Finder
from roamwire.control import Server
from roamwire.datagrams import Host, ServerQ, ServerR, encode_datagram, parse_datagram
from roamwire.errors import RemoteProtocolError
from roamwire.limits import MAX_LISTED

S1, S2, S3 = (Server(f"s{n}", f"10.0.0.{n}", 7009) for n in (1, 2, 3))
NAMED = Server("", DNS_NAME, 7009)


def finder(seed=1, listed=(), leased=(), configured=(), dns=True):
    found = Finder(random.Random(seed), port=7009, configured=configured, dns=dns)
    found.remember(tuple(listed))
    found.leased(tuple(leased))
    return found


def order(found, **how):
    found.begin(**how)
    candidates = []
    while (candidate := found.next()) is not None:
        candidates.append(candidate)
    return candidates


def asked(found):
    return parse_datagram(found.query("desk1"))


def answer(question, name, load=0, cpus=1, drain=False, port=7009):
    address = IPv4Address(f"10.0.0.{name.lstrip('s')}")
    return encode_datagram(
        ServerR(question.serverQ, name, address, port, cpus, load, 0, drain=drain)
    )


def test_the_ways_are_tried_in_their_order():
    found = finder(listed=[S1], leased=["10.0.0.8"], configured=["backup.example"])
    assert order(found) == [
        S1, Server("", "10.0.0.8", 7009), Server("", "backup.example", 7009), NAMED,
    ]  # fmt: skip


def test_without_dns_the_name_is_not_tried():
    assert order(finder(dns=False)) == []
    assert order(finder()) == [NAMED]


def test_no_server_is_tried_twice_in_a_round():
    found = finder(listed=[S1, S2], leased=["10.0.0.2", "10.0.0.9", "10.0.0.9"])
    addresses = [each.address for each in order(found)]
    assert sorted(addresses) == ["10.0.0.1", "10.0.0.2", "10.0.0.9", DNS_NAME]


def test_the_lost_server_comes_last_even_if_dhcp_names_it():
    found = finder(listed=[S1, S2, S3], leased=["10.0.0.1"])
    for seed in range(5):
        assert order(finder(seed, [S1, S2, S3], ["10.0.0.1"]), lost="s1")[-1] == S1
    assert len(order(found, lost="s1")) == 4


def test_the_first_comes_first():
    assert order(finder(listed=[S1, S2, S3]), first=S3)[0] == S3
    assert order(finder(listed=[S1, S2, S3]), first=S3).count(S3) == 1


def test_terminals_spread_over_the_listed_servers():
    firsts = {order(finder(seed, [S1, S2, S3]))[0].host for seed in range(30)}
    assert firsts == {"s1", "s2", "s3"}


def test_a_new_list_is_news_and_the_same_one_in_another_order_is_not():
    found = finder()
    assert found.remember((S1, S2))
    assert not found.remember((S2, S1))
    assert found.listed == (S2, S1)
    assert found.remember((S2,))


def test_the_list_is_bounded():
    many = tuple(Server(f"s{n}", f"h{n}", 7009) for n in range(MAX_LISTED + 9))
    found = finder(dns=False)
    assert found.remember(many)
    assert len(order(found)) == MAX_LISTED
    assert not found.remember(many)


def test_those_who_answer_go_first_and_the_least_loaded_of_them():
    found = finder(listed=[S1])
    found.begin()
    question = asked(found)
    for name, load, cpus, drain in (
        ("s2", 3000, 4, False), ("s3", 900, 2, False), ("s4", 0, 1, True), ("s5", 500, 0, False),
    ):  # fmt: skip
        found.answered(answer(question, name, load, cpus, drain))
    assert [found.next().host for _ in range(6)] == ["s3", "s5", "s2", "s4", "s1", ""]
    assert found.next() is None


def test_a_new_round_forgets_the_answers():
    found = finder(dns=False)
    found.answered(answer(asked(found), "s2"))
    assert order(found) == []


def test_answers_are_bounded():
    found = finder(dns=False)
    question = asked(found)
    for number in range(MAX_LISTED * 2):
        found.answered(answer(question, f"s{number % 250}"))
    taken = 0
    while found.next() is not None:
        taken += 1
    assert taken == MAX_LISTED


def test_a_question_names_the_terminal_and_is_never_the_same():
    found = finder()
    questions = [asked(found) for _ in range(20)]
    assert {question.dtu for question in questions} == {"desk1"}
    assert len({question.serverQ for question in questions}) == 20
    assert all(question.serverQ for question in questions)


def test_nothing_is_believed_before_it_was_asked():
    with pytest.raises(RemoteProtocolError, match="misdirected"):
        finder().answered(answer(ServerQ(""), "s2"))


def test_only_the_answer_to_the_last_question_counts():
    found = finder(dns=False)
    old = asked(found)
    asked(found)
    with pytest.raises(RemoteProtocolError, match="misdirected"):
        found.answered(answer(old, "s2"))
    with pytest.raises(RemoteProtocolError, match="misdirected"):
        found.answered(encode_datagram(Host("s2", IPv4Address("10.0.0.2"), 0)))
    assert found.next() is None


@given(st.binary(max_size=200))
def test_any_bytes_are_no_answer(data):
    found = finder(dns=False)
    found.query("desk1")
    with pytest.raises(RemoteProtocolError):
        found.answered(data)


@pytest.mark.parametrize("port", [0, 70000])
def test_an_answer_with_an_impossible_port_is_none(port):
    found = finder(dns=False)
    data = answer(asked(found), "s2", port=port)
    with pytest.raises(RemoteProtocolError, match="port"):
        found.answered(data)
