"""One terminal for a card in the whole group: clones, healed partitions, late and old words."""

import dataclasses
import random

import pytest

from fakes.lan import ALICE, SECRETS, Site
from roamwire.control import Connect, Disconnect, Keepalive, Redirect, Remove
from roamwire.datagrams import Shown, encode_datagram
from sessionhost.core.timing import SHOWN_NONCE_S


def wait(site, seconds, *desks):
    """Time passes, and the desks keep their links."""
    for beat in range(int(seconds * 2)):
        for desk in desks:
            if desk.link:
                desk.say(Keepalive(beat))
        site.run(0.5)


def opened(site, desk):
    desk.insert()
    site.run(0.5)
    while desk.told(Redirect):
        desk.follow()
        site.run(0.5)
    assert desk.told(Connect)
    return desk


def cloned(first="s1", second="s2", pause_s=8.0):
    """One card at two desks of two servers that do not hear each other; the second is newer."""
    site = Site("s1", "s2", "s3")
    site.run(3.0)
    site.nodes["s1"].cut = True
    site.nodes["s3"].up = False
    site.run(6.0)
    older = opened(site, site.desk(first))
    wait(site, pause_s, older)
    newer = opened(site, site.desk(second))
    assert shown(site) == {older.name, newer.name}
    return site, older, newer


def shown(site):
    return {desk for _, _, desk in site.sessions() if desk}


def heal(site):
    site.nodes["s1"].cut = False


# Whoever is the older one: the server that decides, or the other.
SIDES = pytest.mark.parametrize(("first", "second"), [("s1", "s2"), ("s2", "s1")])


@SIDES
def test_after_a_partition_the_newest_of_two_cloned_cards_stays(first, second):
    site, older, newer = cloned(first, second)
    heal(site)
    wait(site, 5.0, older, newer)
    assert shown(site) == {newer.name}
    assert older.told(Disconnect) == [Disconnect(older.seq, "taken-over", desk=newer.name)]
    assert newer.told(Disconnect) == []


@SIDES
def test_a_second_of_difference_is_enough(first, second):
    site, older, newer = cloned(first, second, pause_s=0.5)
    heal(site)
    wait(site, 5.0, older, newer)
    assert shown(site) == {newer.name}


@SIDES
@pytest.mark.parametrize("seed", range(5))
def test_it_is_settled_when_a_third_of_the_words_is_lost(first, second, seed):
    site, older, newer = cloned(first, second)
    dice = random.Random(seed)
    site.lose = lambda _a, _b, data: data.startswith(b"shown=") and dice.random() < 0.33
    heal(site)
    wait(site, 15.0, older, newer)
    assert shown(site) == {newer.name}


def test_the_loser_may_take_it_back_by_hand():
    site, older, newer = cloned()
    heal(site)
    wait(site, 5.0, older, newer)
    older.lines.clear()
    older.say(Remove(older.seq))
    older.insert()
    wait(site, 2.0, older, newer)
    while older.told(Redirect):
        older.follow()
        wait(site, 2.0, older, newer)
    assert shown(site) == {older.name}
    assert newer.told(Disconnect)[-1] == Disconnect(newer.seq, "taken-over", desk=older.name)


def test_a_word_that_was_held_back_takes_no_screen():
    """s2 showed the card a while ago; a neighbour lets that through when it is at s1."""
    site = Site("s1", "s2")
    site.run(3.0)
    site.core("s1").group.standing.load = 9000
    two = opened(site, site.desk("s2"))
    two.say(Remove(two.seq))
    site.run(0.1)
    site.nodes["s2"].cut = True
    site.run(6.0)
    one = opened(site, site.desk("s1"))
    site.nodes["s2"].cut = False
    site.run(2.0)
    here = next(iter(site.core("s2").sessions))
    late = Shown("77", "s2", site.core("s2").group.boot, 10**6, digest(), 0, here.session, 9, "x")
    wait(site, 2.0, one)
    data = SECRETS.sign(encode_datagram(late))
    site.core("s1").receive_datagram(data, ("10.0.0.2", 7009), "eth0", site.now, "unicast")
    wait(site, 3.0, one)
    assert shown(site) == {one.name}
    assert one.told(Disconnect) == []


def digest():
    return SECRETS.token_digest(ALICE)


@pytest.mark.parametrize(
    "changes",
    [
        {"re": "no nonce of ours"},
        {"beats": "another session 1"},
        {"beats": "", "re": ""},
        {"token": "ab" * 32},
        {"dtu": "desk1"},
    ],
)
def test_what_answers_no_nonce_of_ours_or_names_another_session_beats_nothing(changes):
    site = Site("s1", "s2")
    site.run(3.0)
    desk = opened(site, site.desk("s2"))
    server = site.core(desk.server)
    session = next(iter(server.sessions))
    other = "s1" if desk.server == "s2" else "s2"
    nonce = next(reversed(server.fence._nonces))
    word = Shown(
        "77", other, site.core(other).group.boot, 10**6, digest(), 0, "5b", 1, "desk9", nonce,
        f"{session.session} {session.epoch}",
    )  # fmt: skip
    word = dataclasses.replace(word, **changes)
    data = SECRETS.sign(encode_datagram(word))
    server.receive_datagram(data, ("10.0.0.9", 7009), "eth0", site.now, "unicast")
    site.deliver()
    assert shown(site) == {desk.name}


def test_a_nonce_is_good_for_a_second():
    site = Site("s1", "s2")
    site.run(3.0)
    desk = opened(site, site.desk("s2"))
    server = site.core(desk.server)
    session = next(iter(server.sessions))
    other = "s1" if desk.server == "s2" else "s2"
    wait(site, 5.0, desk)
    nonce = next(reversed(server.fence._nonces))
    assert site.now - server.fence._nonces[nonce] > SHOWN_NONCE_S
    word = Shown(
        "77", other, site.core(other).group.boot, 10**6, digest(), 0, "5b", 1, "desk9", nonce,
        f"{session.session} {session.epoch}",
    )  # fmt: skip
    data = SECRETS.sign(encode_datagram(word))
    server.receive_datagram(data, ("10.0.0.9", 7009), "eth0", site.now, "unicast")
    site.deliver()
    assert shown(site) == {desk.name}


def test_what_is_shown_is_told_a_few_times_and_then_no_more():
    site = Site("s1", "s2")
    site.run(3.0)
    desk = opened(site, site.desk("s1"))
    wait(site, 10.0, desk)
    start = site.now
    wait(site, 10.0, desk)
    assert site.datagrams(Shown, since=start) == []
    assert len(site.datagrams(Shown)) == 4
    assert site.core(desk.server).fence.next_deadline() is None
