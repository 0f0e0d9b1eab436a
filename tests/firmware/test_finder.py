"""Which server is tried next: the order of DESIGN section 4, each once, each way bounded."""

import random
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtu.core import timing
from dtu.core.actions import Broadcast, Lookup
from dtu.core.finder import DNS_NAME, Finder, Wait
from dtu.core.lookups import (
    Addresses,
    AddressesOf,
    Heard,
    Neighbours,
    Records,
    ServiceOf,
    SrvRecord,
)
from dtu.core.network import Hints
from roamwire.control import Server
from roamwire.datagrams import Host, ServerQ, ServerR, encode_datagram, parse_datagram
from roamwire.errors import RemoteProtocolError
from roamwire.limits import MAX_LISTED

S1, S2, S3 = (Server(f"s{n}", f"10.0.0.{n}", 7009) for n in (1, 2, 3))
DOMAIN, DNS = "desks.example", ("10.0.0.53",)
NAME = AddressesOf(DNS_NAME)


def finder(seed=1, listed=(), leased=(), configured=(), dns=False, mdns=False, domain=""):
    found = Finder(
        "desk1", random.Random(seed), port=7009, configured=configured, dns=dns, mdns=mdns
    )
    found.remember(tuple(listed))
    found.told(Hints(tuple(leased), domain, DNS if domain else ()))
    return found


def answer_with(found, wait, answers):
    """Answer a look-up from the test's table; the others get nothing."""
    answer = answers.get(wait.action.question)
    if answer is not None:
        assert found.found(wait.action.number, answer)


def order(found, answers=None, now=0.0, begin=True, **how):
    """Everything tried and asked in one round, at one moment, up to the serverQ."""
    if begin:
        found.begin(**how)
    steps = []
    while not isinstance((step := found.next(now)), Wait) or isinstance(step.action, Lookup):
        if isinstance(step, Wait):
            steps.append(step.action.question)
            answer_with(found, step, answers or {})
        else:
            steps.append(step)
    assert isinstance(step.action, Broadcast)
    return steps


def asked(found):
    return parse_datagram(found.query())


def answer(question, name, load=0, cpus=1, drain=False, port=7009):
    address = IPv4Address(f"10.0.0.{name.lstrip('s')}")
    return encode_datagram(
        ServerR(question.serverQ, name, address, port, cpus, load, 0, drain=drain)
    )


def test_the_ways_are_tried_in_their_order():
    found = finder(
        listed=[S1], leased=["10.0.0.8"], configured=["backup.example"], dns=True, mdns=True,
        domain=DOMAIN,
    )  # fmt: skip
    assert order(found) == [
        S1,
        Server("", "10.0.0.8", 7009),
        AddressesOf("backup.example", DOMAIN, DNS),
        ServiceOf(DOMAIN, DNS),
        AddressesOf(DNS_NAME, DOMAIN, DNS),
        Neighbours(),
    ]


def test_what_each_way_finds_is_tried_before_the_next_way():
    far, near = Server("", "10.9.0.1", 7100), Server("s9", "10.9.0.9", 7009)
    answers = {
        AddressesOf("desk-servers", DOMAIN, DNS): Addresses(("10.9.0.3", "fd00::3")),
        ServiceOf(DOMAIN, DNS): Records((SrvRecord(0, 0, "one.example.", 7100),)),
        AddressesOf("one.example.", DOMAIN, DNS): Addresses(("10.9.0.1",)),
        AddressesOf(DNS_NAME, DOMAIN, DNS): Addresses(("10.9.0.2",)),
        Neighbours(): Heard((near,)),
    }
    found = finder(leased=["desk-servers"], dns=True, mdns=True, domain=DOMAIN)
    tried = [step for step in order(found, answers) if isinstance(step, Server)]
    assert tried == [
        Server("", "10.9.0.3", 7009),
        Server("", "fd00::3", 7009),
        far,
        Server("", "10.9.0.2", 7009),
        near,
    ]


def test_without_a_domain_only_the_name_is_asked_for():
    assert order(finder(dns=True)) == [NAME]


def test_dns_and_multicast_dns_can_be_switched_off():
    assert order(finder()) == []
    assert order(finder(mdns=True)) == [Neighbours()]


def test_no_server_is_tried_twice_in_a_round():
    found = finder(listed=[S1, S2], leased=["10.0.0.2", "10.0.0.9", "10.0.0.9"], mdns=True)
    steps = order(found, {Neighbours(): Heard((S2, S3))})
    addresses = [step.address for step in steps if isinstance(step, Server)]
    assert sorted(addresses) == ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.9"]


def test_the_lost_server_comes_after_all_that_need_no_look_up():
    for seed in range(5):
        found = finder(seed, [S1, S2, S3], ["10.0.0.1", "10.0.0.9"], dns=True)
        steps = order(found, lost=S1)
        assert steps[-2:] == [S1, NAME]
        assert len(steps) == 5


def test_a_lost_server_without_a_name_is_known_by_its_address():
    nameless = Server("", "10.0.0.8", 7009)
    found = finder(leased=["10.0.0.8", "10.0.0.9"])
    assert order(found, lost=nameless) == [Server("", "10.0.0.9", 7009), nameless]


# Bounds in time


def test_a_look_up_without_an_answer_ends_and_the_next_way_begins():
    found = finder(dns=True, mdns=True)
    found.begin()
    first = found.next(10.0)
    assert first.action.question == NAME
    assert first.until == pytest.approx(10.0 + timing.LOOKUP_S)
    second = found.next(first.until)
    assert second.action.question == Neighbours()
    assert second.until == pytest.approx(first.until + timing.MDNS_S)
    assert not found.found(first.action.number, Addresses(("10.0.0.1",))), "too late"
    assert isinstance(found.next(second.until).action, Broadcast)


def test_an_answer_counts_once():
    found = finder(dns=True)
    found.begin()
    wait = found.next(0.0)
    assert found.found(wait.action.number, Addresses(("10.0.0.1",)))
    assert not found.found(wait.action.number, Addresses(("10.0.0.2",)))
    assert found.next(0.0) == Server("", "10.0.0.1", 7009)
    assert isinstance(found.next(0.0).action, Broadcast)


def test_a_way_whose_time_is_up_gives_way_and_goes_on_in_the_next_round():
    leased = [f"10.0.0.{n}" for n in range(20)]
    found = finder(leased=leased, mdns=True)
    found.begin()
    now, tried = 0.0, []
    while isinstance(step := found.next(now), Server):
        tried.append(step.address)
        now += timing.CONNECT_S  # each is silent
    assert step.action.question == Neighbours()
    assert now <= timing.WAY_S + timing.CONNECT_S
    assert tried == leased[: len(tried)]
    rest = [each.address for each in order(found, now=now, begin=False) if isinstance(each, Server)]
    assert rest == [], "this round is over"
    again = [each.address for each in order(found, begin=False) if isinstance(each, Server)]
    assert again == leased[len(tried) :] + leased[: len(tried)]


def test_a_slow_look_up_costs_the_rest_of_its_way_only():
    found = finder(configured=["a.example", "b.example", "c.example", "10.0.0.9"], mdns=True)
    found.begin()
    now, questions = 0.0, []
    while not isinstance((step := found.next(now)).action, Broadcast):
        questions.append(step.action.question)
        now = step.until
    assert questions == [*map(AddressesOf, ("a.example", "b.example", "c.example")), Neighbours()]
    assert now <= timing.WAY_S + timing.LOOKUP_S + timing.MDNS_S


# Order of SRV records: RFC 2782


def targets(records, seed=1):
    found = finder(seed, dns=True, domain=DOMAIN)
    steps = order(found, {ServiceOf(DOMAIN, DNS): Records(tuple(records))})
    return [step.name for step in steps if isinstance(step, AddressesOf)][:-1]


def test_the_lowest_priority_number_comes_first():
    records = [SrvRecord(20, 9, "c", 1), SrvRecord(10, 0, "b", 1), SrvRecord(5, 0, "a", 1)]
    assert targets(records) == ["a", "b", "c"]


def test_weights_share_the_load():
    records = [SrvRecord(0, 30, "heavy", 1), SrvRecord(0, 10, "light", 1)]
    firsts = [targets(records, seed)[0] for seed in range(400)]
    assert 0.68 < firsts.count("heavy") / len(firsts) < 0.82
    assert all(sorted(targets(records, seed)) == ["heavy", "light"] for seed in range(9))


def test_weight_0_is_rarely_first_but_can_be():
    records = [SrvRecord(0, 9, "heavy", 1), SrvRecord(0, 0, "rare", 1)]
    firsts = [targets(records, seed)[0] for seed in range(400)]
    assert 0.04 < firsts.count("rare") / len(firsts) < 0.2


def test_a_dot_says_that_there_is_no_such_service():
    assert targets([SrvRecord(0, 0, ".", 1)]) == []


def test_an_srv_record_leads_to_its_own_port():
    answers = {
        ServiceOf(DOMAIN, DNS): Records((SrvRecord(0, 0, "a.example", 7100),)),
        AddressesOf("a.example", DOMAIN, DNS): Addresses(("10.0.0.7",)),
    }
    assert Server("", "10.0.0.7", 7100) in order(finder(dns=True, domain=DOMAIN), answers)


def test_answers_of_dns_and_neighbours_are_bounded():
    records = [SrvRecord(0, 0, f"h{n}", 1) for n in range(200)]
    assert len(targets(records)) <= MAX_LISTED
    heard = Heard(tuple(Server("x", f"10.{n}.0.1", 7009) for n in range(200)))
    assert len(order(finder(mdns=True), {Neighbours(): heard})) == MAX_LISTED + 1
    many = Addresses(tuple(f"10.{n}.0.1" for n in range(200)))
    assert len(order(finder(dns=True), {NAME: many})) == MAX_LISTED + 1


def test_what_is_no_address_is_not_tried():
    answers = {Neighbours(): Heard((Server("x", "nonsense", 7009),)), NAME: Addresses(("x",))}
    assert order(finder(dns=True, mdns=True), answers) == [NAME, Neighbours()]


def test_what_the_network_tells_is_news_once():
    found = finder()
    assert found.told(Hints(("10.0.0.1",), DOMAIN, DNS))
    assert not found.told(Hints(("10.0.0.1",), DOMAIN, DNS))
    assert found.told(Hints(("10.0.0.1",), DOMAIN, ("10.0.0.54",)))


def test_neighbours_are_asked_from_our_own_addresses():
    found = finder(mdns=True)
    found.told(Hints(addresses=("10.0.0.99", "fe80::1%eth0")))
    assert order(found) == [Neighbours(("10.0.0.99", "fe80::1%eth0"))]


def test_the_pause_grows_and_is_short_again_after_a_server():
    found = finder()
    pauses = [found.next(0.0).until for _ in range(12)]
    assert pauses[0] <= 1.5 * timing.SEEK_PAUSE_S
    assert min(pauses[-4:]) >= 0.5 * timing.MAX_SEEK_PAUSE_S
    found.reached()
    assert found.next(0.0).until <= 1.5 * timing.SEEK_PAUSE_S


# The last list


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
    found = finder()
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
    assert [found.next(0.0).host for _ in range(5)] == ["s3", "s5", "s2", "s4", "s1"]
    assert isinstance(found.next(0.0), Wait)


def test_a_new_round_forgets_the_answers():
    found = finder()
    found.answered(answer(asked(found), "s2"))
    assert order(found) == []


def test_answers_are_bounded():
    found = finder()
    question = asked(found)
    for number in range(MAX_LISTED * 2):
        found.answered(answer(question, f"s{number % 250}"))
    taken = 0
    while isinstance(found.next(0.0), Server):
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
    found = finder()
    old = asked(found)
    asked(found)
    with pytest.raises(RemoteProtocolError, match="misdirected"):
        found.answered(answer(old, "s2"))
    with pytest.raises(RemoteProtocolError, match="misdirected"):
        found.answered(encode_datagram(Host("s2", IPv4Address("10.0.0.2"), 0)))
    assert isinstance(found.next(0.0), Wait)


@given(st.binary(max_size=200))
def test_any_bytes_are_no_answer(data):
    found = finder()
    found.query()
    with pytest.raises(RemoteProtocolError):
        found.answered(data)


def test_an_answer_may_name_an_ipv6_address():
    found = finder()
    question = asked(found)
    found.answered(encode_datagram(ServerR(question.serverQ, "s2", IPv6Address("fd77::2"))))
    assert found.next(0.0) == Server("s2", "fd77::2", 7009)


def test_an_answer_without_an_address_is_none():
    found = finder()
    data = encode_datagram(ServerR(asked(found).serverQ, "s2", IPv4Address(0)))
    with pytest.raises(RemoteProtocolError, match="without an address"):
        found.answered(data)


@pytest.mark.parametrize("port", [0, 70000])
def test_an_answer_with_an_impossible_port_is_none(port):
    found = finder()
    data = answer(asked(found), "s2", port=port)
    with pytest.raises(RemoteProtocolError, match="port"):
        found.answered(data)


def test_answers_without_end_keep_no_terminal_from_its_own_servers():
    """Anybody who hears the question can answer it, again and again."""
    found = finder(listed=[S1])
    found.begin()
    question, tried, now = asked(found), [], 0.0
    while now < 3 * timing.WAY_S:
        try:
            found.answered(answer(question, f"s{200 + len(tried) % 50}"))
        except RemoteProtocolError:
            pass
        step = found.next(now)
        if not isinstance(step, Server):
            break
        tried.append(step)
        now += timing.CONNECT_S
    assert len(tried) == timing.WAY_S / timing.CONNECT_S + 1
    assert tried[-1] == S1


def test_after_a_loss_only_a_new_question_can_be_answered():
    found = finder(listed=[S1])
    old = asked(found)
    found.begin(lost=S2)
    with pytest.raises(RemoteProtocolError, match="no answer to our"):
        found.answered(answer(old, "s9"))
    assert found.next(0.0) == S1
