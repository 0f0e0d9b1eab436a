"""Group manager: announcing, being trusted, questions and answers, and everything hostile."""

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.lan import GROUP_PORT, SECRETS, STRANGER, Lan, events, interface, live, manager
from roamwire.datagrams import (
    Claim,
    Host,
    ServerQ,
    ServerR,
    TokenQ,
    TokenR,
    encode_datagram,
    parse_datagram,
)
from roamwire.limits import MAX_HOSTS
from roamwire.signing import GroupSecrets
from sessionhost.core.group import (
    MAX_PROBES,
    MAX_QUESTIONS,
    HostDown,
    HostUp,
    NameClash,
    TokenAnswered,
    TokenAsked,
)
from sessionhost.core.timing import PROFILES, QUESTION_S, RESTARTING_QUESTION_S

DTU = IPv4Address("10.0.0.99")
DIGEST = "d" * 64
FAST = PROFILES["fast"]


def group(*names, **options):
    """Group managers on one network that have come to know each other; events are taken."""
    lan = Lan()
    found = [lan.manager(name, **options) for name in names]
    lan.run(3.0)
    for each in found:
        events(each)
    lan.sent.clear()
    return (lan, *found)


def of(kind, machine):
    return [event for event in events(machine) if isinstance(event, kind)]


def answer_all(lan, claims=(), nonce="n", names=None):
    """Let every asked server answer; returns who asked."""
    asked = []
    for node in lan.nodes.values():
        if node.up and (names is None or node.name in names):
            for event in of(TokenAsked, node.machine):
                node.machine.answer(event, claims, nonce, pending=False, home="")
                asked.append((node.name, event))
    lan.deliver()
    return asked


def signed(message, secrets=SECRETS):
    return secrets.sign(encode_datagram(message))


def host(name, address="10.0.0.66", boot="b", seq=1, **more):
    return Host(
        name, IPv4Address(address), 0, boot=boot, seq=seq, interfaces=(interface(address),), **more
    )


def feed(machine, data, source="10.0.0.66", now=1000.0, way="unicast"):
    machine.receive_datagram(data, (source, GROUP_PORT), "eth0", now, way)


# Announcing


def test_servers_find_each_other_without_any_list():
    lan = Lan()
    one, two, three = (lan.manager(name) for name in ("s1", "s2", "s3"))
    lan.run(1.0)
    for me, others in ((one, ["s2", "s3"]), (two, ["s1", "s3"]), (three, ["s1", "s2"])):
        assert live(me) == others
        assert sorted(event.host for event in of(HostUp, me)) == others


def test_a_late_server_is_known_to_all_within_one_announcement():
    lan, one, two = group("s1", "s2")
    late = lan.manager("s3")
    lan.run(0.2)
    assert live(late) == ["s1", "s2"]
    assert [event.host for event in of(HostUp, one)] == ["s3"]
    assert [event.host for event in of(HostUp, two)] == ["s3"]


@pytest.mark.parametrize(("profile", "seconds"), [("fast", 10), ("classic", 200)])
def test_announcements_come_at_the_profiles_pace(profile, seconds):
    lan, *_ = group("s1", profile=profile)
    lan.run(seconds)
    assert len(lan.datagrams(Host)) == pytest.approx(seconds / PROFILES[profile].announce_s, abs=1)


def test_every_way_that_is_configured_is_used():
    machine = manager("s1", "10.0.0.1", seeds=["192.0.2.5"], multicast="239.255.70.9")
    machine.set_interfaces([interface("10.0.0.1"), interface("10.9.0.1", "eth1")], 1000.0)
    machine.handle_deadline(1000.0)
    out = machine.datagrams_to_send(1000.0)
    assert {(each.address, each.interface, each.port) for each in out} == {
        ("10.0.0.255", "eth0", 7009),
        ("10.9.0.255", "eth1", 7009),
        ("239.255.70.9", "eth0", 7009),
        ("239.255.70.9", "eth1", 7009),
        ("192.0.2.5", "", 7009),
    }
    assert machine.datagrams_to_send(1000.0) == []


def test_nothing_is_broadcast_when_that_is_off():
    machine = manager("s1", "10.0.0.1", broadcast=False)
    machine.handle_deadline(1000.0)
    assert machine.datagrams_to_send(1000.0) == []


def test_a_host_heard_on_two_interfaces_shows_both_alive():
    one = manager("s1", "10.0.0.1")
    one.set_interfaces([interface("10.0.0.1"), interface("10.9.0.1", "eth1")], 1000.0)
    two = manager("s2", "10.0.0.2")
    for moment in (1000.0, 1001.0):
        one.handle_deadline(moment)
        for out in one.datagrams_to_send(moment):
            source = "10.0.0.1" if out.interface == "eth0" else "10.9.0.1"
            feed(two, out.data, source, moment, way="broadcast")
        for out in two.datagrams_to_send(moment):  # the probe
            one.receive_datagram(out.data, ("10.0.0.2", GROUP_PORT), "eth0", moment)
            one.answer_proofs()
        for out in one.datagrams_to_send(moment):
            feed(two, out.data, "10.0.0.1", moment)
    (view,) = two.topology.view(1001.0)
    assert [each.lastpkt for each in view.interfaces] == [0, 0]
    assert two.dropped == {}
    assert two.heard_by["broadcast"] == 4


def test_a_change_of_interfaces_is_told_at_once_and_no_change_is_not():
    lan, one = group("s1")
    due = one.next_deadline()
    one.set_interfaces(one.standing.interfaces, lan.now)
    assert one.next_deadline() == due
    one.set_interfaces([interface("10.0.0.1"), interface("10.9.0.1", "eth1")], lan.now)
    start = lan.now
    lan.run(0.1)
    told = lan.datagrams(Host, since=start)
    assert [len(message.interfaces) for _, _, message in told[:2]] == [2, 2]


@pytest.mark.parametrize("count", [0, 40, 300])
def test_a_host_with_any_number_of_interfaces_announces_itself(count):
    machine = manager("s1", "10.0.0.1", seeds=["192.0.2.5"])
    machine.set_interfaces(
        [interface("10.0.0.1", f"veth{number:08x}") for number in range(count)], 1000.0
    )
    machine.handle_deadline(1000.0)
    (told,) = {
        parse_datagram(SECRETS.verify(out.data).body).interfaces
        for out in machine.datagrams_to_send(1000.0)
    }
    assert len(told) == min(count, len(told))
    assert bool(told) is bool(count)


def test_a_host_message_says_what_the_server_is():
    lan, one, two = group("s1", "s2")
    one.standing.load, one.standing.sessions, one.standing.dtus = 2250, 3, 4
    one.standing.drain, one.standing.policy, one.standing.clock = True, "open", 77
    one.wall_offset = 1_000_000.0
    lan.run(1.0)
    view = two.topology.view(lan.now)[0]
    assert (view.load, view.sessions, view.dtus, view.drain, view.policy) == (
        2250, 3, 4, True, "open",
    )  # fmt: skip
    assert view.timeoff == 1_000_000
    assert two.topology.trusted("s1").message.clock == 77


# Silence


def test_a_silent_host_is_down_once_and_up_once_when_it_is_back():
    lan, one, two, _ = group("s1", "s2", "s3")
    lan.nodes["s2"].cut = True
    lan.run(FAST.host_down_s - 1.1)
    assert of(HostDown, one) == []
    lan.run(2.0)
    assert of(HostDown, one) == [HostDown("s2")]
    assert {event.host for event in of(HostDown, two)} == {"s1", "s3"}
    assert live(one) == ["s3"]
    lan.nodes["s2"].cut = False
    lan.run(1.1)
    assert of(HostUp, one) == [HostUp("s2")]
    assert live(one) == ["s2", "s3"]


def test_lost_announcements_do_not_bring_a_host_down():
    lan, one, _ = group("s1", "s2")
    lost = iter([True, True, False] * 1000)
    lan.lose = lambda sender, receiver, data: next(lost) and b"host=" in data[:5]
    lan.run(30.0)
    assert of(HostDown, one) == []


def test_a_restarted_host_is_the_same_host_with_a_new_boot():
    lan, one, two = group("s1", "s2")
    lan.join("s2", manager("s2", "10.0.0.2", seed=2), "10.0.0.2")
    lan.run(1.2)
    assert one.topology.trusted("s2").message.boot == lan.nodes["s2"].machine.boot
    assert lan.nodes["s2"].machine.boot != two.boot
    assert live(one) == ["s2"]


# Trust


@pytest.mark.parametrize(
    ("secrets", "trusted"),
    [
        (SECRETS, True),
        (STRANGER, False),
        (GroupSecrets(STRANGER.current, SECRETS.current), False),  # it must sign with ours
    ],
)
def test_only_the_groups_signature_makes_a_host_trusted(secrets, trusted):
    lan, one = group("s1")
    lan.manager("s2", secrets=secrets)
    lan.run(2.0)
    assert [(view.host, view.trusted) for view in one.topology.view(lan.now)] == [("s2", trusted)]
    assert live(one) == (["s2"] if trusted else [])
    assert bool(of(HostUp, one)) is trusted


def test_a_rotation_of_the_secret_loses_nobody():
    new = b"the next secret!"
    stages = [SECRETS, GroupSecrets(SECRETS.current, new), GroupSecrets(new, SECRETS.current)]
    lan, one, two = group("s1", "s2")
    for before, after in zip(stages, [*stages[1:], GroupSecrets(new)], strict=True):
        one.secrets, two.secrets = after, before
        lan.run(10.0)
        assert of(HostDown, one) == of(HostDown, two) == []


@pytest.mark.parametrize(
    "message",
    [
        TokenQ("q", "s2", "b", 5, DIGEST),
        TokenR("q", "s2", "b", 5, "x", claims=(Claim("a", 0, 9),)),
    ],
)
@pytest.mark.parametrize("seal", ["none", "stranger", "classic"])
def test_unsigned_questions_and_answers_are_dropped(message, seal):
    lan, one, _ = group("s1", "s2")
    body = encode_datagram(message)
    data = {"none": body, "stranger": STRANGER.sign(body), "classic": body + b" sig=" + b"0" * 40}
    feed(one, data[seal], "10.0.0.2", lan.now)
    assert one.dropped == {"untrusted": 1}
    assert events(one) == []
    assert one.datagrams_to_send(lan.now) == []


# Hostile datagrams


@given(st.binary(max_size=1600))
def test_any_bytes_are_counted_or_ignored(data):
    machine = manager("s1", "10.0.0.1")
    feed(machine, data)
    assert events(machine) == []
    assert live(machine) == []


@given(st.binary(max_size=200))
def test_any_bytes_signed_with_our_secret_do_no_harm(data):
    machine = manager("s1", "10.0.0.1")
    feed(machine, SECRETS.sign(data))
    assert live(machine) == []


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "verb"),
        (b"\x00\xff\x80", "binary"),
        (b"host=s2", "value"),
        (b"host=s2 addr=0a000002", "value"),
        (b"host=s2 " + b"x" * 1500, "oversize"),
        (b"serverR=a host=s9 addr=0a000001", "misdirected"),
        (signed(ServerR("a", "s9", DTU)), "misdirected"),
        (SECRETS.sign(b"nonsense"), "syntax"),
    ],
)
def test_what_is_wrong_with_a_datagram_is_counted(data, reason):
    machine = manager("s1", "10.0.0.1")
    feed(machine, data)
    assert machine.dropped == {reason: 1}


def test_a_replayed_host_message_does_not_keep_a_dead_host_alive():
    lan, one, _ = group("s1", "s2")
    lan.run(2.0)
    recorded = [out.data for _, name, out in lan.sent if name == "s2"]
    lan.nodes["s2"].up = False
    for _ in range(12):
        lan.run(0.5)
        for data in recorded:
            feed(one, data, "10.0.0.2", lan.now)
    assert HostDown("s2") in events(one)
    assert live(one) == []
    assert one.dropped["replay"] == 12 * len(recorded)


def test_messages_of_a_boot_that_is_over_do_not_come_back():
    lan, one, old = group("s1", "s2")
    lan.run(2.0)
    recorded = [out.data for _, name, out in lan.sent if name == "s2"]
    lan.nodes["s2"].up = False
    lan.run(10.0)
    fresh = manager("s3", "10.0.0.3")
    lan.join("s3", fresh, "10.0.0.3")
    lan.run(2.0)
    events(one)
    for data in recorded:
        feed(fresh, data, "10.0.0.2", lan.now)  # it has never heard s2: only a proof helps
        feed(one, data, "10.0.0.2", lan.now)
    lan.run(2.0)
    assert live(fresh) == ["s1"]
    assert live(one) == ["s3"]
    assert old.boot not in {record.message.boot for record in one.topology.live()}


def test_a_replayed_old_boot_does_not_push_the_present_one_aside():
    lan, one, old = group("s1", "s2")
    lan.run(1.0)
    recorded = [out.data for _, name, out in lan.sent if name == "s2"][-1]
    lan.join("s2", manager("s2", "10.0.0.2", seed=2), "10.0.0.2")
    lan.run(2.0)
    present = lan.nodes["s2"].machine.boot
    feed(one, recorded, "10.0.0.2", lan.now)
    lan.run(2.0)
    assert one.topology.trusted("s2").message.boot == present != old.boot


def test_reordered_and_doubled_datagrams_are_taken_once():
    lan, one = group("s1")
    other = manager("s2", "10.0.0.2")
    lan.join("s2", other, "10.0.0.2")
    lan.run(1.5)
    held = []
    lan.lose = lambda *way: way[:2] == ("s2", "s1") and (held.append(way[2]) or True)
    lan.run(3.0)
    lan.lose = lambda sender, receiver, data: False
    heard = one.heard_by["unicast"]
    for data in [*reversed(held), *held]:
        feed(one, data, "10.0.0.2", lan.now)
    assert one.heard_by["unicast"] - heard == len(held)
    assert one.dropped["replay"] == len(held)


def test_an_older_announcement_that_comes_late_takes_nothing_back():
    lan, one, two = group("s1", "s2")
    held = []
    lan.lose = lambda *way: way[:2] == ("s2", "s1") and (held.append(way[2]) or True)
    lan.run(1.0)
    two.standing.drain = True
    lan.run(1.0)
    for data in reversed(held):
        feed(one, data, "10.0.0.2", lan.now)
    assert len(held) == 2
    assert one.topology.trusted("s2").message.drain


def test_our_own_broadcasts_are_ignored():
    lan, one = group("s1")
    lan.run(3.0)
    assert one.topology.view(lan.now) == []
    assert one.dropped == {}
    assert events(one) == []


def test_a_second_host_with_our_name_is_told_and_not_believed():
    lan, one, _ = group("s1", "s2")
    feed(one, signed(host("s1", boot="other")), "10.0.0.77", lan.now)
    assert events(one) == [NameClash("10.0.0.77")]
    feed(one, signed(TokenR("q", "s1", "other", 2, one.boot)), "10.0.0.77", lan.now)
    assert events(one) == []
    assert live(one) == ["s2"]


def test_forged_hosts_are_bounded_and_push_nobody_out():
    lan, one, _ = group("s1", "s2")
    for number in range(500):
        feed(one, encode_datagram(host(f"x{number}")), f"10.0.1.{number % 250}", lan.now)
    assert len(one.topology.view(lan.now)) <= 1 + 64
    assert live(one) == ["s2"]


def test_proofs_under_way_are_bounded():
    machine = manager("s1", "10.0.0.1")
    machine.handle_deadline(1000.0)
    machine.datagrams_to_send(1000.0)
    for number in range(MAX_HOSTS + 50):
        feed(machine, signed(host(f"h{number}", boot=f"b{number}")))
    assert len(machine.datagrams_to_send(1000.0)) == MAX_PROBES
    assert live(machine) == []


# Which boot is present


def test_a_host_is_trusted_only_after_it_has_answered_a_question_of_ours():
    machine = manager("s1", "10.0.0.1")
    machine.handle_deadline(1000.0)
    machine.datagrams_to_send(1000.0)
    feed(machine, signed(host("s2")), "10.0.0.2")
    assert live(machine) == []
    (probe,) = machine.datagrams_to_send(1000.0)
    assert probe.address == "10.0.0.2"
    question = parse_datagram(SECRETS.verify(probe.data).body)
    assert (question.token, question.pending) == ("", False)
    feed(machine, signed(TokenR(question.tokenQ, "s2", "b", 2, machine.boot)), "10.0.0.2")
    assert live(machine) == ["s2"]
    assert events(machine) == [HostUp("s2")]


def test_a_proof_that_a_question_started_takes_the_host_messages_along():
    machine = manager("s1", "10.0.0.1")
    machine.handle_deadline(1000.0)
    machine.datagrams_to_send(1000.0)
    feed(machine, signed(TokenQ("q", "s2", "b", 1, DIGEST)), "10.0.0.2")
    feed(machine, signed(host("s2", seq=2, load=1)), "10.0.0.2")
    feed(machine, signed(host("s2", seq=3, load=2)), "10.0.0.2")
    (probe,) = machine.datagrams_to_send(1000.0)
    question = parse_datagram(SECRETS.verify(probe.data).body)
    events(machine)
    feed(machine, signed(TokenR(question.tokenQ, "s2", "b", 4, machine.boot)), "10.0.0.2")
    assert machine.topology.trusted("s2").message.load == 2


def test_a_proof_that_a_question_started_alone_settles_the_boot():
    machine = manager("s1", "10.0.0.1")
    machine.handle_deadline(1000.0)
    machine.datagrams_to_send(1000.0)
    feed(machine, signed(TokenQ("q", "s2", "b", 1, DIGEST)), "10.0.0.2")
    (probe,) = machine.datagrams_to_send(1000.0)
    question = parse_datagram(SECRETS.verify(probe.data).body)
    feed(machine, signed(TokenR(question.tokenQ, "s2", "b", 2, machine.boot)), "10.0.0.2")
    assert live(machine) == []
    feed(machine, signed(host("s2", seq=3)), "10.0.0.2")
    assert live(machine) == ["s2"]


def test_a_lost_proof_is_asked_for_again():
    lan = Lan()
    one, _ = lan.manager("s1"), lan.manager("s2")
    lost = []
    lan.lose = lambda sender, receiver, data: b"tokenQ" in data[:6] and (lost.append(data) or True)
    lan.run(1.5)
    assert lost
    assert live(one) == []
    lan.lose = lambda sender, receiver, data: False
    lan.run(2.5)
    assert live(one) == ["s2"]


def test_an_answer_to_another_boot_of_ours_settles_nothing():
    machine = manager("s1", "10.0.0.1")
    machine.handle_deadline(1000.0)
    machine.datagrams_to_send(1000.0)
    feed(machine, signed(host("s2")), "10.0.0.2")
    (probe,) = machine.datagrams_to_send(1000.0)
    qid = parse_datagram(SECRETS.verify(probe.data).body).tokenQ
    feed(machine, signed(TokenR(qid, "s2", "b", 2, "another boot")), "10.0.0.2")
    feed(machine, signed(TokenR("another", "s2", "b", 3, machine.boot)), "10.0.0.2")
    feed(machine, signed(TokenR(qid, "s3", "b", 1, machine.boot)), "10.0.0.3")
    assert live(machine) == []
    assert machine.dropped == {"late": 2, "misdirected": 1}


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
        one.ask(DIGEST, DTU, lan.now)
    assert events(one) == []
    last = one.ask(DIGEST, DTU, lan.now)
    assert events(one) == [TokenAnswered(last, (), ("s2",))]


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
