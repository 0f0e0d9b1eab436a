"""One server reads another's audit log over real TLS: who may, what comes, and what breaks it."""

import asyncio
import contextlib
import datetime
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from roamwire.identity import Identity
from roamwire.log_lines import ReadLog, encode_log_line
from roamwire.signing import GroupSecrets
from sessionhost.adapters import audit_client, audit_log, audit_server, pki
from sessionhost.adapters.audit_client import Asked, NoAnswerError, read_log
from sessionhost.adapters.audit_log import AuditLog
from sessionhost.adapters.audit_server import AuditServer
from sessionhost.adapters.control_server import ControlServer
from sessionhost.adapters.keyfiles import write_private, write_public
from sessionhost.adapters.tls import client_context, server_context
from sessionhost.core.audit import Chain, Record, parse, verify

pytestmark = pytest.mark.system

SECRETS = GroupSecrets(b"0123456789abcdef")
WAIT_S = 20


@dataclass
class Identified:
    """A machine's certificate files, as `TlsSettings` wants them."""

    group_dir: Path
    identity_cert: Path
    identity_key: Path


class Nobody:
    """No terminal comes in these tests; what does is written down."""

    def __init__(self):
        self.links = []

    def link_opened(self, link, dtu, address):
        self.links.append(dtu)

    def line_received(self, link, line):
        self.links.append(line)

    def link_closed(self, link):
        pass


class Server:
    """s2's control port with its audit log, in a thread; `secrets` are those that are live."""

    def __init__(self, folder, identified):
        self.path = folder / "s2" / "audit.jsonl"
        self.path.parent.mkdir()
        self.log = AuditLog(self.path, "s2", b"k" * 32, folder / "no journal")
        self.secrets = SECRETS
        self.handler = Nobody()
        self.port = 0
        self._tls = server_context(identified)
        self._up = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()

    @contextlib.contextmanager
    def running(self):
        thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))
        thread.start()
        try:
            assert self._up.wait(WAIT_S)
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._end.set)
            thread.join(WAIT_S)
            self._loop.close()
            self.log.close()

    async def _run(self):
        logs = AuditServer(self.path, "s2", lambda: self.secrets, self.log.write)
        control = ControlServer(self._tls, self.handler, logs.protocol)
        control.start(0)
        self.port = control._server._listener.getsockname()[1]
        self._up.set()
        await self._end.wait()
        await control.close(0)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._loop.shutdown_default_executor()

    def lines(self):
        return self.path.read_text().splitlines()

    @property
    def asked(self):
        return Asked("s2", ["127.0.0.1"], self.port)


@pytest.fixture
def identified(tmp_path):
    """Makes identities of the group, or of another one."""
    now = datetime.datetime.now(datetime.UTC)

    def make(role, name, group="group"):
        if not (tmp_path / group).exists():
            pki.create_group(tmp_path / group, "lab", now, os.urandom)
        issued = pki.load_ca(tmp_path / group).issue(Identity(role, name), now)
        paths = [tmp_path / f"{group}-{name}.{kind}" for kind in ("crt", "key")]
        write_public(paths[0], issued.certificate)
        write_private(paths[1], issued.key)
        return Identified(tmp_path / "group", *paths)

    return make


@pytest.fixture
def server(tmp_path, identified):
    with Server(tmp_path, identified("server", "s2")).running() as found:
        yield found


def read(server, identity, *, secrets=SECRETS, asked=None, host="s1", since=""):
    tls = client_context(identity)
    with read_log(
        asked or server.asked, tls, secrets, host=host, by="root (alice)", since=since
    ) as lines:
        return list(lines)


def test_a_server_with_certificate_and_secret_gets_the_log_as_it_is(server, identified):
    for number in range(3000):  # several pieces
        server.log.write(Record("insert", "accepted", "alice", None, "desk1", f"the {number}."))
    lines = read(server, identified("server", "s1"))
    assert lines == server.lines()
    assert list(verify(lines, Chain())) == []
    last = parse(lines[-1])
    assert (last["what"], last["decision"], last["who"]) == ("audit", "read", "root (alice)")
    assert last["reason"] == "at server s1"
    assert server.handler.links == [], "it is no terminal"


def test_without_the_secret_a_servers_certificate_is_not_enough(server, identified, caplog):
    """enrold, which strangers talk to, has the server's key; a stolen one is such a case too."""
    server.log.write(Record("card", "out"))
    before = server.lines()
    with pytest.raises(NoAnswerError, match="did not answer"):
        read(server, identified("server", "s1"), secrets=GroupSecrets(b"another secret.."))
    assert server.lines() == before
    assert "not signed with the group's secret" in caplog.text


def test_after_a_rotation_of_the_secret_the_new_one_counts(server, identified):
    s1 = identified("server", "s1")
    new = GroupSecrets(b"fedcba9876543210", SECRETS.current)
    server.secrets = new
    assert read(server, s1) == server.lines()
    assert read(server, s1, secrets=new) == server.lines()


def test_a_terminal_is_no_server(server, identified, monkeypatch):
    monkeypatch.setattr(audit_client, "ANSWER_S", 0.5)
    with pytest.raises(NoAnswerError):
        read(server, identified("dtu", "desk1"))
    assert server.handler.links[0] == "desk1"
    assert not server.path.exists()


def test_another_groups_server_is_no_server(server, identified):
    with pytest.raises(NoAnswerError):
        read(server, identified("server", "s1", "foreign"))
    assert not server.path.exists()


def test_who_asks_is_who_its_certificate_says(server, identified, caplog):
    with pytest.raises(NoAnswerError):
        read(server, identified("server", "s3"), host="s1")
    assert "signed for another connection" in caplog.text
    assert not server.path.exists()


def test_who_answers_is_who_its_certificate_says(server, identified):
    with pytest.raises(NoAnswerError, match=r"is not at 127\.0\.0\.1: that is s2"):
        read(server, identified("server", "s1"), asked=Asked("s3", ["127.0.0.1"], server.port))


def test_an_address_that_is_dead_is_passed_over(server, identified):
    asked = Asked("s2", ["127.0.0.9", "127.0.0.1"], server.port)
    s1 = identified("server", "s1")
    assert read(server, s1, asked=asked) == server.lines()
    with pytest.raises(NoAnswerError, match="did not answer: Connection refused"):
        read(server, s1, asked=Asked("s2", ["127.0.0.1"], 1))


def test_files_of_before_are_left_out(server, identified):
    server.log.write(Record("card", "in"))
    server.path.rename(server.path.with_name("audit.jsonl.1"))
    server.log.write(Record("card", "out"))
    s1 = identified("server", "s1")
    older = server.path.with_name("audit.jsonl.1").read_text().splitlines()
    assert read(server, s1) == [*older, *server.lines()]
    later = parse(server.lines()[0])["when"]
    some = read(server, s1, since=later + "Z")
    assert some == server.lines()
    assert list(verify(some, Chain())) == []
    assert parse(some[-1])["reason"] == f"at server s1, since {later}Z"


def test_a_log_that_is_cut_on_its_way_is_not_taken_for_whole(server, identified, monkeypatch):
    for _ in range(1000):
        server.log.write(Record("card", "out"))

    async def half(file, size, writer):
        writer.write(file.read(size // 2))

    monkeypatch.setattr(audit_server, "_send", half)
    with pytest.raises(NoAnswerError, match=r"broke off, [0-9]+ bytes before the end"):
        read(server, identified("server", "s1"))


def test_logs_are_read_by_few_at_a_time(server, identified, monkeypatch):
    monkeypatch.setattr(audit_server, "MAX_READERS", 0)
    with pytest.raises(NoAnswerError, match="refuses: its log is being read by others"):
        read(server, identified("server", "s1"))


def test_a_recorded_request_is_good_for_nothing(server, identified, monkeypatch):
    s1 = identified("server", "s1")
    old = encode_log_line(ReadLog("00" * 16, "s1", "s2", "root"), SECRETS)
    monkeypatch.setattr(
        "sessionhost.adapters.audit_client.encode_log_line", lambda _request, _secrets: old
    )
    with pytest.raises(NoAnswerError):
        read(server, s1)
    assert not server.path.exists()


def test_a_rotation_meanwhile_breaks_nothing(server, identified, monkeypatch):
    monkeypatch.setattr(audit_log, "MAX_FILE_BYTES", 100_000)
    for _ in range(400):
        server.log.write(Record("card", "out"))
    tls = client_context(identified("server", "s1"))
    with read_log(server.asked, tls, SECRETS, host="s1", by="root", since="") as lines:
        first = next(lines)
        for _ in range(800):
            server.log.write(Record("card", "out"))
        rest = list(lines)
    found = [parse(line)["n"] for line in [first, *rest]]
    assert found == list(range(1, 402))
