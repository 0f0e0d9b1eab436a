"""PID 1 of a node: enters its private view, starts processes, reaps, restarts what it is told to.

Run by the keeper only: `python -m roamtools.lab.init VIEW.json`. What a node runs is not here.
"""

import json
import os
import pwd
import selectors
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from roamtools.lab import kernel, mounts
from roamtools.lab.plan import NODE_DIR
from roamtools.lab.rpc import OrderServer, Refusal, run_ready

RESTART_FIRST_S, RESTART_LONGEST_S = 0.1, 2.0
STEADY_S = 10.0  # a process that ran this long begins again with the shortest pause
STOP_S = 3.0  # time for SIGTERM before SIGKILL
MAX_PROCESSES = 64
KEPT = ("PYTHONDONTWRITEBYTECODE",)  # whoever says so wants no files of root in the tree
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass
class Process:
    """One process under care."""

    name: str
    argv: list[str]
    user: str = "root"
    env: dict[str, str] = field(default_factory=dict)
    restart: bool = False
    nice: int = 0
    pid: int = 0  # 0: not running
    started: float = 0.0
    restarts: int = 0
    pause_s: float = RESTART_FIRST_S
    due: float | None = None  # when to start it again
    status: int | None = None  # exit code, or minus the signal

    def report(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "pid": self.pid,
            "running": self.pid != 0,
            "restarts": self.restarts,
            "status": self.status,
        }


class Supervisor:
    """Starts and watches the node's processes; one thread, no waiting but in `run`."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._processes: dict[str, Process] = {}
        self.stopping = False

    def handle(self, order: dict[str, Any]) -> dict[str, Any]:
        op = order.get("op")
        if op == "start":
            self._add(order["process"])
        elif op == "stop":
            for name in order["names"]:
                self._stop(self._named(name), int(order.get("signal", signal.SIGTERM)))
        elif op == "restart":
            self._restart(order["names"], int(order.get("signal", signal.SIGTERM)))
        elif op == "signal":
            for name in order["names"]:
                if pid := self._named(name).pid:
                    os.kill(pid, int(order["signal"]))
        elif op != "list":
            raise Refusal(f"unknown order {op!r}")
        return {"processes": [process.report() for process in self._processes.values()]}

    def _named(self, name: str) -> Process:
        if name not in self._processes:
            raise Refusal(f"no process {name!r}; there are: {', '.join(self._processes)}")
        return self._processes[name]

    def _add(self, described: dict[str, Any]) -> None:
        process = Process(**described)
        if self._processes.get(process.name, process).pid:
            raise Refusal(f"{process.name} is running already")
        if len(self._processes) >= MAX_PROCESSES:
            raise Refusal("too many processes")
        self._processes[process.name] = process
        self._spawn(process)

    def _restart(self, names: list[str], how: int) -> None:
        processes = [self._named(name) for name in names]
        for process in processes:
            self._stop(process, how)
        for process in processes:
            self._spawn(process)

    def _spawn(self, process: Process) -> None:
        process.due = None
        process.status = None
        process.started = time.monotonic()
        process.pid = os.fork()
        if process.pid == 0:
            try:
                _become(process, self._logs / f"{process.name}.log")
            except BaseException as error:
                os.write(2, f"{process.argv[0]} was not started: {error}\n".encode())
            os._exit(127)

    def _stop(self, process: Process, how: int) -> None:
        """End a process and do not start it again; SIGKILL if it does not want to."""
        process.due = None
        if not process.pid:
            return
        kept, process.restart = process.restart, False
        os.kill(process.pid, how)
        deadline = time.monotonic() + STOP_S
        while process.pid:
            self.reap()
            if process.pid and time.monotonic() > deadline:
                os.kill(process.pid, signal.SIGKILL)
            if process.pid:
                time.sleep(0.005)
        process.restart = kept

    def reap(self) -> None:
        """Collect every child that has ended, ours and orphans."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for process in self._processes.values():
                if process.pid == pid:
                    self._ended(process, os.waitstatus_to_exitcode(status))

    def _ended(self, process: Process, status: int) -> None:
        now = time.monotonic()
        process.pid, process.status = 0, status
        self._note(f"{process.name} ended with {status}")
        if process.restart and not self.stopping:
            steady = now - process.started > STEADY_S
            process.pause_s = (
                RESTART_FIRST_S if steady else min(process.pause_s * 2, RESTART_LONGEST_S)
            )
            process.due = now + process.pause_s
            process.restarts += 1

    def start_due(self) -> float | None:
        """Start again what is due; returns seconds until the next one."""
        now = time.monotonic()
        pauses = []
        for process in self._processes.values():
            if process.due is not None and process.due <= now:
                self._spawn(process)
            elif process.due is not None:
                pauses.append(process.due - now)
        return min(pauses, default=None)

    def _note(self, text: str) -> None:
        print(f"{time.monotonic():.3f} {text}", flush=True)


def _become(process: Process, log: Path) -> None:
    """In the child: turn into the process; returns only by raising."""
    os.setsid()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.closerange(3, 256)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    if process.nice:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, process.nice)
        except PermissionError:
            pass  # a container may forbid less than 0 even to root
    account = pwd.getpwnam(process.user)
    os.initgroups(account.pw_name, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    os.umask(0o022)
    os.chdir("/")
    env = {
        "PATH": PATH,
        "HOME": account.pw_dir,
        "USER": account.pw_name,
        "LOGNAME": account.pw_name,
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        **{name: os.environ[name] for name in KEPT if name in os.environ},
        **process.env,
    }
    os.execvpe(process.argv[0], process.argv, env)


def make_directories(described: list[dict[str, Any]]) -> None:
    """What tmpfiles.d makes on a real machine."""
    for entry in described:
        path = Path(entry["path"])
        path.mkdir(parents=True, exist_ok=True)
        account = pwd.getpwnam(entry["user"])
        os.chown(path, account.pw_uid, account.pw_gid)
        path.chmod(entry["mode"])


def main() -> None:
    described = json.loads(Path(sys.argv[1]).read_text())
    view = mounts.View(
        node_dir=Path(described["node_dir"]),
        home=Path(described["home"]) if described["home"] else None,
        state_dir=described["state_dir"],
        needs=tuple(Path(path) for path in described["needs"]),
    )
    mounts.enter(view)
    kernel.set_hostname(described["name"])
    make_directories(described["directories"])
    selector = selectors.DefaultSelector()
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake)
    supervisor = Supervisor(NODE_DIR / "logs")

    def stop(*_: object) -> None:
        supervisor.stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda *_: None)

    def wake_up() -> None:
        os.read(woken, 4096)

    selector.register(woken, selectors.EVENT_READ, wake_up)
    OrderServer(NODE_DIR / "init.sock", selector, supervisor.handle)
    while not supervisor.stopping:
        supervisor.reap()
        run_ready(selector, supervisor.start_due())
    # The kernel kills what is left in the namespace when its PID 1 ends.


if __name__ == "__main__":
    main()
