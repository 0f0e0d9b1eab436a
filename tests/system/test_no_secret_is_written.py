"""What people and machines have to keep to themselves happens once, in a lab that logs all it can.

Then the values themselves are looked for in all logs, audit logs and command lines: what was typed,
the tickets as they came to the terminal, codes, tokens, keys.
"""

import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
from secret_search import CommandLines, forms, search, written

from roamtools.bench.group import wait_trusted
from roamtools.demo.desk import wait_until
from roamtools.lab import plan
from roamtools.lab.lab import Lab
from roamtools.lab.piv_cards import make_piv
from sessionhost.adapters.invitations import parse_token

pytestmark = pytest.mark.system

DESK, OTHER = "desk1", "desk2"
PIN, WRONG_PIN = "83620917", "74019352"
WRONG_PASSWORD = "a guess, but nearly right"
ON_A_COMMAND_LINE = "everybody-can-see-this"

TAP = """
import roamwire.control as control
parse = control.parse_line
def parse_and_note(data):
    line = parse(data)
    for field in ("ticket", "sound"):
        if getattr(line, field, ""):
            with open("/run/lab/tap/tickets", "a") as file:
                print(type(line).__name__, getattr(line, field), file=file)
    return line
control.parse_line = parse_and_note
"""


@pytest.fixture(scope="module")
def story():
    """What happened: the values (`secret` and `known`), and where they may stand (`places`)."""
    debug = {"log_level": "debug"}
    policy = 'login = true\npiv_proof = "pin"\n'
    with Lab(f"secrets-{os.getpid()}") as lab:
        lab.up(
            servers=2,
            desks=0,
            tied=True,
            policy=policy,
            enrol="preregistered",
            server_settings=debug,
        )
        code = lab.roamctl("server1", "dtu", "preregister", DESK)["code"]
        for _ in (DESK, OTHER):
            lab.add_desk(settings={"enrol_code": code, **debug})
        told = SimpleNamespace(secret={"code": code, "bare code": code.replace("-", "")}, known={})
        with CommandLines(lab) as lines:
            wait_until(f"{DESK} is in", lambda: state(lab)["code"] == 21)
            wait_until(f"{OTHER} is not", lambda: state(lab, OTHER)["code"] == 19)
            tap(lab)
            pin_and_redirect(lab, told)
            passwords(lab)
            uid_card(lab)
            join(lab, told)
            lab.run("server1", ["sh", "-c", "sleep 1", ON_A_COMMAND_LINE])
        told.secret |= typed() | tickets(lab) | files(lab)
        told.places = written(lab) | {"command lines": lines.text()}
        yield told


def state(lab, desk=DESK):
    return lab.desk_state(desk)


def says(lab, code):
    wait_until(f"it says {code}", lambda: state(lab)["code"] == code)


def asks(lab, what):
    wait_until(f"it asks for {what!r}", lambda: state(lab)["asks"] == what)


def shown(lab):
    wait_until("a session is shown", lambda: state(lab)["session"])
    return state(lab)["session"]


def tap(lab):
    """From now on the terminal notes the tickets that it gets."""
    folder = lab.node_dir(DESK) / "tap"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(TAP)
    path = lab.node_dir(DESK) / "jobs.json"
    jobs = json.loads(path.read_text())
    (job,) = [each for each in jobs if each["process"]["name"] == "dtu"]
    job["process"]["env"]["PYTHONPATH"] = "/run/lab/tap"
    path.write_text(json.dumps(jobs))
    lab.stop_process(DESK, "dtu")
    lab.start_process(DESK, "dtu")
    lab.wait_ready(DESK)
    says(lab, 21)


def pin_and_redirect(lab, told):
    """A wrong PIN and the right one; then the card comes to the server without a session of it."""
    make_piv(lab, "alice", "alice", pin=PIN)
    lab.insert(DESK, "", piv="alice")
    says(lab, 51)
    lab.type(DESK, f"{WRONG_PIN}\n")
    says(lab, 52)
    lab.type(DESK, f"{PIN}\n")
    told.known = {"session": shown(lab)}
    home = state(lab)["server"]
    lab.remove(DESK)
    lab.cut(home)
    wait_until("it is elsewhere", lambda: state(lab)["server"] not in ("", home))
    lab.heal(home)
    wait_trusted(lab)
    says(lab, 21)
    lab.insert(DESK, "", piv="alice")
    says(lab, 51)
    lab.type(DESK, f"{PIN}\n")
    assert shown(lab) == told.known["session"]
    assert state(lab)["server"] == home, "it was redirected"
    lab.remove(DESK)
    says(lab, 21)


def passwords(lab):
    lab.type(DESK, "\n")
    asks(lab, "user,password")
    lab.type(DESK, f"bob\n{WRONG_PASSWORD}\n")
    says(lab, 55)
    lab.type(DESK, f"bob\t{plan.PASSWORD}\n")
    shown(lab)
    lab.type(DESK, "<ctrl-alt-home><up><up><enter>")  # lock: leave
    says(lab, 21)


def uid_card(lab):
    lab.insert(DESK, "C")
    shown(lab)
    lab.remove(DESK)
    says(lab, 21)


def join(lab, told):
    """server2 takes an envelope of server1's, as if it were a new one."""
    invite = [sys.executable, "-m", "sessionhost.app.roamctl", "server", "invite", "server9"]
    invite += ["--group", lab.group_dir, "--at", str(plan.server_address(1))]
    scratch = lab.directory / "envelope"
    done = subprocess.run(
        [*invite, "--out", scratch, "--json"], capture_output=True, text=True, check=True
    )
    token = parse_token(json.loads(done.stdout)["token"])
    told.secret |= {"join": token.text, "join key": token.key.hex(), "join claim": token.claim}
    waiting = lab.node_dir("server1") / "state" / "enrol" / "invitations"
    waiting.mkdir(exist_ok=True)
    shutil.copy(scratch / token.id, waiting)
    for path in (waiting, waiting / token.id):
        os.chown(path, plan.DAEMON_USERS[2].uid, plan.DAEMON_USERS[2].uid)
    roamctl = [sys.executable, "-m", "sessionhost.app.roamctl", "server", "join"]
    done = subprocess.run(
        lab.command("server2", [*roamctl, "--out", "/root/joined"]),
        input=f"{token.text}\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "server9" in done.stdout


def typed():
    return {
        "PIN": PIN,
        "wrong PIN": WRONG_PIN,
        "password": plan.PASSWORD,
        "wrong password": WRONG_PASSWORD,
        "card number": plan.CARDS["C"].number,
    }


def tickets(lab):
    lines = (lab.node_dir(DESK) / "tap" / "tickets").read_text().splitlines()
    return {f"{kind} {n}": ticket for n, (kind, ticket) in enumerate(map(str.split, lines))}


def files(lab):
    """Secrets and private keys of the group and of all machines, by their files' names."""
    paths = [lab.group_dir / "secret", lab.group_dir / "audit.key"]
    found = {path.name: path.read_text().strip() for path in paths}
    for path in [*lab.directory.rglob("*.key"), *lab.directory.rglob("*.pem")]:
        if "PRIVATE KEY" in path.read_text(errors="replace"):
            found[f"{path}"] = path.read_text().splitlines()[1]
    return found


def test_all_of_it_took_place(story):
    kinds = {name.split()[0] for name in story.secret}
    assert {"Connect", "Redirect", "PIN", "wrong", "password", "code", "join", "secret"} <= kinds
    assert sum(name.startswith("Connect") for name in story.secret) >= 4
    assert sum(name.endswith("dtu.key") for name in story.secret) == 2, "the terminals' own too"
    logs = "\n".join(story.places.values())
    for happened in (
        "wrong password for 'bob'",
        "has admitted this terminal",
        "DEBUG",
    ):
        assert happened in logs


def test_the_search_finds_what_is_known_to_be_there(story):
    found = search(story.places, story.known | {"word": ON_A_COMMAND_LINE})
    assert found["word"] == ["command lines"]
    for kind in ("hostd.log", "dtu.log", "audit.jsonl"):
        assert any(place.endswith(kind) for place in found["session"]), kind


@pytest.mark.parametrize("form", sorted(forms("only in\tthe lab")))
def test_the_search_finds_each_form(form):
    where = {"log": f"12:00 hostd INFO it was {form.upper()}, and more", "other": "nothing"}
    assert search(where, {"password": "only in\tthe lab"}) == {"password": ["log"]}


def test_no_secret_is_in_a_log_an_audit_log_or_on_a_command_line(story):
    assert search(story.places, story.secret) == {}
