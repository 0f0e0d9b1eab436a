"""Lost cards and revoked terminals in a lab of three servers, its audit log, and what logs tell.

All logs of all processes are grepped after all of that, with everything at debug level.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from roamtools.demo.desk import wait_until
from roamtools.lab import plan
from roamtools.lab.lab import Lab
from sessionhost.adapters.audit_log import AuditLog
from sessionhost.core.audit import Record
from sessionhost.core.timing import KEEPALIVE_S

pytestmark = pytest.mark.system

BOUND_S = 2.0
SERVERS = ("server1", "server2", "server3")

SECRETS = ("secret", "audit.key")
TICKETS = re.compile(
    r"ticket[=: ]+'?[0-9a-f~]{8,}|attach ticket|password=|PIN=[0-9]", re.IGNORECASE
)
"""Display and redirect tickets, and fields that carry what a person typed."""


@pytest.fixture(scope="module")
def lab():
    debug = {"log_level": "debug"}
    with Lab(f"blocks-{os.getpid()}") as lab:
        lab.up(servers=3, desks=2, tied=True, server_settings=debug, desk_settings=debug)
        for desk in lab.desks():
            connected(lab, desk)
        yield lab


def connected(lab, desk):
    wait_until(f"{desk} is connected", lambda: lab.desk_state(desk)["state"] == "connected")


def opened(lab, desk, card):
    with lab.trace(desk) as trace:
        lab.insert(desk, card)
        trace.wait("first_frame", 20)


def roamctl(lab, server, *words, status=0):
    command = [sys.executable, "-m", "sessionhost.app.roamctl", *words, "--json"]
    done = lab.run(server, command)
    assert done.returncode == status, done.stderr + done.stdout
    return json.loads(done.stdout)


def elsewhere(lab, desk):
    """A server that the desk is not connected to."""
    return next(name for name in SERVERS if name != lab.desk_state(desk)["server"])


def open_displays(lab):
    """Who has a connection to a display gateway, from the kernels' tables."""
    return sum(
        line.split()[3] == "01" and line.split()[1].endswith(":1B62")
        for server in SERVERS
        if lab.node(server)["power"]
        for table in ("tcp", "tcp6")
        for line in (lab.node_root(lab.node(server)).parent / "net" / table)
        .read_text()
        .splitlines()[1:]
    )


def test_a_lost_cards_live_session_is_cut_in_the_whole_group(lab):
    opened(lab, "desk1", "A")
    assert open_displays(lab) == 1
    where = elsewhere(lab, "desk1")
    with lab.trace("desk1") as trace:
        start = time.monotonic()
        told = roamctl(lab, where, "token", "lost", plan.CARDS["A"].token)
        trace.wait("words", 10, code=39)
        took = time.monotonic() - start
    assert took < BOUND_S
    assert len(told["told"]) == 2
    wait_until("no gateway shows it", lambda: open_displays(lab) == 0, BOUND_S)
    assert lab.desk_state("desk1")["session"] == ""
    for server in SERVERS:
        status = roamctl(lab, server, "status")
        assert status["blocked"] == {"cards": 1, "terminals": 0}
        assert [each["dtu"] for each in status["sessions"] if each["dtu"]] == []
    print(f"lost: {took * 1000:.0f} ms from roamctl's start to the words on the screen")


def test_a_lost_card_opens_nothing_at_any_desk_until_it_is_found(lab):
    lab.remove("desk1")
    with lab.trace("desk2") as trace:
        lab.insert("desk2", "A")
        trace.wait("words", 10, code=39)
    roamctl(lab, elsewhere(lab, "desk2"), "token", "found", plan.CARDS["A"].token)
    lab.remove("desk2")
    opened(lab, "desk2", "A")
    lab.remove("desk2")


def test_a_revoked_terminal_is_off_within_two_seconds_and_its_picture_and_sound_too(lab):
    opened(lab, "desk1", "B")
    with lab.trace("desk1") as trace:
        start = time.monotonic()
        roamctl(lab, elsewhere(lab, "desk1"), "dtu", "revoke", "desk1")
        trace.wait("words", 10, code=10)
        took = time.monotonic() - start
    assert took < BOUND_S
    wait_until("no gateway shows it", lambda: open_displays(lab) == 0, BOUND_S)
    time.sleep(3 * KEEPALIVE_S)
    assert lab.desk_state("desk1")["state"] != "connected"
    for server in SERVERS:
        assert "desk1" not in [each["dtu"] for each in roamctl(lab, server, "status")["dtus"]]
    assert lab.desk_state("desk2")["state"] == "connected"
    print(f"revoked: {took * 1000:.0f} ms from roamctl's start to the words on the screen")


def test_a_server_that_was_down_learns_both(lab):
    away = next(name for name in SERVERS if name != lab.desk_state("desk2")["server"])
    lab.kill(away)
    roamctl(lab, elsewhere_of(away), "token", "lost", plan.CARDS["C"].token)
    lab.heal(away)
    lab.wait_ready(away)
    start = time.monotonic()
    wait_until("it knows", lambda: blocked(lab, away) == {"cards": 1, "terminals": 1}, 10)
    assert time.monotonic() - start < BOUND_S + 1
    kept = lab.node_dir(away) / "state" / "blocks"
    assert kept.read_text().count("entry=") >= 2
    roamctl(lab, away, "token", "found", plan.CARDS["C"].token)


def elsewhere_of(server):
    return next(name for name in SERVERS if name != server)


def blocked(lab, server):
    return roamctl(lab, server, "status")["blocked"]


def test_a_restored_terminal_opens_the_session_of_the_card_that_is_in(lab):
    with lab.trace("desk1") as trace:
        roamctl(lab, "server1", "dtu", "restore", "desk1")
        trace.wait("first_frame", 20)
    lab.remove("desk1")


def test_a_display_of_a_revoked_terminal_ends_while_hostd_is_down(lab):
    """The block is written where hostd does not run; it holds when it is back, before anybody."""
    opened(lab, "desk1", "B")
    server = lab.desk_state("desk1")["server"]
    for name in SERVERS:
        lab.stop_process(name, "hostd", hard=True)
    told = roamctl(lab, server, "dtu", "revoke", "desk1")
    assert told["written"]
    for name in SERVERS:
        lab.start_process(name, "hostd")
    wait_until("no gateway shows it", lambda: open_displays(lab) == 0, 10)
    wait_until("all know", lambda: all(blocked(lab, s)["terminals"] == 1 for s in SERVERS), 10)
    roamctl(lab, server, "dtu", "restore", "desk1")
    connected(lab, "desk1")
    lab.remove("desk1")


def test_the_audit_log_follows_the_card_over_the_servers(lab, tmp_path):
    files = [str(lab.node_dir(name) / "state" / "audit.jsonl") for name in SERVERS]
    group = lab.directory / "credentials" / "group" / "audit.key"
    merged = audit(*files, "--card", plan.CARDS["A"].token, "--key", str(group))["records"]
    story = [(each["what"], each["decision"]) for each in merged]
    wanted = {("insert", "accepted"), ("session", "created"), ("session", "shown")}
    wanted |= {("admin", "token block"), ("session", "blocked"), ("insert", "refused")}
    assert wanted <= set(story)
    assert story.index(("session", "shown")) < story.index(("admin", "token block"))
    admins = {each["who"] for each in merged if each["what"] == "admin"}
    assert len(admins) == 1
    assert min(admins).startswith("root")  # and in brackets who is behind it, by sudo
    assert len({each["card"] for each in merged}) == 1
    for server, file in zip(SERVERS, files, strict=True):
        assert roamctl(lab, server, "audit", "--verify")["whole"]
        lines = Path(file).read_text().splitlines(keepends=True)
        damaged = tmp_path / f"{server}.jsonl"
        damaged.write_text("".join(lines[:1] + lines[2:]))
        told = audit(str(damaged), "--verify", status=1)
        assert "line 2: record 2 is missing" in told["error"]


def test_any_server_tells_the_whole_groups_story_and_who_is_missing(lab):
    card = ("--card", plan.CARDS["A"].token)
    told = roamctl(lab, "server1", "audit", "--group", *card)
    assert [each["server"] for each in told["servers"]] == list(SERVERS)
    assert (told["complete"], told["whole"]) == (True, True)
    by_server = {each["server"] for each in told["records"]}
    assert len(by_server) >= 2, "a card's story is in more than one log"
    assert len({each["card"] for each in told["records"]}) == 1
    whens = [each["when"] for each in told["records"]]
    assert whens == sorted(whens)
    # The reading itself stands in the logs that were read.
    read = roamctl(lab, "server2", "audit", "--what", "audit")["records"]
    assert read[-1]["who"].startswith("root")
    assert read[-1]["reason"] == "at server server1"
    away = next(name for name in SERVERS[1:] if name != lab.desk_state("desk2")["server"])
    lab.kill(away)
    told = roamctl(lab, "server1", "audit", "--group", *card)
    (missing,) = [each for each in told["servers"] if not each["answered"]]
    assert (missing["server"], told["complete"]) == (away, False)
    assert missing["why"].startswith("did not answer")
    told = roamctl(lab, "server1", "audit", "--group", "--verify", status=1)
    assert f"{away} did not answer" in told["error"]
    lab.heal(away)
    lab.wait_ready(away)


@pytest.mark.parametrize("user", ["roamdesk-enrol", "roamdesk-display", "nobody"])
def test_who_is_not_root_reads_no_servers_log(lab, user):
    """The first two hold the server's key."""
    command = [sys.executable, "-m", "sessionhost.app.roamctl", "audit", "--group"]
    done = lab.run("server1", command, user=user)
    assert done.returncode == 1
    assert "ermission denied" in done.stderr, done.stderr


def audit(*words, status=0):
    command = [sys.executable, "-m", "sessionhost.app.roamctl", "audit", *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


def test_no_log_of_any_process_has_a_card_number_a_ticket_or_a_secret(lab):
    credentials = lab.directory / "credentials"
    secrets = [card.number for card in plan.CARDS.values()]
    secrets += [(credentials / "group" / name).read_text().strip() for name in SECRETS]
    keys = [path.read_text().splitlines()[1] for path in credentials.rglob("*.key")
            if path.read_text().startswith("-----")]  # fmt: skip
    assert len(secrets) >= 5
    assert len(keys) >= 6
    logs = {name: lab.logs(name) for name in [*lab.servers(), *lab.desks(), "switch"]}
    logs |= {f"audit of {n}": (lab.node_dir(n) / "state/audit.jsonl").read_text() for n in SERVERS}
    for name in SERVERS:  # the lines that the rest is looked for in are really there
        assert "hostd DEBUG" in logs[name] or "hostd INFO" in logs[name]
    assert any("is shown at desk1" in logs[name] for name in SERVERS)
    assert "card in" in logs["desk1"]
    for where, text in logs.items():
        for secret in (*secrets, *keys):
            assert secret.lower() not in text.lower(), f"{where} has a secret"
        assert not TICKETS.findall(text), f"{where} has what looks like a ticket"


def test_the_journal_gets_each_record_by_its_native_protocol(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(tmp_path / "socket"))
        journal.settimeout(5)
        log = AuditLog(tmp_path / "log", "s1", b"k" * 32, tmp_path / "socket")
        log.write(Record("card", "out", dtu="desk1", reason="a\nb"))
        told = journal.recv(4096).decode()
        log.close()
    fields = dict(line.split("=", 1) for line in told.splitlines())
    assert fields["ROAMDESK_AUDIT"] == "1"
    assert fields["SYSLOG_IDENTIFIER"] == "roamdesk-audit"
    assert fields["ROAMDESK_AUDIT_LOG"] == str(tmp_path / "log")
    assert fields["MESSAGE"] + "\n" == (tmp_path / "log").read_text()


def test_a_journal_that_does_not_read_keeps_nobody_waiting(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(tmp_path / "socket"))
        log = AuditLog(tmp_path / "log", "s1", b"k" * 32, tmp_path / "socket")
        start = time.monotonic()
        for _ in range(2000):
            log.write(Record("card", "out", dtu="desk1"))
        log.close()
    assert len((tmp_path / "log").read_text().splitlines()) == 2000
    assert time.monotonic() - start < 10
