"""The terminal's process carries out what its core wants, all of it and in its order."""

import asyncio

import pytest

from dtu.app import last_resort, main
from dtu.app.config import SETTINGS, config_from_values
from dtu.app.display_link import FirstFrame
from dtu.core.actions import Blank, CloseDisplay, OpenDisplay
from dtu.core.events import CardPresented, CardRemoved
from dtu.core.lease import Lease
from dtu.drivers.display.pygame_screen import open_screen
from fakes.bench import ALICE, BOB, READER
from roamwire import control
from roamwire.control import encode_line, parse_line

SEEN = Blank | CloseDisplay | OpenDisplay
SETTINGS_HERE = {
    "name": "desk1",
    "display": "headless",
    "card": "scripted",
    "input": "scripted",
    "network": "scripted",
    "sound": "none",
}


class Links:
    """In the place of all that has sockets: reaches nobody, and writes into `done`."""

    shown = sound = tls = None

    def __init__(self, done):
        self.done = done
        self.attempt = 0
        self.seq = 0

    def connect(self, attempt, server):
        self.attempt = attempt

    def hang_up(self, attempt):
        pass

    def broadcast(self, data, address):
        pass

    def send(self, attempt, line):
        self.seq = getattr(parse_line(line), "seq", self.seq)

    def open(self, address, port, ticket, session, epoch):
        self.done.append(OpenDisplay(address, port, ticket, session, epoch))

    def start(self):
        pass

    def set_layout(self, layout):
        pass

    def close(self):
        self.done.append(CloseDisplay())
        closed = asyncio.get_running_loop().create_future()
        closed.set_result(None)
        return closed


class Desk:
    """A process whose events are made by hand; `wanted` is the core's list, `done` its own."""

    def __init__(self, tmp_path, screen, monkeypatch):
        self.wanted, self.done = [], []
        self.links = Links(self.done)
        for name in ("Admission", "DisplayLink", "QuerySocket"):
            monkeypatch.setattr(main, name, lambda *_, **__: self.links)
        (tmp_path / "ca.crt").write_text("no certificate is looked at here")
        places = {"state_dir": str(tmp_path), "run_dir": str(tmp_path), "ca": "ca.crt"}
        values = SETTINGS.defaults() | SETTINGS_HERE | places
        self.process = main.TerminalProcess(
            config_from_values(values, tmp_path / "dtu.toml"), screen
        )
        self._blank, screen.blank = screen.blank, self.blank
        self._next, self.process._terminal.next_action = (
            self.process._terminal.next_action,
            self.next_action,
        )

    def blank(self):
        self.done.append(Blank())
        self._blank()

    def next_action(self):
        action = self._next()
        if isinstance(action, SEEN):
            self.wanted.append(action)
        return action

    def hear(self, line):
        self.process._line(self.links.attempt, encode_line(line).rstrip(b"\n"))

    def connect(self, session, epoch):
        self.hear(control.Connect(self.links.seq, session, epoch, "t", 7010))
        self.process._display_event(FirstFrame(session, epoch, 1.0))

    def card(self, event):
        self.process._card_event(event)


@pytest.fixture
def screen(monkeypatch):
    monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
    opened = open_screen("headless", 640, 400)
    yield opened
    opened.close()


def test_pictures_open_close_and_go_in_the_order_in_which_the_core_wants_it(
    tmp_path, screen, monkeypatch
):
    async def play():
        desk = Desk(tmp_path, screen, monkeypatch)
        desk.process._lease_changed(Lease("eth0", "10.0.0.99", 24, listed_servers=("10.0.0.1",)))
        desk.process._deadline()
        desk.process._link_opened(desk.links.attempt, "s1")
        desk.hear(control.Welcome("s1", 500, 1500, ()))
        desk.card(CardPresented(ALICE, READER, 1.0))
        desk.connect("a1", 1)
        desk.connect("a1", 2)
        desk.card(CardPresented(BOB, READER, 2.0))
        desk.connect("b1", 1)
        desk.hear(control.Disconnect(desk.links.seq, "taken-over"))
        desk.card(CardRemoved(READER, 3.0))
        desk.process._timer.cancel()
        return desk

    desk = asyncio.run(play())
    assert desk.done == desk.wanted
    opened = [OpenDisplay("10.0.0.1", 7010, "t", *each) for each in (("a1", 1), ("a1", 2))]
    assert desk.done == [
        *(opened[0], CloseDisplay(), opened[1]),
        *(Blank(), CloseDisplay(), OpenDisplay("10.0.0.1", 7010, "t", "b1", 1)),
        *(CloseDisplay(), Blank()),
        Blank(),
    ]


@pytest.mark.parametrize("part", ["handle_deadline", "next_action", "next_deadline"])
def test_a_core_that_fails_ends_the_process(tmp_path, screen, monkeypatch, part):
    """It would be a terminal without a timer, or with one that is always due."""
    ended = []
    monkeypatch.setattr(last_resort.os, "_exit", ended.append)
    monkeypatch.setattr(last_resort.logging, "shutdown", lambda: None)

    def fail(*_):
        raise ValueError("a bug of the core")

    async def play():
        desk = Desk(tmp_path, screen, monkeypatch)
        running = asyncio.create_task(desk.process.run())
        await asyncio.sleep(0)
        monkeypatch.setattr(desk.process._terminal, part, fail)
        desk.process._loop.call_soon(desk.process._deadline)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert ended[:1] == [1]
        monkeypatch.undo()
        desk.process._stop.set()
        await running

    asyncio.run(play())


def test_an_update_of_the_system_is_on_the_screen(tmp_path, screen, monkeypatch):
    (tmp_path / "updating").write_text("40\n")

    async def play():
        desk = Desk(tmp_path, screen, monkeypatch)
        running = asyncio.create_task(desk.process.run())
        await asyncio.sleep(0)
        words = desk.process._face.words
        desk.process._stop.set()
        await running
        return words

    words = asyncio.run(play())
    assert (words.code, words.text) == (18, "40 % done. Do not switch off.")
