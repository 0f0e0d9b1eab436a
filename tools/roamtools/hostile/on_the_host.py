"""Attacks by a session's own user on the server where the session runs."""

import sys

from roamtools.hostile.attack import attack
from roamtools.hostile.controls import must
from roamtools.hostile.host_steps import (
    DISPLAY_USER,
    ETC,
    HOST_USER,
    RUN,
    STATE,
    closed_to,
    files_below,
    looked_into,
    registry_written_by,
    root_of,
    run_python,
    secret_from,
    secrets_of,
    talking,
)
from roamtools.hostile.own_session import honest_server
from roamtools.hostile.stage import SERVERS, Stage
from roamtools.lab import plan

VICTIM_USER = "bob"
THIEF = "carol"
"""A user of the group who has a session of her own somewhere, or could have one."""


def _home(stage: Stage) -> str:
    """The server on which the victim's session is."""
    return str(stage.victim.server)


def _session(stage: Stage, *parts: str) -> str:
    """A path in the folder of the victim's session."""
    return "/".join((RUN, "sessions", stage.session, *parts))


@attack("session-socket-of-another")
def foreign_socket(stage: Stage) -> str:
    """The RFB socket of another's session, which the gateway's user can open."""
    socket = [_session(stage, "rfb", "socket")]
    return closed_to(stage, _home(stage), THIEF, socket, DISPLAY_USER)


@attack("session-sound-of-another")
def foreign_sound(stage: Stage) -> str:
    """The sound socket of another's session, his loudspeaker and microphone: who is kept waits."""
    socket = [_session(stage, "sound", "socket")]
    return closed_to(stage, _home(stage), THIEF, socket, VICTIM_USER)


@attack("session-x-display-of-another")
def foreign_display(stage: Stage) -> str:
    """The X display of another's session, by its sockets and without its cookie."""

    def seen(user: str, cookie: str) -> str:
        script = (
            "for s in /tmp/.X11-unix/X*; do n=${s##*X}; "
            f"XAUTHORITY={cookie} xwininfo -root -display :$n 2>/dev/null | "
            "grep -q Width && echo :$n; done; true"
        )
        return stage.run_as(_home(stage), user, script).stdout.strip()

    cookie = root_of(stage, _home(stage), VICTIM_USER) + _session(stage, "user", "Xauthority")
    told = seen(THIEF, cookie) or seen(THIEF, "/dev/null")
    must(seen(VICTIM_USER, cookie), "the victim does not see his own display")
    must(not seen(VICTIM_USER, "/dev/null"), "nobody needs a cookie")
    return f"it sees {told}" if told else ""


@attack("session-files-of-another")
def foreign_files(stage: Stage) -> str:
    """X authority, log and services' settings of another's session, and his home."""
    server = _home(stage)
    made = stage.run_as(server, VICTIM_USER, "umask 022; echo mine > /home/bob/private.txt")
    must(made.returncode == 0, f"bob cannot write at home: {made.stderr}")
    inside = root_of(stage, server, VICTIM_USER) + _session(stage, "user")
    paths = files_below(stage, server, inside, "/home/bob")
    record = [_session(stage, "state")]
    return secret_from(stage, server, THIEF, paths, (VICTIM_USER,)) or secret_from(
        stage, server, THIEF, record, ("root",)
    )


@attack("session-environment-of-another")
def foreign_environment(stage: Stage) -> str:
    """Environment and memory of another's processes, and of the daemons."""
    server = _home(stage)
    told = run_python(stage, server, THIEF, _OTHERS_MEMORY, str(_uid(THIEF)))
    # The positive control: the victim sees all that of his own.
    must(run_python(stage, server, VICTIM_USER, _OTHERS_MEMORY, "0"), "there are no processes")
    return f"it reads {told[:200]}" if told else ""


def _uid(user: str) -> int:
    return next(each.uid for each in plan.PEOPLE if each.name == user)


_OTHERS_MEMORY = """
import os, sys
for pid in filter(str.isdecimal, os.listdir("/proc")):
    for name in ("environ", "mem", "maps"):
        try:
            if os.stat(f"/proc/{pid}").st_uid == int(sys.argv[1]) or int(pid) == os.getpid():
                continue
            with open(f"/proc/{pid}/{name}", "rb") as file:
                if name == "mem" or file.read(1):
                    print(pid, name)
        except OSError:
            pass
"""


@attack("session-processes-of-another-killed")
def foreign_kill(stage: Stage) -> str:
    """Signals to every process that is not one's own."""
    script = """
import os
for pid in filter(str.isdecimal, os.listdir("/proc")):
    try:
        os.kill(int(pid), 0)
        print(pid if os.stat(f"/proc/{pid}").st_uid != os.getuid() else "own")
    except OSError:
        pass
"""
    told = run_python(stage, _home(stage), THIEF, script).splitlines()
    must("own" in told, "it may not even signal itself")
    others = sorted(set(told) - {"own"})
    return f"it may signal {', '.join(others)}" if others else ""


@attack("launcher-orders")
def launcher_orders(stage: Stage) -> str:
    """Orders to launcherd, which is root."""
    return closed_to(stage, _home(stage), THIEF, [f"{RUN}/launcher.sock"], HOST_USER)


@attack("gateway-orders")
def gateway_orders(stage: Stage) -> str:
    """A display ticket of one's own making, given to displayd."""
    return closed_to(stage, _home(stage), THIEF, [f"{RUN}/display.sock"], HOST_USER)


@attack("admin-orders")
def admin_orders(stage: Stage) -> str:
    """hostd's admin socket."""
    return closed_to(stage, _home(stage), THIEF, [f"{RUN}/admin.sock"], HOST_USER)


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
    sockets = [f"{RUN}/{name}.sock" for name in ("launcher", "display", "admin")]
    there = talking(stage, _home(stage), HOST_USER, sockets)
    if told or there != sockets:
        return f"it {told}" if told else f"only {there} are left"
    return ""


@attack("registry-read")
def registry_read(stage: Stage) -> str:
    """The registry with everybody's cards."""
    got = ""
    for server in SERVERS:
        paths = files_below(stage, server, STATE)
        must(f"{STATE}/registry.sqlite" in paths, f"no registry in {paths}")
        got += secret_from(stage, server, THIEF, paths, (HOST_USER, "roamdesk-enrol"))
    return got


@attack("registry-written")
def registry_written(stage: Stage) -> str:
    """A card of one's own for another's account."""
    return registry_written_by(stage, _home(stage), THIEF)


@attack("group-secret-read")
def secret_read(stage: Stage) -> str:
    """The group's secret, the server's key, and what else lies beside them."""
    paths = secrets_of(stage, _home(stage))
    return secret_from(stage, _home(stage), THIEF, paths, (HOST_USER, "roamdesk-enrol"))


@attack("daemons-traced")
def daemons_traced(stage: Stage) -> str:
    """The daemons' memory, for a session's user and for all daemons' users, their own included."""
    got = ""
    for user in (THIEF, *(each.name for each in plan.DAEMON_USERS)):
        found = looked_into(stage, _home(stage), user)
        must({"own traced", "own environ"} <= set(found), f"{user} cannot even trace itself")
        others = sorted(each for each in found if not each.startswith("own "))
        got += f"{user} sees {', '.join(others)}; " if others else ""
    seen = looked_into(stage, _home(stage), "root")
    daemons = {"hostd environ", "displayd environ", "launcherd environ"}
    must(daemons <= set(seen), f"not even root sees more than {seen}")
    return got


@attack("gateway's-user-orders-the-launcher")
def gateway_orders_launcher(stage: Stage) -> str:
    """displayd's user gives orders to launcherd."""
    return closed_to(stage, _home(stage), DISPLAY_USER, [f"{RUN}/launcher.sock"], HOST_USER)


_ORDER = f"""
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(20)
s.connect("{RUN}/launcher.sock")
s.sendall(sys.argv[1].encode() + b"\\n")
data = b""
while not any(word in data for word in (b"failed ", b"ready ")):
    part = s.recv(300)
    if not part:
        break
    data += part
print(data.decode().strip())
if b"ready " in data:
    session = next(w for w in sys.argv[1].split() if w.startswith("session="))
    s.sendall(f"stop {{session}}\\n".encode())
    while b"ended" not in data and (part := s.recv(300)):
        data += part
"""


def _ordered(stage: Stage, session: str, user: str, recipe: str = "desktop") -> str:
    """What launcherd says to hostd's user who orders this session; one that begins is ended."""
    order = f"start session={session} user={user} token=uid:1 recipe={recipe} width=800 height=600"
    return run_python(stage, "server1", HOST_USER, _ORDER, order)


def _carols_is_started(stage: Stage) -> None:
    """The positive control: a session of a person, by the same steps."""
    told = _ordered(stage, "dead99", "carol")
    must("ready session=dead99" in told, f"an order for carol's session gets {told!r}")


@attack("launcher-started-as-root")
def launcher_asked_for_root(stage: Stage) -> str:
    """hostd, taken over, orders sessions for root and for the daemons' own users."""
    daemons = [each.name for each in plan.DAEMON_USERS]
    got = ""
    for number, user in enumerate(("root", *daemons, "daemon", "nobody", "../root", "bob/..")):
        told = _ordered(stage, f"dead{number}", user)
        got += "" if "failed session" in told else f"{user}: {told}; "
    _carols_is_started(stage)
    return f"a session was started: {got[:200]}" if got else ""


@attack("launcher-paths")
def launcher_paths(stage: Stage) -> str:
    """hostd, taken over, orders sessions whose names and recipes are paths."""
    bad = [("../../etc", "desktop"), ("a/b", "desktop"), ("dead", "../../../etc/passwd")]
    bad += [("dead", "desktop%00"), ("x" * 300, "desktop"), ("-rf", "desktop")]
    got = ""
    for session, recipe in bad:
        told = _ordered(stage, session, "carol", recipe)
        got += "" if "failed session" in told else f"{session!r:.40} {recipe}: {told}; "
    _carols_is_started(stage)
    return f"a session was started: {got[:200]}" if got else ""


@attack("keys-readable-by-others")
def keys_readable(stage: Stage) -> str:
    """Daemons start although a key or the secret can be read by everybody."""
    server = "server2"
    etc = stage.lab.node_dir(server) / "etc" / "roamdesk"
    command = [sys.executable, "-m", "sessionhost.app.hostd", "--config", f"{ETC}/server.toml"]

    def refuses() -> bool:
        # With its keys in order it ends as well: the real one has the ports.
        return "open to others" in stage.lab.run(server, command, user=HOST_USER).stderr

    found = []
    for file in (etc / "server.key", etc / "group" / "secret", etc / "group" / "audit.key"):
        mode = file.stat().st_mode
        file.chmod(0o644)
        try:
            if not refuses():
                found.append(file.name)
        finally:
            file.chmod(mode & 0o7777)
    must(not refuses(), "hostd refuses keys that are in order")
    return f"hostd reads {', '.join(found)}" if found else ""


@attack("cpu-and-memory-of-a-session", flood=True)
def busy_session(stage: Stage) -> str:
    """A session's programs use all processors and much memory."""
    script = (
        "for i in 1 2 3 4; do timeout 6 python3 -I -c 'x = bytearray(200 << 20)\nwhile 1: pass' & "
        "done; wait; true"
    )
    stage.run_as(honest_server(stage), THIEF, script)
    return ""
