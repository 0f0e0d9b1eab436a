"""The lab as a Python object, for the command line, tests, the demo and benches. Prints nothing.

Every method works from any process that may: the lab itself lives in its keeper. Refusal says in
words why something cannot be done.
"""

import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from roamtools.lab import credentials, daemons, plan
from roamtools.lab.dhcp import DHCP_OPTIONS, DhcpOptions
from roamtools.lab.files import make_home, make_node_files
from roamtools.lab.mounts import remove_tree
from roamtools.lab.nodes import POLL_S, LabNodes, Progress
from roamtools.lab.pipewire import write_settings
from roamtools.lab.rpc import Refusal, call

START_S = 10.0
END_S = 15.0


class Lab(LabNodes):
    """Servers and desks in namespaces, by name; `with Lab("x") as lab: lab.up(...)` ends it too."""

    def __init__(self, name: str = plan.DEFAULT_NAME, progress: Progress | None = None) -> None:
        super().__init__(name, progress)
        self._credentials = credentials.Credentials(self.directory)
        self._keeper: subprocess.Popen[bytes] | None = None
        self._tie: int | None = None
        self._lock: int | None = None

    def __enter__(self) -> "Lab":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.exists():
            self.down()

    # Whole lab

    def up(
        self,
        servers: int = 3,
        desks: int = 2,
        *,
        tied: bool = False,
        with_daemons: bool = True,
        dhcp: bool = True,
        told: DhcpOptions = DHCP_OPTIONS,
        ipv6_only: bool = False,
        server_settings: dict[str, Any] | None = None,
        desk_settings: dict[str, Any] | None = None,
        policy: str = "",
        enrol: str = "",
        pipewire: bool = False,
        enrold: bool = False,
    ) -> None:
        """Start a lab and wait until it is ready; takes it down again if that fails.

        `tied`: the lab ends with the calling process. `with_daemons=False` leaves hostd, displayd,
        launcherd and the terminal's firmware out, `dhcp=False` the DHCP server; `told` is what
        that one tells terminals. `ipv6_only`: no IPv4 anywhere; desks get addresses by SLAAC.
        `policy` is the text of the group's policy.toml. `enrol`: desks have no certificates and
        get them from enrold, in this mode of the policy. `enrold`: it runs although they have.
        `pipewire`: that is the sound server of desks with sound.
        """
        if os.geteuid() != 0:
            raise Refusal("the lab makes network namespaces: run it as root (sudo)")
        for program in ("ip", "dnsmasq", "udhcpc", "pcscd", "nsenter"):
            if shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
                raise Refusal(f"{program} is not installed: run 'make install' first")
        self._claim_directory()
        try:
            self._start_keeper(ipv6_only)
            self._progress("switch")
            if dhcp:
                self.dhcp(True, told)
            (self.directory / "enrol").write_text(enrol)
            if enrol:
                policy += f'enrolment = "{enrol}"\n'
            self._credentials.create(policy)
            self._progress(f"group {plan.GROUP_NAME!r} and cards {', '.join(plan.CARDS)}")
            for _ in range(servers):
                self.add_server(
                    with_daemons=with_daemons, enrold=enrold, settings=server_settings, wait=False
                )
            for _ in range(desks):
                self.add_desk(
                    with_daemons=with_daemons,
                    settings=desk_settings,
                    pipewire=pipewire,
                    wait=False,
                )
            if servers + desks:
                self.wait_ready()
            if not tied:
                self._order(op="untie")
        except BaseException:
            self.down()
            raise

    def _claim_directory(self) -> None:
        """Make the lab's directory; a lock on it, kept by the keeper, says that it is in use."""
        self.directory.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.directory.mkdir(mode=0o755, exist_ok=True)
        self._lock = os.open(self.directory, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._unlock()
            raise Refusal(f"lab {self.name!r} is up already; 'lab down' ends it") from None
        try:
            self._forget_keeper()
            for left in self.directory.iterdir():  # its keeper was killed, and everything with it
                remove_tree(left) if left.is_dir() else left.unlink()
            self.directory.chmod(0o755)
            (self.directory / "nodes").mkdir(mode=0o755)
            self.cards.mkdir(mode=0o700)
            make_home(self.directory / "home")
        except BaseException:
            remove_tree(self.directory)
            self._unlock()
            raise

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _is_alive(self) -> bool:
        try:
            self._order(op="state")
        except (OSError, Refusal):
            return False
        return True

    def _start_keeper(self, ipv6_only: bool) -> None:
        """Start the keeper, tied to us: whatever happens to us during `up`, nothing is left."""
        assert self._lock is not None
        read_end, self._tie = os.pipe()
        with (self.directory / "keeper.log").open("ab") as log:
            self._keeper = subprocess.Popen(
                [
                    *(sys.executable, "-m", "roamtools.lab.keeper", str(self.directory)),
                    *("--tie", str(read_end)),
                    *(["--ipv6-only"] if ipv6_only else []),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[read_end, self._lock],
                start_new_session=True,  # Ctrl-C in the terminal is for the command, not for it
                umask=0o022,
            )
        os.close(read_end)
        self._unlock()
        deadline = time.monotonic() + START_S
        while not self._is_alive():
            if self._keeper.poll() is not None or time.monotonic() > deadline:
                raise Refusal(f"the lab's keeper did not start: {self._keeper_log()}")
            time.sleep(POLL_S)

    def _keeper_log(self) -> str:
        try:
            return (self.directory / "keeper.log").read_text()[-2000:].strip()
        except OSError:
            return "no log"

    def down(self) -> None:
        """End every process of the lab and remove its directory."""
        if not self.exists():
            raise Refusal(f"no lab {self.name!r} is up")
        before = None
        if _in_main_thread():
            before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # half a `down` helps nobody
        try:
            self._end_keeper()
            remove_tree(self.directory)
            try:
                self.directory.parent.rmdir()
            except OSError:
                pass  # another lab is in it, or the directory is gone already
        finally:
            if before is not None:
                signal.signal(signal.SIGINT, before)

    def _end_keeper(self) -> None:
        try:
            pid = int(self._order(op="stop")["pid"])
        except (OSError, Refusal):
            pid = 0  # it is gone, or has not begun to listen
            if self._keeper is not None:
                self._keeper.terminate()
        if pid and self._keeper is None:
            _wait_for_end(pid)
        self._forget_keeper()

    def _forget_keeper(self) -> None:
        """Let go of a keeper of ours that has ended or is about to."""
        if self._tie is not None:
            os.close(self._tie)
            self._tie = None
        if self._keeper is not None:
            self._keeper.wait(END_S)
            self._keeper = None

    def dhcp(self, on: bool, told: DhcpOptions = DHCP_OPTIONS) -> None:
        """Start the network's DHCP and name server, again with other options, or stop it."""
        self._order(op="dhcp", on=on, told=asdict(told))

    # Nodes

    def add_server(
        self,
        *,
        wrong_secret: bool = False,
        with_daemons: bool = True,
        enrold: bool = False,
        settings: dict[str, Any] | None = None,
        wait: bool = True,
    ) -> str:
        """Power a new server on; gives its name. `wrong_secret`: it has another group's secret."""
        number = self._next_number("server")
        name = plan.server_name(number)
        node_dir = self._make_node(name, "server", number)
        self._credentials.equip_server(name, node_dir, wrong_secret)
        toml = daemons.toml(daemons.server_settings(name, settings or {}))
        (node_dir / "etc/roamdesk/server.toml").write_text(toml)
        jobs = daemons.server_jobs(enrold or bool(self.enrol)) if with_daemons else []
        self._start_node(name, jobs)
        address = self.node(name)["address"]
        self._progress(f"{name} {address}" + " (wrong secret)" * wrong_secret)
        if wait:
            self.wait_ready(name)
        return name

    def add_desk(
        self,
        *,
        with_daemons: bool = True,
        settings: dict[str, Any] | None = None,
        pipewire: bool = False,
        wait: bool = True,
    ) -> str:
        """Power a new desk on; gives its name. `pipewire`: instead of PulseAudio."""
        number = self._next_number("desk")
        name = plan.desk_name(number)
        node_dir = self._make_node(name, "desk", number)
        enrols = bool(self.enrol)
        self._credentials.equip_desk(name, node_dir, enrols)
        told = daemons.desk_settings(name, settings or {}, enrols)
        (node_dir / "etc/roamdesk/dtu.toml").write_text(daemons.toml(told))
        jobs = [daemons.dhcp_job(name), daemons.link_job(name)]
        jobs += [daemons.pcscd_job(), daemons.card_job()]
        if told["display"] == "window":
            jobs.append(daemons.x_job(told["width"], told["height"]))
        if with_daemons:
            jobs.append(daemons.dtu_job(told["display"]))
        if told["sound"] == "pulse":
            jobs.append(self._sound_job(node_dir, pipewire))
        self._start_node(name, jobs)
        self._progress(name)
        if wait:
            self.wait_ready(name)
        return name

    def _sound_job(self, node_dir: Path, pipewire: bool) -> daemons.Job:
        if not pipewire:
            return daemons.sound_job()
        write_settings(node_dir / daemons.PIPEWIRE_DIR, plan.NODE_DIR / daemons.SOUND_SOCKET)
        return daemons.pipewire_job()

    @property
    def enrol(self) -> str:
        """How desks enrol: a policy's word, or "" if they have certificates from the start."""
        return (self.directory / "enrol").read_text()

    @property
    def group_dir(self) -> Path:
        """The group's folder, as its administrator has it."""
        return self._credentials.group_dir

    def equip_again(self, server: str) -> None:
        """A new certificate and what the group's folder holds now; the daemons are told."""
        self._credentials.equip_server(server, self.node_dir(server), wrong_secret=False)
        self.reload(server)

    def _next_number(self, kind: str) -> int:
        numbers = [n["number"] for n in self._order(op="state")["nodes"] if n["kind"] == kind]
        return max(numbers, default=0) + 1

    def _make_node(self, name: str, kind: str, number: int) -> Path:
        node_dir = self.node_dir(name)
        make_node_files(node_dir, name, kind, self._order(op="state")["ipv6_only"])
        home = self.directory / "home" if kind == "server" else None
        view = daemons.view(node_dir, name, kind, home, self.cards)
        (node_dir / "view.json").write_text(json.dumps(view))
        self._order(op="add", name=name, kind=kind, number=number)
        return node_dir

    def _start_node(self, name: str, jobs: Sequence[daemons.Job]) -> None:
        (self.node_dir(name) / "jobs.json").write_text(json.dumps([j.as_order() for j in jobs]))
        self._power_on(name)

    def _power_on(self, name: str) -> None:
        self._order(op="power_on", name=name)
        for order in json.loads((self.node_dir(name) / "jobs.json").read_text()):
            call(self.node_dir(name) / "init.sock", order)

    # Servers

    def kill(self, server: str) -> float:
        """SIGKILL to everything on a server; gives the moment, as CLOCK_MONOTONIC seconds."""
        self._must_be(server, "server")
        return float(self._order(op="kill", name=server)["at"])

    def cut(self, server: str) -> float:
        """Make a server's link silent; gives the moment."""
        return float(self._order(op="cut", name=server)["at"])

    def heal(self, server: str) -> None:
        """Give a server its link back, and power if it has none."""
        self._order(op="heal", name=server)
        if not self.node(server)["power"]:
            self._power_on(server)

    def restart(self, server: str, hard: bool = False) -> None:
        """Stop and start a server's daemons, not its sessions; `hard` does it with SIGKILL."""
        self._must_be(server, "server")
        self._init_pid(server)
        how = signal.SIGKILL if hard else signal.SIGTERM
        order = {"op": "restart", "names": list(daemons.SERVER_DAEMONS), "signal": int(how)}
        call(self.node_dir(server) / "init.sock", order)

    # Desks

    def plug(self, desk: str, plugged: bool) -> None:
        """Put the network cable of a desk in or pull it: unlike `cut`, the desk is told."""
        self._order(op="plug", name=desk, plugged=plugged)

    def insert(
        self,
        desk: str,
        card: str,
        mode: str = "normal",
        hurried: bool = False,
        *,
        piv: str = "",
        pull_after: int | None = None,
    ) -> float:
        """Put a card (A, B, C or a hex number) into a desk's reader; gives the moment.

        Shortly after a `remove` it takes half a second, as a hand does; `hurried` does not wait,
        and pcscd may then see nothing of the removal. `piv` is a file in `cards`: the card is that
        PIV card too, and may have no number (""). With `pull_after` it is pulled instead of
        answering that command (0: the first).
        """
        self._must_be(desk, "desk")
        order: dict[str, Any] = {"op": "insert", "mode": mode, "hurried": hurried}
        order["number"] = plan.card_number(card) if card or not piv else ""
        order["piv"] = str(self.cards / piv) if piv else ""
        order["pull_after"] = pull_after
        return float(self._card_order(desk, **order)["at"])

    def remove(self, desk: str) -> float:
        """Pull the card out of a desk's reader; gives the moment."""
        self._must_be(desk, "desk")
        before = time.monotonic()
        self._card_order(desk, op="remove")
        return before

    def piv_work(self, desk: str) -> tuple[float, int]:
        """Seconds in private key operations of the PIV card that is in, and how many there were."""
        state = self._card_order(desk, op="state")
        return float(state.get("crypto_s", 0.0)), int(state.get("operations", 0))

    def card(self, desk: str) -> str | None:
        """Number of the card that is in a desk's reader."""
        number = self._card_order(desk, op="state")["card"]
        return None if number is None else str(number)

    def _card_order(self, desk: str, **order: Any) -> dict[str, Any]:
        return call(self.node_dir(desk) / daemons.CARD_SOCKET, order)

    def type(self, desk: str, text: str) -> None:
        """Press the keys of a text; Enter is a line end, `<ctrl-s>` a combination."""
        with self.bench(desk) as bench:
            bench.order(op="type", text=text)

    def click(self, desk: str, x: int, y: int) -> None:
        """Press and release the first mouse button at a place of the screen."""
        with self.bench(desk) as bench:
            bench.order(op="click", x=x, y=y)

    def screenshot(self, desk: str, file: Path) -> Path:
        """Write what a person at the desk would see as PNG; Refusal if its folder is not there."""
        if not file.parent.is_dir():
            raise Refusal(f"there is no folder {file.parent}")
        shot = f"shot-{time.monotonic_ns()}.png"
        with self.bench(desk) as bench:
            bench.order(op="screenshot", path=str(plan.NODE_DIR / shot))
        shutil.move(self.node_dir(desk) / shot, file)
        return file


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _wait_for_end(pid: int) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if not select.select([descriptor], [], [], END_S)[0]:
            raise Refusal(f"the lab's keeper (process {pid}) does not end")
    finally:
        os.close(descriptor)
