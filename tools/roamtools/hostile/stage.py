"""The lab that is attacked: two servers, two honest desks, and a desk that belongs to the attacker.

The attacker is carol, who has a card of the group, a terminal of it (desk3) with its certificate,
and with that the network. She knows every card number, certificate and server, and who works where.
What she lacks is the group's secret, the keys of others and their cards.
"""

import datetime
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from roamtools.demo.desk import Desk, wait_until
from roamtools.hostile.badge import Badge
from roamtools.hostile.inside import in_network_of
from roamtools.hostile.peer import Peer, client_context
from roamtools.lab.lab import Lab
from roamtools.lab.piv_cards import make_piv
from roamtools.lab.rpc import Refusal
from roamwire.control import Cause, Challenge, Connect, Insert, Line, Notice, Redirect
from roamwire.identity import Identity
from roamwire.notices import NoticeCode
from roamwire.signing import GroupSecrets
from roamwire.tokens import Token
from sessionhost.adapters import pki
from sessionhost.adapters.certificates import LEAF_YEARS, Issued

T = TypeVar("T")

SERVERS = ("server1", "server2")
HOPPER, VICTIM, EVIL, NEWCOMER = "desk1", "desk2", "desk3", "desk4"
CONTROL_PORT, DISPLAY_PORT, ENROL_PORT = 7009, 7010, 7011
PEOPLE = ("alice", "bob", "carol")
EVIL_USER = "carol"

GUESS = GroupSecrets(b"what an attacker may guess at!!!")
"""For signatures with a secret that is not the group's."""

POLICY = 'piv = "registered"\nuid = "registered"\nlogin = true\nenrolment = "open"\n'
"""PIV cards have to prove themselves. Registered numbers open, so that a number which is refused is
refused because nobody registered it; what a copied number opens is a matter of policy and has a
stage of its own (`roamtools.hostile.side_stage`). Enrolment is as lax as it can be."""


class Stage:
    """The lab with its people at their desks; `with Stage(...)` ends it too.

    `side`: another small one beside it (`roamtools.hostile.side_stage`).
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        policy: str = POLICY,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self.lab = Lab(name, progress)
        self.folder = folder
        self.policy = policy
        self.side: Stage | None = None
        self.hopper = Desk(self.lab, HOPPER, folder)
        self.victim = Desk(self.lab, VICTIM, folder)
        self.session = ""
        self._badges: dict[str, Badge] = {}
        self._boots: dict[str, str] = {}

    def __enter__(self) -> Self:
        try:
            self.lab.up(servers=len(SERVERS), desks=2, tied=True, policy=self.policy, enrold=True)
            self.lab.add_desk(with_daemons=False)
            for user in PEOPLE:
                self._badges[user] = Badge.of(make_piv(self.lab, user, user))
            for desk in (HOPPER, VICTIM):
                wait_until(f"{desk} is connected", partial(self._connected, desk))
            self.sit_down()
            self.session = str(self.victim.state()["session"])
            self._boots = {server: self.status(server)["boot"] for server in SERVERS}
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end_side()
        if self.lab.exists():
            self.lab.down()

    def end_side(self) -> None:
        """Ends the small lab, if there is one."""
        if self.side is not None:
            self.side.__exit__(None, None, None)
            self.side = None

    def sit_down(self) -> None:
        """Bob's card goes in at his desk."""
        with self.lab.trace(VICTIM) as trace:
            self.lab.insert(VICTIM, "", piv="bob")
            trace.wait("first_frame", 20)

    def _connected(self, desk: str) -> bool:
        return bool(self.lab.desk_state(desk)["state"] == "connected")

    # What the attacker has

    def evil(self, work: Callable[[], T]) -> T:
        """Runs `work` in the network of the attacker's terminal."""
        return self.inside(EVIL, work)

    def inside(self, node: str, work: Callable[[], T]) -> T:
        """Runs `work` in the network of another server or desk."""
        return in_network_of(int(self.lab.node(node)["init"]), work)

    def address(self, node: str) -> str:
        """IPv4 address of a server or desk."""
        return str(self.lab.node(node)["address"]) or self._leased(node)

    def _leased(self, desk: str) -> str:
        lines = self.lab.lease_text(desk).splitlines()
        return next(line.partition("=")[2] for line in lines if line.startswith("address="))

    @property
    def own(self) -> Path:
        """Folder with the attacker's own, genuine certificate and key."""
        return self.lab.node_dir(EVIL) / "etc" / "roamdesk"

    def peer(self, server: str, folder: Path | None = None, port: int = CONTROL_PORT) -> Peer:
        """A TLS connection from the attacker's terminal with its own certificate, or another."""
        context = client_context(folder or self.own)
        return self.evil(lambda: Peer(self.address(server), port, context))

    def greeted(self, server: str) -> Peer:
        """A control connection that has said hello."""
        peer = self.peer(server)
        if peer.hello(EVIL) is None:
            peer.close()
            raise Refusal(f"{server} does not welcome {EVIL}")
        return peer

    def badge(self, user: str) -> Badge:
        """A person's card. Its key is in the attacker's hands only if it is carol's."""
        return self._badges[user]

    def insert(self, who: str, seq: int = 1, **fields: Any) -> Insert:
        """An insert of a person's card, or of any token."""
        token = self._badges[who].token if who in self._badges else Token.parse(who)
        return Insert(token, fields.pop("cause", Cause.INSERT), seq, **fields)

    def redirected(self, line: Redirect) -> Insert:
        """The insert of carol's card at the server that she was sent to."""
        return self.insert(EVIL_USER, cause=Cause.REDIRECT, ticket=line.ticket)

    def opened(self, server: str, peer: Peer, insert: Insert, dtu: str = EVIL) -> Line | None:
        """What carol's own card gets, proven as it has to be: connect or redirect, normally."""
        line = peer.insert(insert, Challenge, Connect, Redirect, Notice)
        if isinstance(line, Challenge):
            peer.send(self._badges[EVIL_USER].answer(line, server, dtu))
            line = peer.until(Connect, Redirect, Notice)
        while isinstance(line, Notice) and line.code == NoticeCode.STARTING:
            line = peer.until(Connect, Redirect, Notice)
        return line

    def forged(self, name: str, identity: Identity, *, years: int = 10) -> Path:
        """A certificate for `identity` of a CA that the attacker made; negative years: expired."""
        folder = self.folder / name
        if not folder.exists():
            now = datetime.datetime.now(datetime.UTC)
            ca = pki.create_group(folder / "ca", "lab", now, os.urandom)
            issued = ca.issue(identity, now + datetime.timedelta(days=365 * (years - LEAF_YEARS)))
            _write(folder, issued, folder / "ca" / "ca.crt")
        return folder

    def genuine(self, name: str, identity: Identity, *, years: int = 10) -> Path:
        """A certificate of the group's own CA, as somebody else may have lost it."""
        folder = self.folder / name
        if not folder.exists():
            now = datetime.datetime.now(datetime.UTC)
            ca = pki.load_ca(self.group)
            issued = ca.issue(identity, now + datetime.timedelta(days=365 * (years - LEAF_YEARS)))
            _write(folder, issued, self.group / "ca.crt")
        return folder

    @property
    def group(self) -> Path:
        """The group's folder with its CA: nothing that an attacker has."""
        return self.lab.directory / "credentials" / "group"

    def start_newcomer(self) -> None:
        """A terminal (desk4) starts that knows no server of before: it believes what it is told."""
        if NEWCOMER not in self.lab.desks():
            self.lab.add_desk(wait=False)
            return
        for process in ("dtu", "udhcpc"):
            self.lab.stop_process(NEWCOMER, process)
        for file in (self.lab.node_dir(NEWCOMER) / "state").glob("servers*"):
            file.unlink()
        for process in ("udhcpc", "dtu"):
            self.lab.start_process(NEWCOMER, process)

    # What became of it

    def status(self, server: str) -> dict[str, Any]:
        """What a server says of itself to its administrator."""
        return self.roamctl(server, "status")

    def roamctl(self, server: str, *words: str) -> dict[str, Any]:
        """An administrator's command on a server."""
        command = [sys.executable, "-m", "sessionhost.app.roamctl", *words, "--json"]
        done = self.lab.run(server, command, user="roamdesk")
        if done.returncode:
            raise Refusal(f"roamctl {' '.join(words)} on {server}: {done.stderr}{done.stdout}")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def sessions(self) -> list[dict[str, Any]]:
        """All sessions of all servers."""
        found = []
        for server in SERVERS:
            found += [each | {"host": server} for each in self.status(server)["sessions"]]
        return found

    def shown_at(self, desk: str) -> list[str]:
        """Sessions that the servers think a desk shows."""
        return [each["session"] for each in self.sessions() if each["dtu"] == desk]

    def harm(self) -> str:
        """What honest people have lost, in words; "" if nothing."""
        state = self.victim.state()
        if state["session"] != self.session:
            return f"{VICTIM} shows {state['session'] or 'nothing'} instead of its session"
        for server, boot in self._boots.items():
            if self.status(server)["boot"] != boot:
                return f"hostd of {server} was restarted"
            if "Traceback" in (log := self.lab.logs(server)):
                return f"a traceback on {server}: {log[log.index('Traceback') :][:300]}"
        return self._ended()

    def _ended(self) -> str:
        """Daemons that ended without being told to."""
        for node in self.lab.status()["nodes"]:
            for process in node["processes"]:
                if node["kind"] == "server" and process["restarts"]:
                    return (
                        f"{process['name']} of {node['name']} has ended {process['restarts']} times"
                    )
        return ""

    @property
    def idle_server(self) -> str:
        """The server that does not have the victim's session."""
        return next(server for server in SERVERS if server != self.victim.server)

    def restarted(self, server: str) -> None:
        """An attack restarted a server's daemons on purpose: waits until all is as before."""
        wait_until(f"{server} is back", lambda: self._is_back(server))
        self._boots[server] = self.status(server)["boot"]
        wait_until("the victim's session is back", lambda: self.victim.state()["session"] != "")

    def _is_back(self, server: str) -> bool:
        try:
            return bool(self.status(server)["boot"] != self._boots[server])
        except Refusal:
            return False

    def run_as(self, server: str, user: str, script: str) -> subprocess.CompletedProcess[str]:
        """A shell script on a server as a session's user."""
        return self.lab.run(server, ["/bin/sh", "-c", script], user=user)


def _write(folder: Path, issued: Issued, ca: Path) -> None:
    role = issued.identity.role
    folder.mkdir(parents=True, exist_ok=True)
    if ca != folder / "ca.crt":
        shutil.copyfile(ca, folder / "ca.crt")
    for name in ("dtu", role):  # whatever it says, it is shown as a terminal's
        (folder / f"{name}.crt").write_bytes(issued.certificate)
        (folder / f"{name}.key").write_bytes(issued.key)
        (folder / f"{name}.key").chmod(0o600)
