"""Attacks by a session's user who fills whatever he may write to, in bytes and in files."""

import contextlib
import shlex
import time
from collections.abc import Iterator

from roamtools.hostile.attack import attack
from roamtools.hostile.on_revoked import revoked
from roamtools.hostile.stage import EVIL_USER, SERVERS, Stage
from roamwire.control import Connect, Redirect, Remove

RUN, STATE = "/run/roamdesk", "/var/lib/roamdesk"
ENOUGH_BYTES = 300 * 1024 * 1024
"""More than the file systems of a lab's node have."""

ENOUGH_FILES = 20_000
DISK_BYTES = 24 * 1024 * 1024
NAME = "filled-by-an-attacker"

FILL = f"""
import errno, os, sys
def fill(folder):
    made = 0
    try:
        with open(os.path.join(folder, "{NAME}"), "wb") as file:
            while made < {ENOUGH_BYTES}:
                made += file.write(bytes(1 << 20))
                file.flush()
    except OSError as error:
        print(folder, made, errno.errorcode[error.errno])
    try:
        os.mkdir(os.path.join(folder, "{NAME}s"))
        for number in range({ENOUGH_FILES}):
            path = os.path.join(folder, "{NAME}s", str(number))
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
    except OSError as error:
        print(folder, number, errno.errorcode[error.errno])
for folder in sys.argv[1:]:
    fill(folder)
"""


@contextlib.contextmanager
def _session(stage: Stage) -> Iterator[tuple[str, str]]:
    """A session of carol's: on which server, and its name."""
    server, insert = "server1", stage.insert(EVIL_USER)
    for _ in SERVERS:
        peer = stage.greeted(server)
        line = stage.opened(server, peer, insert)
        if not isinstance(line, Redirect):
            break
        peer.close()
        server, insert = line.host, stage.redirected(line)
    assert isinstance(line, Connect), f"no session of carol's: {line}"
    try:
        yield server, line.session
    finally:
        peer.send(Remove(1))
        peer.close()


def _inside(stage: Stage, server: str, session: str, *argv: str) -> str:
    """What carol's programs see: a command in her session's own view of the file systems."""
    find = (
        "for p in /proc/[0-9]*; do "
        f"tr '\\0' '\\n' <$p/environ 2>/dev/null | grep -qx ROAMDESK_SESSION={session} && "
        f'[ "$(stat -c %U $p)" = {EVIL_USER} ] && echo ${{p#/proc/}} && break; done; true'
    )
    pid = stage.run_as(server, "root", find).stdout.strip()
    assert pid, f"session {session} has no process on {server}"
    command = ["nsenter", "-t", pid, "-m", "runuser", "-u", EVIL_USER, "--", *argv]
    done = stage.lab.run(server, command, timeout_s=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _has_room(stage: Stage, server: str, folder: str, user: str) -> str:
    """Whether a daemon can still write a megabyte and a file; in words if not."""
    file = f"{folder}/room-for-others"
    script = f"head -c 1048576 /dev/zero >{file} && rm {file} || {{ rm -f {file}; echo no; }}"
    told = stage.run_as(server, user, script).stdout.strip()
    return f"{user} has no room in {folder} of {server}; " if told else ""


@attack("session-fills-its-run-directory", flood=True)
def fills_run_dir(stage: Stage) -> str:
    """What a session may write to below run_dir is filled, with bytes and with empty files."""
    with _session(stage) as (server, session):
        own = f"{RUN}/sessions/{session}"
        # It may not list all of these, so it is told where to look.
        places = f"{RUN} {RUN}/sessions {own} {own}/user {own}/sound {own}/rfb {own}/recipe"
        script = f"for d in {places}; do [ -w $d ] && echo $d; done; true"
        folders = _inside(stage, server, session, "/bin/sh", "-c", script).split()
        assert f"{own}/user" in folders, f"it may write to {folders} only: nothing was attacked"
        python = ["/usr/bin/python3", "-I", "-c"]
        told = _inside(stage, server, session, *python, FILL, *folders)
        try:
            got = "" if "ENOSPC" in told else f"it wrote {ENOUGH_BYTES} bytes without an end; "
            got += _has_room(stage, server, RUN, "roamdesk")
            return got + stage.harm()
        finally:
            remove = "".join(f"rm -rf {shlex.quote(f)}/{NAME}*; " for f in folders)
            _inside(stage, server, session, "/bin/sh", "-c", remove)


def _fill(stage: Stage, server: str, *folders: str) -> None:
    """As a user who has logged in there."""
    script = ["/usr/bin/python3", "-I", "-c", FILL, *folders]
    told = stage.lab.run(server, script, user=EVIL_USER, timeout_s=60).stdout
    assert told.count("ENOSPC") >= len(folders), f"{folders} are not full: {told}"


@contextlib.contextmanager
def _small_disk(stage: Stage, server: str) -> Iterator[None]:
    """A server whose state lies on the same small disk as /var/tmp, where everybody may write."""
    disk = "/run/lab-disk"
    begin = (
        f"set -e; mkdir {disk}; mount -t tmpfs -o size={DISK_BYTES},nr_inodes=5000 disk {disk}; "
        f"mkdir -m 1777 {disk}/tmp; cp -a {STATE} {disk}/state; "
        f"mount --bind {disk}/state {STATE}; mount --bind {disk}/tmp /var/tmp"
    )
    end = (
        f"umount -l /var/tmp; umount -l {STATE}; cp -a {disk}/state/. {STATE}/; "
        f"umount -l {disk}; rmdir {disk}"
    )
    _as_root(stage, server, begin)
    try:
        _restarted(stage, server)  # the daemons open their files where they are now
        yield
    finally:
        _as_root(stage, server, end)
        _restarted(stage, server)


def _as_root(stage: Stage, server: str, script: str) -> None:
    done = stage.run_as(server, "root", script)
    assert done.returncode == 0, done.stderr


def _restarted(stage: Stage, server: str) -> None:
    stage.lab.stop_process(server, "enrold")
    stage.lab.restart(server)
    stage.lab.start_process(server, "enrold")
    stage.restarted(server)


@attack("session-fills-the-servers-disk", flood=True)
def fills_the_disk(stage: Stage) -> str:
    """/var/tmp, on one disk with hostd's state, is filled; hostd starts anew meanwhile."""
    server = stage.idle_server
    with _small_disk(stage, server):
        _fill(stage, server, "/var/tmp")
        try:
            got = _card_opens(stage, server)
            with revoked(stage):  # what is told to the group goes on
                got += stage.harm()
            stage.lab.restart(server)
            stage.restarted(server)
            _fill(stage, server, "/var/tmp")  # SQLite gives some back at a start
            got += _card_opens(stage, server)
            for _ in range(20):  # records for the audit log, which do not fit
                stage.greeted(server).close()
        finally:
            stage.run_as(server, EVIL_USER, f"rm -rf /var/tmp/{NAME}*")
        stage.greeted(server).close()  # and one that does
        time.sleep(1)
        log = stage.run_as(server, "root", f"cat {STATE}/audit.jsonl").stdout
        if '"resumed"' not in log:
            got += "the audit log does not say that records are missing; "
        return got


def _card_opens(stage: Stage, server: str) -> str:
    """Whether a person's card opens a session by that server; in words if not."""
    with stage.greeted(server) as peer:
        line = stage.opened(server, peer, stage.insert(EVIL_USER))
        peer.send(Remove(1))
    return "" if isinstance(line, Connect | Redirect) else f"{server} tells a person {line}; "


@attack("session-fills-tmp", flood=True)
def fills_tmp(stage: Stage) -> str:
    """/tmp and /dev/shm are filled by a user: others' sessions go on, and new ones start."""
    got = ""
    for server in SERVERS:
        _fill(stage, server, "/tmp", "/dev/shm")
    try:
        got += _new_session(stage) + stage.harm()
    finally:
        for server in SERVERS:
            stage.run_as(server, EVIL_USER, f"rm -rf /tmp/{NAME}* /dev/shm/{NAME}*")
    return got


def _new_session(stage: Stage) -> str:
    """Carol ends her session and begins another one; in words if that fails."""
    for each in stage.sessions():
        if each["user"] == EVIL_USER:
            stage.roamctl(each["host"], "session", "stop", each["session"])
    deadline = time.monotonic() + 10
    while any(each["user"] == EVIL_USER for each in stage.sessions()):
        assert time.monotonic() < deadline, "carol's session does not end"
        time.sleep(0.1)
    try:
        with _session(stage):
            return ""
    except AssertionError as error:
        return f"{error}; "
