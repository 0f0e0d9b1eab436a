"""The story: what Roamdesk is for, step by step on real parts. Used by the demo and by its test.

A step is a method that returns one sentence about what happened, or raises StepFailed.
"""

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from roamtools.demo.desk import Desk, Ink, StepFailed, wait_until
from roamtools.lab.lab import Lab
from roamtools.lab.plan import CARDS

TEXT = "Minutes of Monday: the desk is a place, the session is yours."
SERVERS = 3


class Story:
    """The steps in their order; `lab` is up without servers and desks."""

    def __init__(self, lab: Lab, pictures: Path) -> None:
        self.lab = lab
        self._pictures = pictures
        self._one: Desk | None = None
        self._two: Desk | None = None
        self._session = ""
        self._ink: Ink | None = None
        self._gone = ""

    @property
    def one(self) -> Desk:
        """Desk 1."""
        self._one = self._one or Desk(self.lab, "desk1", self._pictures)
        return self._one

    @property
    def two(self) -> Desk:
        """Desk 2."""
        self._two = self._two or Desk(self.lab, "desk2", self._pictures)
        return self._two

    def steps(self) -> Iterator[tuple[str, Callable[[], str]]]:
        """Title and step."""
        yield "a desk without any server", self.desk_waits
        yield "servers come", self.servers_come
        yield "second desk", self.second_desk
        yield "card A into desk 1", self.first_card
        yield "typing and saving", self.type_and_save
        yield "card A out", self.card_out
        yield "card A into desk 2", self.roam
        yield "card B into desk 1", self.second_card
        yield "card A in both desks in turn", self.double_insert
        yield "the server under card A is killed", self.kill
        yield "the killed server comes back", self.come_back
        yield "the link of the server under card A is cut", self.cut
        yield "the link is healed", self.come_back
        yield "the daemons restart under card A", self.restart
        yield "a server with a wrong secret", self.wrong_secret

    # Helpers

    def status(self, server: str) -> dict[str, Any]:
        """What a server says of itself and of the group."""
        nodes = {node["name"]: node for node in self.lab.status(deep=True)["nodes"]}
        tells: dict[str, Any] = nodes[server]["tells"]
        return tells

    def _trusted_up(self, server: str) -> set[str]:
        hosts = self.status(server).get("topology", [])
        return {each["host"] for each in hosts if each["trusted"] and not each["down"]}

    def _all_trusted(self) -> set[str]:
        """Wait until each server trusts all others."""
        names = set(self.lab.servers())
        wait_until(
            "the servers trust each other",
            lambda: all(self._trusted_up(name) == names - {name} for name in names),
        )
        return names

    def _alice_file(self) -> str:
        try:
            return (self.lab.directory / "home/alice/notes.txt").read_text()
        except OSError:
            return ""

    def _server_of(self, session: str) -> str:
        for name in self.lab.servers():
            node = self.lab.node(name)
            up = node["power"] and node["link"]
            if up and session in {each["session"] for each in self.status(name)["sessions"]}:
                return name
        raise StepFailed(f"no server has session {session}")

    # The steps

    def desk_waits(self) -> str:
        """A desk that starts before any server waits, and says so."""
        self.lab.add_desk()
        wait_until("desk1 says that it looks for a server", lambda: self.one.state()["code"] == 13)
        self.one.picture("desk 1 waits for a server")
        return f"desk1 has address {self.one.state()['address']} and looks for a server"

    def servers_come(self) -> str:
        """Servers find each other, the desk finds one of them."""
        for _ in range(SERVERS):
            self.lab.add_server(wait=False)
        self.lab.wait_ready()
        names = self._all_trusted()
        wait_until("desk1 is connected", lambda: self.one.state()["state"] == "connected")
        self.one.picture("desk 1 asks for a card")
        return f"{len(names)} servers trust each other, desk1 is connected to {self.one.server}"

    def second_desk(self) -> str:
        """Power on: an address by DHCP."""
        self.lab.add_desk()
        wait_until("desk2 is connected", lambda: self.two.state()["state"] == "connected")
        state = self.two.state()
        return f"desk2 has address {state['address']} and is connected to {state['server']}"

    def first_card(self) -> str:
        """A new session on the least loaded server."""
        self._session = self.one.insert("A")
        server = self._server_of(self._session)
        self._wait_for_desktop(self.one)
        self.one.picture("card A in desk 1")
        return f"new session {self._session[:6]} of alice on {server}"

    def _wait_for_desktop(self, desk: Desk) -> None:
        """Until the picture no longer changes but for the caret: all windows are there."""
        still_since, last = time.monotonic(), desk.ink()
        deadline = time.monotonic() + 15
        while time.monotonic() - still_since < 0.6:
            time.sleep(0.1)
            now = desk.ink()
            if int((now ^ last).sum()) > 40:
                still_since = time.monotonic()
            last = now
            if time.monotonic() > deadline:
                raise StepFailed(f"the picture of {desk.name} does not settle")

    def type_and_save(self) -> str:
        """Keys go to the session, the file to the data server."""
        self.one.type_in_editor(TEXT)
        wait_until("the text is saved in alice's home", lambda: TEXT in self._alice_file())
        self._ink = self.one.ink()
        if int(self._ink.sum()) < 200:
            raise StepFailed("the typed text is not on the screen")
        self.one.picture("typed and saved")
        return f"{len(TEXT)} characters typed, saved as notes.txt in alice's home"

    def card_out(self) -> str:
        """Blank at once."""
        ms = self.one.remove()
        wait_until("desk1 asks for a card", lambda: self.one.state()["code"] == 21)
        self.one.picture("card A out")
        return f"blank {ms:.1f} ms after the reader told of it"

    def roam(self) -> str:
        """Another desk at another server: redirected, the same screen."""
        home = self._server_of(self._session)
        self._connect_elsewhere(self.two, home)
        via = self.two.server
        found = self.two.insert("A")
        if found != self._session or self.two.server != home:
            raise StepFailed(f"desk2 shows {found} on {self.two.server}, not {self._session}")
        self._same_text(self.two)
        self.two.picture("card A in desk 2")
        return f"{via} redirected desk2 to {home}: the same session, the same text"

    def _connect_elsewhere(self, desk: Desk, server: str) -> None:
        """Switch the terminal off and on until chance connects it to another server."""
        for _ in range(20):
            wait_until(f"{desk.name} is connected", lambda: desk.state()["state"] == "connected")
            if desk.server != server:
                return
            self.lab.stop_process(desk.name, "dtu")
            self.lab.start_process(desk.name, "dtu")
            self.lab.wait_ready(desk.name)
        raise StepFailed(f"{desk.name} always connects to {server}")

    def _same_text(self, desk: Desk) -> None:
        if self._ink is None:
            raise StepFailed("nothing was typed before")
        desk.wait_for_text(self._ink)

    def second_card(self) -> str:
        """Another user at the same time, on a server with less to do."""
        session = self.one.insert("B")
        self._wait_for_desktop(self.one)
        self.one.picture("card B in desk 1")
        server, other = self._server_of(session), self._server_of(self._session)
        if server == other:
            raise StepFailed(f"bob's session was placed beside alice's on {server}")
        return f"new session of bob on {server}; alice's is on {other}"

    def double_insert(self) -> str:
        """The same card number at both desks in turn, fast: it shows at one only, the last one."""
        self.one.remove()
        for desk in itertools.islice(itertools.cycle((self.one, self.two)), 5):
            if self.lab.card(desk.name):
                self.lab.remove(desk.name)
            self.lab.insert(desk.name, "A")
        winner, loser = self.one, self.two
        wait_until(
            "the last desk shows the session",
            lambda: winner.state()["session"] == self._session,
        )
        wait_until("the other shows words", lambda: loser.state()["code"] == 43)
        time.sleep(1.0)
        if winner.state()["session"] != self._session or loser.state()["session"]:
            raise StepFailed("the session shows at both desks, or at none")
        loser.picture("desk 2 has lost the session")
        self.lab.remove(loser.name)
        return f"shown at {winner.name} only; {loser.name} says that it is elsewhere"

    def kill(self) -> str:
        """SIGKILL to all processes of the server: another one, the saved file is there."""
        return self._fail_over(self.lab.kill, "killed")

    def cut(self) -> str:
        """The server's link goes silent, nothing is closed."""
        return self._fail_over(self.lab.cut, "cut off")

    def _fail_over(self, harm: Callable[[str], float], how: str) -> str:
        gone = self.one.server
        with self.lab.trace(self.one.name) as trace:
            since = harm(gone)
            trace.wait("words", 20, code=41)
            self.one.picture(f"{gone} is lost")
            self._session = str((frame := trace.wait("first_frame", 20))["session"])
        ms = (frame["at"] - since) * 1000
        self._gone = gone
        self._same_text(self.one)
        self.one.picture(f"{gone} {how}")
        return f"{gone} {how}; desk1 has a session on {self.one.server} after {ms:.0f} ms"

    def come_back(self) -> str:
        """The server rejoins by itself."""
        self.lab.heal(self._gone)
        self.lab.wait_ready()
        names = self._all_trusted()
        return f"{self._gone} is back in the group of {len(names)}, nobody configured anything"

    def restart(self) -> str:
        """The daemons restart, the session is the same."""
        server = self.one.server
        with self.lab.trace(self.one.name) as trace:
            since = time.monotonic()
            self.lab.restart(server)
            frame = trace.wait("first_frame", 20)
        if frame["session"] != self._session or self.one.server != server:
            raise StepFailed(f"desk1 shows {frame['session']}, not {self._session} on {server}")
        self._same_text(self.one)
        self.lab.wait_ready(server)
        self.one.picture("daemons restarted")
        return f"the same session on {server} is back after {(frame['at'] - since) * 1000:.0f} ms"

    def wrong_secret(self) -> str:
        """A server of the same network with another secret: seen, not trusted, gets nobody."""
        stranger = self.lab.add_server(wrong_secret=True)
        witness = self.one.server

        def seen() -> bool:
            hosts = self.status(witness)["topology"]
            return any(h["host"] == stranger and not h["trusted"] for h in hosts)

        wait_until(f"{stranger} is seen", seen)
        self.one.remove()
        session = self.one.insert("C")
        if self._server_of(session) == stranger or self.status(stranger)["sessions"]:
            raise StepFailed(f"{stranger} got a session")
        owner = CARDS["C"].owner
        return f"{stranger} is seen as not TRUSTED; {owner}'s session is on {self.one.server}"
