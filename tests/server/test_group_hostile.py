"""Group manager: hostile datagrams, and which boot of a host is the present one."""

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.lan import SECRETS, Lan, events, live, manager
from fakes.talk import feed, group, host, signed
from roamwire.datagrams import (
    ServerR,
    TokenQ,
    TokenR,
    encode_datagram,
    parse_datagram,
)
from roamwire.limits import MAX_HOSTS
from sessionhost.core.group import MAX_PROBES
from sessionhost.core.group_events import HostDown, HostUp, NameClash

DTU = IPv4Address("10.0.0.99")
DIGEST = "d" * 64

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


def test_announcements_that_were_held_back_do_not_raise_the_dead():
    """An attacker between two servers may keep what a host said, and bring it when it is dead."""
    lan, one, _ = group("s1", "s2")
    held = []
    lan.lose = lambda *way: way[:2] == ("s2", "s1") and (held.append(way[2]) or True)
    lan.run(3.0)
    lan.nodes["s2"].up = False
    lan.run(2.0)
    assert HostDown("s2") in events(one)
    for data in held:
        feed(one, data, "10.0.0.2", lan.now)
        lan.run(0.5)
    assert len(held) >= 3
    assert live(one) == []
    assert events(one) == []


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


def test_what_an_old_boot_said_and_was_held_back_is_not_even_asked_about():
    lan, one, _ = group("s1", "s2")
    held = []
    lan.lose = lambda *way: way[:2] == ("s2", "s1") and (held.append(way[2]) or True)
    lan.run(1.5)
    lan.lose = lambda *way: False
    lan.join("s2", manager("s2", "10.0.0.2", seed=2), "10.0.0.2")
    lan.run(2.0)
    lan.sent.clear()
    for data in held:
        feed(one, data, "10.0.0.2", lan.now)
    lan.deliver()
    assert one.dropped["replay"] == len(held) > 0
    assert lan.sent == []


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


def test_a_second_host_with_our_name_is_told_once_and_not_believed():
    lan, one, _ = group("s1", "s2")
    for seq in range(1, 50):
        feed(one, signed(host("s1", boot="other", seq=seq)), "10.0.0.77", lan.now)
    assert events(one) == [NameClash("10.0.0.77")]
    assert live(one) == ["s2"]


def test_replays_of_our_own_former_boots_do_not_fill_the_log():
    lan, one, _ = group("s1", "s2")
    for number in range(100):
        feed(one, signed(host("s1", boot=f"former{number}")), "10.0.0.66", lan.now)
    assert 0 < len(events(one)) < 10
    feed(one, signed(host("s1", boot=one.boot)), "10.0.0.66", lan.now)
    assert events(one) == []


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
