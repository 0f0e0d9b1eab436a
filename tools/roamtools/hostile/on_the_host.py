"""Attacks by a session's own user on the server where the session runs."""

import sys

from roamtools.hostile.attack import attack
from roamtools.hostile.stage import SERVERS, Stage

RUN = "/run/roamdesk"
STATE = "/var/lib/roamdesk"
ETC = "/etc/roamdesk"
THIEF = "carol"
"""A user of the group who has a session of her own somewhere, or could have one."""


def _home(stage: Stage) -> str:
    """The server on which the victim's session is."""
    return str(stage.victim.server)


def _reads(stage: Stage, *patterns: str, server: str = "") -> str:
    """Whether the thief can read any file of these."""
    script = (
        f'for f in {" ".join(patterns)}; do head -c 64 "$f" 2>/dev/null && echo "[$f]"; done; true'
    )
    told = stage.run_as(server or _home(stage), THIEF, script).stdout
    return f"it reads: {told[:120]!r}" if told.strip() else ""


def _connects(stage: Stage, *patterns: str) -> str:
    """Whether the thief can connect to any Unix socket of these, and is not hung up on at once."""
    script = f"""
import glob, socket, sys
for pattern in {patterns!r}:
    for path in glob.glob(pattern):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(2)
        try:
            s.connect(path)
            s.sendall(b"list\\n")
            data = s.recv(64)
        except OSError:
            continue
        if data:
            print(path, data)
"""
    told = stage.lab.run(_home(stage), ["/usr/bin/python3", "-I", "-c", script], user=THIEF).stdout
    return f"it talks to {told.strip()[:200]}" if told.strip() else ""


@attack("session-socket-of-another")
def foreign_socket(stage: Stage) -> str:
    """The RFB socket of another's session."""
    return _connects(stage, f"{RUN}/sessions/*/rfb/socket", f"{RUN}/sessions/{stage.session}/rfb/*")


@attack("session-sound-of-another")
def foreign_sound(stage: Stage) -> str:
    """The sound socket of another's session: his loudspeaker and microphone."""
    return _connects(stage, f"{RUN}/sessions/{stage.session}/sound/socket")


@attack("session-x-display-of-another")
def foreign_display(stage: Stage) -> str:
    """The X display of another's session, by its sockets and without its cookie."""
    script = (
        "for s in /tmp/.X11-unix/X*; do n=${s##*X}; "
        "xwininfo -root -display :$n 2>/dev/null | grep -q Width && echo :$n; done; true"
    )
    told = stage.run_as(_home(stage), THIEF, script).stdout.strip()
    return f"it sees {told}" if told else ""


@attack("session-files-of-another")
def foreign_files(stage: Stage) -> str:
    """X authority, log and services' settings of another's session, and his home."""
    return _reads(
        stage,
        f"{RUN}/sessions/{stage.session}/user/*",
        f"{RUN}/sessions/{stage.session}/user/.*",
        f"{RUN}/sessions/{stage.session}/state",
        f"{RUN}/sessions/{stage.session}/log",
        "/home/bob/*",
        "/home/bob/.*",
    )


@attack("session-environment-of-another")
def foreign_environment(stage: Stage) -> str:
    """Environment and memory of another's processes, and of the daemons."""
    script = """
import os
me = os.getuid()
for pid in filter(str.isdecimal, os.listdir("/proc")):
    try:
        if os.stat(f"/proc/{pid}").st_uid == me:
            continue
        for name in ("environ", "mem", "maps"):
            with open(f"/proc/{pid}/{name}", "rb") as file:
                if file.read(1) and name != "mem":
                    print(pid, name)
    except OSError:
        pass
"""
    command = ["/usr/bin/python3", "-I", "-c", script]
    told = stage.lab.run(_home(stage), command, user=THIEF).stdout.strip()
    return f"it reads {told[:200]}" if told else ""


@attack("session-processes-of-another-killed")
def foreign_kill(stage: Stage) -> str:
    """Signals to every process that is not one's own."""
    script = """
import os, signal
for pid in filter(str.isdecimal, os.listdir("/proc")):
    if int(pid) != os.getpid():
        try:
            os.kill(int(pid), 0)
            if os.stat(f"/proc/{pid}").st_uid != os.getuid():
                print(pid)
        except OSError:
            pass
"""
    command = ["/usr/bin/python3", "-I", "-c", script]
    told = stage.lab.run(_home(stage), command, user=THIEF).stdout.strip()
    return f"it may signal {told[:200]}" if told else ""


@attack("launcher-orders")
def launcher_orders(stage: Stage) -> str:
    """Orders to launcherd, which is root."""
    return _connects(stage, f"{RUN}/launcher.sock")


@attack("gateway-orders")
def gateway_orders(stage: Stage) -> str:
    """A display ticket of one's own making, given to displayd."""
    return _connects(stage, f"{RUN}/display.sock")


@attack("admin-orders")
def admin_orders(stage: Stage) -> str:
    """hostd's admin socket."""
    return _connects(stage, f"{RUN}/admin.sock")


@attack("sockets-replaced")
def sockets_replaced(stage: Stage) -> str:
    """The daemons' sockets are removed, renamed, or replaced by one's own."""
    script = (
        f"cd {RUN} || exit 0; for s in launcher.sock display.sock admin.sock; do "
        "rm -f $s 2>/dev/null; [ -e $s ] || echo removed $s; "
        "mv $s x$s 2>/dev/null && echo moved $s; done; "
        "touch mine 2>/dev/null && echo made a file; "
        "mkdir sessions/0000 2>/dev/null && echo made a session; true"
    )
    told = stage.run_as(_home(stage), THIEF, script).stdout.strip()
    return f"it {told}" if told else ""


@attack("registry-read")
def registry_read(stage: Stage) -> str:
    """The registry with everybody's cards."""
    return "".join(_reads(stage, f"{STATE}/*", server=server) for server in SERVERS)


@attack("registry-written")
def registry_written(stage: Stage) -> str:
    """A card of one's own for another's account."""
    script = (
        f"python3 -c \"import sqlite3; c = sqlite3.connect('{STATE}/registry.sqlite', timeout=1); "
        "c.execute(\\\"UPDATE tokens SET user = 'carol'\\\"); c.commit(); print('written')\" "
        "2>/dev/null; true"
    )
    told = stage.run_as(_home(stage), THIEF, script).stdout.strip()
    return f"the registry was {told}" if told else ""


@attack("group-secret-read")
def secret_read(stage: Stage) -> str:
    """The group's secret, the server's key, and what else lies beside them."""
    return _reads(stage, f"{ETC}/group/secret*", f"{ETC}/group/*.key", f"{ETC}/*.key")


@attack("daemons-traced")
def daemons_traced(stage: Stage) -> str:
    """The daemons are debugged by the user that they run as, after one of them was taken over."""
    script = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for pid in filter(str.isdecimal, os.listdir("/proc")):
    try:
        line = open(f"/proc/{pid}/cmdline", "rb").read()
    except OSError:
        continue
    if b"sessionhost.app.hostd" in line and int(pid) != os.getpid():
        if libc.ptrace(16, int(pid), 0, 0) == 0:
            print(pid)
"""
    command = ["/usr/bin/python3", "-I", "-c", script]
    told = stage.lab.run(_home(stage), command, user="roamdesk-display").stdout.strip()
    return f"displayd may trace hostd ({told})" if told else ""


@attack("gateway's-user-orders-the-launcher")
def gateway_orders_launcher(stage: Stage) -> str:
    """displayd's user gives orders to launcherd."""
    script = f"""
import socket
s = socket.socket(socket.AF_UNIX)
s.settimeout(2)
s.connect("{RUN}/launcher.sock")
try:
    s.sendall(b"list\\n")
    print(s.recv(64))
except OSError:
    pass
"""
    command = ["/usr/bin/python3", "-I", "-c", script]
    told = stage.lab.run(_home(stage), command, user="roamdesk-display").stdout.strip()
    return f"launcherd answers displayd's user: {told[:80]}" if told not in ("", "b''") else ""


@attack("launcher-started-as-root")
def launcher_asked_for_root(stage: Stage) -> str:
    """hostd, taken over, orders sessions for root and for the daemons' own users."""
    script = f"""
import socket
users = ("root", "roamdesk", "roamdesk-display", "daemon", "../root", "bob/..")
for number, user in enumerate(users):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(5)
    s.connect("{RUN}/launcher.sock")
    names = f"session=dead{{number}} user={{user}} token=uid:1"
    order = f"start {{names}} recipe=desktop width=800 height=600"
    s.sendall(order.encode() + b"\\n")
    answer = s.recv(300)
    if not answer.startswith(b"failed"):
        print(user, answer)
"""
    command = ["/usr/bin/python3", "-I", "-c", script]
    told = stage.lab.run("server1", command, user="roamdesk").stdout.strip()
    return f"a session was started: {told[:200]}" if told else ""


@attack("launcher-paths")
def launcher_paths(stage: Stage) -> str:
    """hostd, taken over, orders sessions whose names and recipes are paths."""
    script = f"""
import socket
bad = [("../../etc", "desktop"), ("a/b", "desktop"), ("dead", "../../../etc/passwd"),
       ("", "desktop"), ("dead", "desktop%00"), ("x" * 300, "desktop"), ("-rf", "desktop")]
for session, recipe in bad:
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(5)
    s.connect("{RUN}/launcher.sock")
    names = f"session={{session}} user=carol token=uid:1"
    order = f"start {{names}} recipe={{recipe}} width=800 height=600"
    try:
        s.sendall(order.encode() + b"\\n")
        answer = s.recv(300)
    except OSError:
        continue
    if answer and not answer.startswith(b"failed"):
        print(session, recipe, answer)
"""
    command = ["/usr/bin/python3", "-I", "-c", script]
    told = stage.lab.run("server1", command, user="roamdesk").stdout.strip()
    return f"a session was started: {told[:200]}" if told else ""


@attack("keys-readable-by-others")
def keys_readable(stage: Stage) -> str:
    """Daemons start although a key or the secret can be read by everybody."""
    server = "server2"
    etc = stage.lab.node_dir(server) / "etc" / "roamdesk"
    found = []
    for file in (etc / "server.key", etc / "group" / "secret"):
        mode = file.stat().st_mode
        file.chmod(0o644)
        try:
            command = [sys.executable, "-m", "sessionhost.app.hostd"]
            done = stage.lab.run(
                server, [*command, "--config", f"{ETC}/server.toml"], user="roamdesk"
            )
            if "open to others" not in done.stderr:
                found.append(f"{file.name} ({done.stderr[-200:]})")
        finally:
            file.chmod(mode & 0o7777)
    return f"hostd reads {', '.join(found)}" if found else ""


@attack("cpu-and-memory-of-a-session", flood=True)
def busy_session(stage: Stage) -> str:
    """A session's programs use all processors and much memory."""
    script = (
        "for i in 1 2 3 4; do timeout 6 python3 -I -c 'x = bytearray(200 << 20)\nwhile 1: pass' & "
        "done; wait; true"
    )
    stage.run_as(_home(stage), THIEF, script)
    return ""
