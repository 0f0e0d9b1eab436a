"""Which failures on the loop end the process: bugs of ours do, trouble of others does not."""

import asyncio
import logging

import pytest

from dtu.app import last_resort
from dtu.app.last_resort import end_at_bugs
from dtu.drivers.net.scripted import ScriptedWatch


@pytest.fixture
def ends(monkeypatch):
    """The statuses with which the process would have ended."""
    statuses = []
    monkeypatch.setattr(last_resort.os, "_exit", statuses.append)
    monkeypatch.setattr(logging, "shutdown", lambda: None)
    return statuses


def broken(error):
    """A function of ours that fails with this."""

    def fail(_):
        raise error

    watch = ScriptedWatch()
    watch.start(fail)
    return lambda: watch.set(True)


def on_a_loop(work):
    async def play():
        end_at_bugs(asyncio.get_running_loop())
        await work(asyncio.get_running_loop())

    asyncio.run(play())


@pytest.mark.parametrize("error", [ValueError("a bug"), OSError("a disk"), KeyError()])
def test_a_callback_of_ours_that_fails_ends_the_process(ends, caplog, error):
    async def work(loop):
        loop.call_later(0, broken(error))
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    on_a_loop(work)
    assert ends == [1]
    assert "this is a bug" in caplog.text
    assert "scripted.py" in caplog.text, "where it was"


def test_a_callback_without_a_line_of_ours_is_logged(ends, caplog):
    async def work(loop):
        loop.call_soon(lambda: int("a library's own trouble"))
        await asyncio.sleep(0)

    on_a_loop(work)
    assert ends == []
    assert "a library's own trouble" in caplog.text


@pytest.mark.parametrize(
    ("error", "wanted"), [(ConnectionResetError("gone"), []), (TypeError("a bug"), [1])]
)
def test_a_connection_that_breaks_is_no_bug(ends, error, wanted):
    with pytest.raises(type(error)) as caught:
        broken(error)()
    loop = asyncio.new_event_loop()
    try:
        end_at_bugs(loop)
        loop.call_exception_handler({"message": "in a protocol", "exception": caught.value})
    finally:
        loop.close()
    assert ends == wanted


def test_words_without_an_exception_end_nothing(ends):
    loop = asyncio.new_event_loop()
    try:
        end_at_bugs(loop)
        loop.call_exception_handler({"message": "a task was destroyed"})
    finally:
        loop.close()
    assert ends == []
