"""Lost cards and revoked terminals in a group in virtual time: how fast, what loss, who was off."""

import pytest

from fakes.lan import ALICE, BOB, SECRETS, Site
from roamwire.blocks import dtu_key, token_key
from roamwire.control import Connect, Disconnect, Keepalive, Notice, Redirect, Remove, Welcome
from roamwire.datagrams import Block, BlockQ, encode_datagram
from roamwire.notices import NoticeCode
from sessionhost.core.actions import (
    Ban,
    Close,
    KeepBlocks,
    Lookup,
    Remember,
    Report,
    Revoke,
)
from sessionhost.core.registration import Registration
from sessionhost.core.sessions import Session

LOST = token_key(ALICE)
BOUND_S = 2.0


def group(*names):
    site = Site(*names)
    site.run(3.0)
    return site


def opened(site, desk, token=ALICE):
    desk.insert(token)
    site.run(0.5)
    while desk.told(Redirect):
        desk.follow(token)
        site.run(0.5)
    assert desk.told(Connect)
    return desk


def lose(site, server, key=LOST, blocked=True):
    site.core(server).block(key, site.now, blocked=blocked)
    site.deliver()


def knowing(site, key=LOST):
    return {
        n for n in site.nodes if any(e.entry == key for e in site.core(n).group.blocks.entries())
    }


@pytest.mark.parametrize("reported_at", ["s1", "s2", "s3"])
def test_a_lost_cards_session_is_cut_at_once_wherever_it_was_reported(reported_at):
    site = group("s1", "s2", "s3")
    desk = opened(site, site.desk("s1"))
    site.done.clear()
    lose(site, reported_at)
    assert desk.told(Disconnect) == [Disconnect(desk.seq, "blocked")]
    assert [shown for _, _, shown in site.sessions()] == [None]
    assert site.actions(Revoke)
    assert {name for name, each in site.done if isinstance(each, KeepBlocks)} == {"s1", "s2", "s3"}


def test_a_lost_card_opens_nothing_anywhere_until_it_is_found():
    site = group("s1", "s2")
    lose(site, "s1")
    desk = site.desk("s2")
    desk.insert()
    assert desk.told(Notice) == [Notice(desk.seq, int(NoticeCode.TOKEN_LOST))]
    assert site.actions(Lookup) == []
    opened(site, site.desk("s2"), BOB)
    lose(site, "s2", blocked=False)
    opened(site, desk)


def test_a_card_that_is_just_being_looked_up_is_turned_away():
    site = group("s1")
    desk = site.desk("s1")
    site.hold_lookups = True
    desk.insert()
    lose(site, "s1")
    site.answer_lookups()
    site.run(1.0)
    assert desk.told(Notice) == [Notice(desk.seq, int(NoticeCode.TOKEN_LOST))]
    assert site.sessions() == []


def test_a_lost_card_with_a_good_redirect_ticket_is_turned_away():
    site = group("s1", "s2")
    site.core("s1").group.standing.load = 9000
    desk = site.desk("s1")
    desk.insert()
    assert desk.told(Redirect)
    lose(site, "s1")
    desk.follow()
    site.run(1.0)
    assert desk.told(Notice)[0].code == NoticeCode.TOKEN_LOST


def test_a_display_that_outlived_a_restart_of_hostd_is_cut():
    site = group("s1", "s2")
    core = site.core("s1")
    lose(site, "s2")
    site.done.clear()
    running = Session("5a", ALICE, "alice", "desktop", site.now, epoch=7, rfb_socket="/run/5a")
    core.recover([running], site.now)
    site.deliver()
    assert Revoke("5a", 7) in site.actions(Revoke, "s1")


@pytest.mark.parametrize(("lost", "cut"), [(BOB, True), (ALICE, False)])
def test_a_display_that_a_second_card_opened_is_cut_after_a_restart_with_that_card(lost, cut):
    """BOB's token is a second card of alice's here; it was in when hostd went away."""
    site = group("s1")
    site.registry[BOB] = Registration("alice", True, owner=ALICE)
    (shown,) = opened(site, site.desk("s1"), BOB).told(Connect)
    note = site.actions(Remember)[-1]
    core = site.boot("s1")
    core.recover(
        [
            Session(
                shown.session, ALICE, "alice", "desktop", note.last_connected, note.epoch, "/run/x",
                last_dtu=note.dtu, last_card=note.card,
            )
        ],
        site.now,
    )  # fmt: skip
    site.run(1.0)
    site.done.clear()
    lose(site, "s1", token_key(lost))
    assert (Revoke(shown.session, shown.epoch) in site.actions(Revoke)) is cut


def test_a_revoked_terminal_is_off_and_stays_off_until_it_is_restored():
    site = group("s1", "s2")
    desk = opened(site, site.desk("s1"))
    key = dtu_key(desk.name)
    lose(site, "s2", key)
    assert desk.told(Disconnect) == [Disconnect(0, "blocked")]
    assert desk.closed
    assert [shown for _, _, shown in site.sessions()] == [None]
    assert set(site.actions(Ban)) == {Ban(key, True)}
    for server in ("s1", "s2"):
        desk.lines.clear()
        desk.connect(server)
        assert desk.closed
        assert desk.told(Disconnect) == [Disconnect(0, "blocked")]
        assert not desk.told(Welcome)
    other = site.desk("s2")
    opened(site, other)
    lose(site, "s1", key, blocked=False)
    desk.connect("s2")
    assert not desk.closed
    assert desk.told(Welcome)


def test_a_revoked_terminal_that_tries_for_ever_fills_no_log():
    site = group("s1")
    desk = site.desk()
    lose(site, "s1", dtu_key(desk.name))
    for _ in range(50):
        desk.connect("s1")
        site.run(0.5)
    told = [each.text for each in site.actions(Report) if "refused: it is revoked" in each.text]
    assert len(told) == 1
    assert len(site.actions(Close)) == 50


@pytest.mark.parametrize("share", [2, 3])
def test_it_is_everywhere_in_two_seconds_when_datagrams_are_lost(share):
    site = group("s1", "s2", "s3", "s4", "s5")
    count = iter(range(10**9))
    site.lose = lambda _a, _b, data: next(count) * 7919 % share == 0
    lose(site, "s3")
    site.run(BOUND_S)
    assert knowing(site) == set(site.nodes)


def test_it_is_everywhere_in_two_seconds_when_all_news_is_lost():
    site = group("s1", "s2", "s3")
    site.lose = lambda _a, _b, data: data.startswith(b"block=") and b" asked=" not in data
    lose(site, "s1")
    site.run(BOUND_S)
    assert knowing(site) == {"s1", "s2", "s3"}


def test_a_server_that_was_away_learns_it_when_it_is_back():
    site = group("s1", "s2")
    site.kill("s2")
    site.run(6.0)
    lose(site, "s1")
    site.run(3.0)
    site.boot("s2")
    site.run(BOUND_S)
    assert knowing(site) == {"s1", "s2"}


def test_both_sides_of_a_partition_know_everything_when_it_heals():
    site = group("s1", "s2", "s3")
    desk = opened(site, site.desk("s1"))
    site.nodes[desk.server].cut = True
    others = [name for name in site.nodes if name != desk.server]
    lose(site, others[0])
    lose(site, desk.server, dtu_key("desk9"))
    for beat in range(6):
        desk.say(Keepalive(beat))
        site.run(1.0)
    assert [shown for _, _, shown in site.sessions()] == [desk.name]
    site.nodes[desk.server].cut = False
    site.run(BOUND_S)
    assert knowing(site) == knowing(site, dtu_key("desk9")) == set(site.nodes)
    assert desk.told(Disconnect)[-1].reason == "blocked"
    assert len({site.core(name).group.blocks.summary for name in site.nodes}) == 1


def test_a_new_server_fetches_a_large_set_and_an_old_one_only_what_it_missed():
    site = group("s1", "s2")
    for number in range(400):
        site.core("s1").group.blocks.put(dtu_key(f"d{number}"), True, "s1")
    site.run(3.0)
    summaries = {site.core(name).group.blocks.summary for name in ("s1", "s2")}
    assert len(summaries) == 1
    start = site.now
    site.nodes["s2"].cut = True
    lose(site, "s1")
    site.run(5.5)
    site.nodes["s2"].cut = False
    site.run(3.0)
    assert LOST in {e.entry for e in site.core("s2").group.blocks.entries()}
    pages = [m for at, _, m in site.datagrams(Block, since=start) if m.asked]
    assert len(pages) <= 2  # of thirty


def test_a_peer_that_does_not_answer_is_not_asked_for_ever():
    site = group("s1", "s2")
    site.lose = lambda _a, _b, data: data.startswith(b"block=")
    lose(site, "s1")
    start = site.now
    site.run(4.0)
    asked = site.datagrams(BlockQ, since=start)
    assert 4 <= len(asked) <= 24
    assert not any(site.core("s2").group._exchange._news)


def test_unsigned_and_recorded_blocks_change_nothing():
    site = group("s1", "s2")
    core = site.core("s2")
    entry = site.core("s1").group.blocks.put(LOST, True, "s1")
    forged = Block("1.0", "s1", "b" * 16, 99, "", False, (entry,))
    for data in (encode_datagram(forged), encode_datagram(forged) + b" sig=" + b"0" * 64):
        core.receive_datagram(data, ("10.0.0.1", 7009), "eth0", site.now, "unicast")
    assert not core.group.blocks.blocks_token(ALICE)
    blocked = SECRETS.sign(encode_datagram(forged))
    core.receive_datagram(blocked, ("10.0.0.1", 7009), "eth0", site.now, "unicast")
    assert core.group.blocks.blocks_token(ALICE)
    lose(site, "s2", blocked=False)
    core.receive_datagram(blocked, ("10.0.0.1", 7009), "eth0", site.now, "unicast")
    assert not core.group.blocks.blocks_token(ALICE)


def test_a_card_that_is_out_is_not_talked_of():
    site = group("s1")
    desk = opened(site, site.desk("s1"))
    desk.say(Remove(desk.seq))
    lose(site, "s1")
    assert desk.told(Disconnect) == []


def test_of_two_cards_of_one_person_only_the_lost_one_is_out():
    """Both open the same session, which belongs to the first."""
    site = group("s1")
    site.registry[BOB] = Registration("alice", True, owner=ALICE)
    desk = opened(site, site.desk("s1"), BOB)
    lose(site, "s1")
    site.run(0.5)
    assert desk.told(Disconnect) == []
    assert [shown for _, _, shown in site.sessions()] == [desk.name]
    lose(site, "s1", token_key(BOB))
    assert desk.told(Disconnect) == [Disconnect(desk.seq, "blocked")]
    lose(site, "s1", blocked=False)
    other = opened(site, site.desk("s1"))
    assert other.told(Connect)[0].session == desk.told(Connect)[0].session
