"""An update of the terminal's system: what its file says, and what the screen says of it when."""

import asyncio
import logging

import pytest

from dtu.core import catalogue
from dtu.core.actions import Show
from dtu.core.events import CardPresented
from dtu.core.proving import Step
from dtu.core.states import State
from dtu.core.update import MAX_UPDATE_TEXT, NO_UPDATE, Update, parse_update
from dtu.drivers.update_file import UpdateFile
from fakes.bench import ALICE, READER, bench_at, in_session
from roamwire.control import Ask, Connect, Question

UPDATING = catalogue.UPDATING.code


@pytest.mark.parametrize(
    ("text", "percent"),
    [
        *(("40\n", 40), ("0", 0), ("100", 100), (" 7 % ", 7), ("", None), ("\n", None)),
        *(("101", None), ("-1", None), ("4.5", None), ("half", None), ("9" * 64, None)),
        *(("４０", None), ("1_0", None)),
    ],
)
def test_what_the_file_says(text, percent):
    assert parse_update(text) == Update(True, percent)


def watched(path, *changes):
    """What a watch of the file posts while these are done to it."""

    async def run():
        watch, posted = UpdateFile(path), []
        watch.interval_s = 0.0
        watch.start(posted.append)
        for change in changes:
            change()
            for _ in range(3):
                await asyncio.sleep(0)
        watch.stop()
        return posted

    return asyncio.run(run())


def test_the_file_is_followed(tmp_path):
    path = tmp_path / "updating"
    told = watched(
        path,
        *(path.touch, lambda: path.write_text("10"), lambda: path.write_text("10\n")),
        *(lambda: path.write_text("55"), path.unlink),
    )
    assert told == [Update(True), Update(True, 10), Update(True, 55), NO_UPDATE]


def test_an_update_that_is_under_way_is_told_at_the_start_and_none_is_not(tmp_path):
    path = tmp_path / "updating"
    assert watched(path) == []
    path.write_text("3")
    assert watched(path) == [Update(True, 3)]


def test_a_file_that_cannot_be_read_or_is_long_is_an_update_all_the_same(tmp_path, caplog):
    path = tmp_path / "updating"
    path.mkdir()
    with caplog.at_level(logging.WARNING):
        assert watched(path, *[lambda: None] * 3) == [Update(True)]
    assert len(caplog.records) == 1, "said once"
    path.rmdir()
    path.write_bytes(b"\xff" * 10 * MAX_UPDATE_TEXT)
    assert watched(path) == [Update(True)]


def told(bench, update):
    bench.terminal.update(update)
    bench.act()
    return bench.words


@pytest.mark.parametrize("state", State)
def test_it_is_said_in_every_state_and_gone_with_the_file(state):
    bench = bench_at(state)
    before = bench.words
    assert told(bench, Update(True, 40)) == UPDATING
    assert bench.of(Show)[-1].message.params == (("percent", "40"),)
    told(bench, Update(True, 41))
    assert bench.of(Show)[-1].message.params == (("percent", "41"),)
    assert told(bench, Update(True)) == UPDATING
    assert bench.of(Show)[-1].message == catalogue.UPDATING
    assert told(bench, NO_UPDATE) == before


def test_a_session_is_not_covered_and_opens_over_it():
    bench = in_session()
    told(bench, Update(True, 40))
    assert bench.of(Show) == []
    bench.card_out()
    assert bench.of(Show)[-1].message.code == UPDATING
    bench.card_in()
    assert bench.of(Show)[-1].message.code == UPDATING
    bench.hear(Connect(bench.seq, "a1", 2, "t", 7010))
    bench.done.clear()
    bench.terminal.first_frame("a1", 2)
    bench.act()
    told(bench, Update(True, 41))
    assert bench.of(Show) == []


def test_what_a_person_types_into_is_not_covered():
    bench = bench_at(State.CONNECTED)
    told(bench, Update(True, 40))
    bench.card(CardPresented(ALICE, READER, bench.now))
    bench.hear(Ask(bench.seq, Question.PASSWORD, "alice", 0, 0))
    assert bench.terminal.proving.step is Step.FORM
    assert bench.words == catalogue.ENTER_PASSWORD.code
    bench.card_out()
    assert bench.words == UPDATING
