"""The set of blocks: merging in any order, the summary, pages, bounds; its file on the disk."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roamwire.blocks import dtu_key, is_block_key, token_key
from roamwire.datagrams import BlockEntry
from roamwire.limits import MAX_STAMP
from roamwire.tokens import Token
from sessionhost.adapters.block_file import BlockFile
from sessionhost.core import blocks as module
from sessionhost.core.blocks import BlockSet, BlocksFullError

CARD, OTHER = Token("uid", "04a1b2c3"), Token("piv", "04a1b2c3")
KEYS = [token_key(Token("uid", f"{n:08x}")) for n in range(4)]
ENTRIES = st.builds(
    BlockEntry, st.sampled_from(KEYS), st.booleans(), st.integers(1, 4), st.sampled_from("ab")
)


def filled(count):
    blocks = BlockSet()
    for number in range(count):
        blocks.put(dtu_key(f"desk{number}"), True, "s1")
    return blocks


def test_keys_tell_kinds_and_names_apart():
    keys = {token_key(CARD), token_key(OTHER), dtu_key("desk1"), dtu_key("uid:04a1b2c3")}
    assert len(keys) == 4
    assert all(is_block_key(key) for key in keys)
    assert not is_block_key(token_key(CARD)[:-1])
    assert "04a1" not in token_key(CARD)


@given(st.lists(ENTRIES, max_size=12), st.randoms(use_true_random=False))
def test_sets_that_heard_the_same_in_any_order_are_equal(entries, random):
    one, two = BlockSet(), BlockSet()
    one.merge(entries)
    shuffled = entries * 2
    random.shuffle(shuffled)
    for entry in shuffled:
        two.merge((entry,))
    assert one.entries() == two.entries()
    assert one.summary == two.summary
    assert one.merge(entries) == ()


@given(st.lists(ENTRIES, min_size=1, max_size=12))
def test_different_sets_have_different_summaries(entries):
    one, two = BlockSet(), BlockSet()
    one.merge(entries)
    two.merge(entries[1:])
    assert (one.summary == two.summary) == (one.entries() == two.entries())


def test_the_last_word_holds_wherever_it_was_said():
    here, there = BlockSet(), BlockSet()
    there.merge((here.put(token_key(CARD), True, "s1"),))
    assert there.blocks_token(CARD)
    assert not there.blocks_token(OTHER)
    here.merge((there.put(token_key(CARD), False, "s2"),))
    assert not here.blocks_token(CARD)
    here.merge((BlockEntry(token_key(CARD), True, 1, "s1"),))  # a replay of the first word
    assert not here.blocks_token(CARD)
    here.put(dtu_key("desk1"), True, "s1")
    assert here.blocks_dtu("desk1")
    assert here.blocked_dtus() == [dtu_key("desk1")]
    assert here.counts() == {"cards": 0, "terminals": 1}


@pytest.mark.parametrize("count", [0, 1, 12, 100])
def test_pages_give_every_entry_once_the_newest_first(count):
    blocks, got, stamp, after, more = filled(count), [], 0, "", True
    while more:
        page, more = blocks.page(stamp, after)
        got += page
        if page:
            stamp, after = page[-1].stamp, page[-1].entry
    assert got == blocks.entries()
    assert [each.stamp for each in got] == list(range(count, 0, -1))


def test_a_full_set_takes_no_new_key_and_still_changes_known_ones(monkeypatch):
    monkeypatch.setattr(module, "MAX_BLOCKS", 3)
    blocks = filled(3)
    with pytest.raises(BlocksFullError, match="3 cards and terminals"):
        blocks.put(token_key(CARD), True, "s1")
    assert blocks.merge((BlockEntry(token_key(CARD), True, 9, "s2"),)) == ()
    blocks.put(dtu_key("desk1"), False, "s1")
    assert not blocks.blocks_dtu("desk1")


def test_stamps_end_before_the_wire_does():
    blocks = BlockSet()
    blocks.merge((BlockEntry(token_key(CARD), True, MAX_STAMP, "s1"),))
    with pytest.raises(BlocksFullError):
        blocks.put(token_key(CARD), False, "s1")


def test_the_file_gives_back_what_it_was_given(tmp_path):
    file, blocks = BlockFile(tmp_path / "blocks"), filled(3)
    file.load(empty := BlockSet())
    assert len(empty) == 0
    file.keep(blocks.entries()[:2])
    file.keep(blocks.entries()[2:])
    file.keep((blocks.put(dtu_key("desk1"), False, "s1"),))
    file.load(again := BlockSet())
    assert again.entries() == blocks.entries()
    assert (tmp_path / "blocks").stat().st_mode & 0o777 == 0o640
    before = (tmp_path / "blocks").stat().st_size
    file.compact(again)
    assert (tmp_path / "blocks").stat().st_size < before
    file.load(compacted := BlockSet())
    assert compacted.summary == blocks.summary


def test_a_line_cut_off_by_a_power_failure_costs_only_itself(tmp_path, caplog):
    file, blocks = BlockFile(tmp_path / "blocks"), filled(2)
    file.keep(blocks.entries())
    data = (tmp_path / "blocks").read_bytes()
    (tmp_path / "blocks").write_bytes(data[:-10])
    file.keep((blocks.put(token_key(CARD), True, "s1"),))
    file.load(again := BlockSet())
    assert again.blocks_token(CARD)
    assert len(again) == 2
    assert "1 lines are not readable" in caplog.text


def test_a_full_disk_is_told_once_and_the_set_goes_on(tmp_path, caplog, monkeypatch):
    file, blocks = BlockFile(tmp_path / "blocks"), filled(1)

    def full(_descriptor, _data):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        file.keep(blocks.entries())
        file.keep(blocks.entries())
    assert caplog.text.count("No space left on device") == 1
    file.keep(blocks.entries())
    file.load(again := BlockSet())
    assert again.summary == blocks.summary
