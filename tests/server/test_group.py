"""Group manager: announcing, silence, trust."""

import pytest

from fakes.lan import GROUP_PORT, SECRETS, STRANGER, Lan, events, interface, live, manager
from fakes.talk import feed, group, of
from roamwire.datagrams import (
    Claim,
    Host,
    TokenQ,
    TokenR,
    encode_datagram,
    parse_datagram,
)
from roamwire.signing import GroupSecrets
from sessionhost.core.group_events import HostDown, HostUp
from sessionhost.core.timing import PROFILES

DIGEST = "d" * 64
FAST = PROFILES["fast"]

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
