"""What a user tries on a server: read files, talk to sockets, look into processes. Judges nothing.

Everything goes by literal names: who may not list a folder may know what is in it. Each step can be
taken as any user, so that an attack shows that it works for who has the rights.
"""

import json
import subprocess

from roamtools.hostile.controls import must
from roamtools.hostile.stage import Stage
from roamtools.lab import plan

RUN = "/run/roamdesk"
STATE = "/var/lib/roamdesk"
ETC = "/etc/roamdesk"
HOST_USER, DISPLAY_USER, ENROL_USER = (user.name for user in plan.DAEMON_USERS)

STEP_S = 60.0

_READ = """
import json, sys
for path in json.loads(sys.argv[1]):
    try:
        with open(path, "rb") as file:
            if file.read(64):
                print(path)
    except OSError:
        pass
"""

_TALK = """
import json, socket, sys
for path in json.loads(sys.argv[1]):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(1.5)
    try:
        s.connect(path)
        s.sendall(b"list\\n")
        data = s.recv(64)
    except TimeoutError:
        data = b"(held)"
    except OSError:
        continue
    if data:
        print(path)
"""

_LOOK_INTO = """
import ctypes, os, subprocess
PTRACE_SEIZE = 0x4206  # unlike ATTACH it stops nobody
libc = ctypes.CDLL(None, use_errno=True)
own = subprocess.Popen(["sleep", "5"])
for pid in filter(str.isdecimal, os.listdir("/proc")):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            line = file.read().replace(b"\\0", b" ").decode()
    except OSError:
        continue
    daemon = next((name for name in ("hostd", "displayd", "enrold", "launcherd")
                   if f"sessionhost.app.{name} " in line), "")
    if not daemon and int(pid) != own.pid:
        continue
    name = daemon or "own"
    if libc.ptrace(PTRACE_SEIZE, int(pid), None, None) == 0:
        print(name, "traced")
    for part in ("environ", "maps", "mem"):
        try:
            with open(f"/proc/{pid}/{part}", "rb") as file:
                if part == "mem" or file.read(1):
                    print(name, part)
        except OSError:
            pass
own.kill()
"""


_WRITE = """
import sqlite3, sys
try:
    link = sqlite3.connect(sys.argv[1], timeout=1)
    link.execute("UPDATE tokens SET user = 'carol'")
    link.execute(sys.argv[2])
    print("written")
except sqlite3.Error:
    pass
"""


def run_python(stage: Stage, server: str, user: str, script: str, *arguments: str) -> str:
    """What a script says that a user runs on a server; a script that fails is our mistake."""
    command = ["/usr/bin/python3", "-I", "-c", script, *arguments]
    done = stage.lab.run(server, command, user=user, timeout_s=STEP_S)
    must(done.returncode == 0, f"the script of {user} failed: {done.stderr[-500:]}")
    return done.stdout.strip()


def readable(stage: Stage, server: str, user: str, paths: list[str]) -> list[str]:
    """Those of the files that a user can read."""
    return run_python(stage, server, user, _READ, json.dumps(paths)).splitlines()


def talking(stage: Stage, server: str, user: str, paths: list[str]) -> list[str]:
    """Those of the sockets where a user is not hung up on: answered, or at least kept."""
    return run_python(stage, server, user, _TALK, json.dumps(paths)).splitlines()


def looked_into(stage: Stage, server: str, user: str) -> list[str]:
    """Daemons, and a process of the user's own ("own"), with what a user can see of them."""
    return run_python(stage, server, user, _LOOK_INTO).splitlines()


def root_of(stage: Stage, server: str, user: str) -> str:
    """The machine as the desktop of that user sees it: the session's own tmpfs is in no other."""
    done = stage.lab.run(server, ["pgrep", "-u", user, "-o", "-x", "openbox"])
    must(done.returncode == 0, f"{user} has no desktop on {server}")
    return f"/proc/{done.stdout.strip()}/root"


def files_below(stage: Stage, server: str, *folders: str) -> list[str]:
    """All files in these folders that are not empty, as root sees them."""
    command = ["find", *folders, "-follow", "-type", "f", "-size", "+0"]
    done: subprocess.CompletedProcess[str] = stage.lab.run(server, command)
    found = done.stdout.split()
    must(found, f"there is nothing in {' and '.join(folders)}: {done.stderr[-200:]}")
    return sorted(found)


def secret_from(
    stage: Stage, server: str, thief: str, paths: list[str], owners: tuple[str, ...]
) -> str:
    """What the thief reads of these files, in words. Each of them, one of the owners can read."""
    got = set(readable(stage, server, thief, paths))
    rest = set(paths)
    for owner in owners:
        rest -= set(readable(stage, server, owner, paths))
    must(not rest, f"not even {' or '.join(owners)} can read {sorted(rest)}")
    return f"{thief} reads {', '.join(sorted(got))}" if got else ""


def closed_to(stage: Stage, server: str, thief: str, paths: list[str], owner: str) -> str:
    """Where the thief can talk, in words. The owner can everywhere."""
    got = talking(stage, server, thief, paths)
    rest = set(paths) - set(talking(stage, server, owner, paths))
    must(not rest, f"not even {owner} can talk to {sorted(rest)}")
    return f"{thief} talks to {', '.join(got)}" if got else ""


def secrets_of(stage: Stage, server: str) -> list[str]:
    """The keys and secrets of a server, as its administrator knows them."""
    files = files_below(stage, server, ETC)
    found = [path for path in files if path.endswith(".key") or "/secret" in path]
    must(len(found) >= 4, f"no secrets but {found}")
    return found


def registry_written_by(stage: Stage, server: str, thief: str) -> str:
    """Whether the thief can give all cards to carol. hostd's user can, and takes it back."""
    registry = f"{STATE}/registry.sqlite"
    told = run_python(stage, server, thief, _WRITE, registry, "COMMIT")
    right = run_python(stage, server, HOST_USER, _WRITE, registry, "ROLLBACK")
    must(right == "written", "not even hostd's user can write to the registry")
    return f"the registry was {told} by {thief}" if told else ""
