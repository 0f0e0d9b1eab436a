"""root's roamctl in folders of daemons that may have been taken over: what is planted there."""

import contextlib
import grp
import os
import pwd
import shutil
import stat
import tempfile
from pathlib import Path

import pytest

from roamwire.tokens import Token
from sessionhost.adapters import audit_log, folder_owner, registry_file
from sessionhost.adapters.audit_log import AuditLog, files_of
from sessionhost.adapters.folder_owner import NotPlainError, as_owner, check_plain, open_plain
from sessionhost.adapters.registry_editor import RegistryEditor
from sessionhost.adapters.terminal_store import TerminalStore
from sessionhost.app import roamctl_blocks
from sessionhost.app.roamctl import main
from sessionhost.app.roamctl_status import HostdAwayError
from sessionhost.core.audit import Record

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="is about what root does")

DAEMON, OTHER = pwd.getpwnam("nobody"), pwd.getpwnam("daemon")
CARD = "uid:04a1b2c3"
BESIDE = ("-wal", "-shm", "-journal")


@pytest.fixture
def place():
    """A folder to which every user has a way, which pytest's own is not."""
    made = Path(tempfile.mkdtemp(prefix="roamdesk-test-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def mine(place):
    """A folder of root's with a file that nobody else may read."""
    (place / "root").mkdir()
    file = place / "root" / "shadow"
    file.write_text("root:secret\n")
    file.chmod(0o600)
    yield file
    status = file.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (0, 0, 0o600)
    assert file.read_text() == "root:secret\n"
    assert [each.name for each in file.parent.iterdir()] == ["shadow"], "nothing was made"


@pytest.fixture
def server(place, mine, monkeypatch):
    """Settings, and the two folders that belong to a daemon's user."""
    monkeypatch.setattr(audit_log, "JOURNAL", place / "no journal")

    def away(_path, _question):
        raise HostdAwayError("hostd is not running here")

    monkeypatch.setattr(roamctl_blocks, "ask", away)
    for name in ("state", "enrol"):
        (place / name).mkdir(mode=0o700)
        os.chown(place / name, DAEMON.pw_uid, DAEMON.pw_gid)
    config = place / "server.toml"
    config.write_text('host = "s1"\nstate_dir = "state"\nenrol_dir = "enrol"\nrun_dir = "run"\n')
    assert main(["group", "create", "--dir", str(place / "group"), "--name", "lab"]) == 0
    return place


def roamctl(server, *words):
    return main([*map(str, words), "--config", str(server / "server.toml")])


def command(name):
    """The words of a command that uses the file of that name."""
    if name.startswith("registry"):
        return "token", "add", CARD, "alice"
    if name.startswith("terminals"):
        return "dtu", "preregister", "desk1"
    if name in ("blocks", *AUDIT):
        return "dtu", "revoke", "desk1"
    return "server", "invite", "s2", "--at", "10.0.0.1", "--group"


def link(path, mine):
    path.symlink_to(mine)
    os.chown(path, DAEMON.pw_uid, DAEMON.pw_gid, follow_symlinks=False)


def dangling(path, mine):
    link(path, mine.with_name("made-by-root"))


def link_to_folder(path, mine):
    link(path, mine.parent)


def hard_link(path, mine):
    os.link(mine, path)


def folder(path, mine):
    path.mkdir()
    os.chown(path, DAEMON.pw_uid, DAEMON.pw_gid)


def pipe(path, mine):
    os.mkfifo(path, 0o666)
    os.chown(path, DAEMON.pw_uid, DAEMON.pw_gid)


AUDIT = ("audit.jsonl", "audit.jsonl.lock")
PLANTS = (link, dangling, link_to_folder, hard_link, folder, pipe)
STATE = ("registry.sqlite", *("registry.sqlite" + end for end in BESIDE), "blocks")
ENROL = tuple("terminals.sqlite" + end for end in ("", "-wal", "-journal"))  # -shm: never used


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("name", [*STATE, *ENROL])
def test_what_is_planted_is_told_and_left_alone(server, mine, name, plant, capsys):
    path = server / ("enrol" if name in ENROL else "state") / name
    base = path.with_name(path.name.removesuffix("-" + name.rpartition("-")[2]))
    if base != path:  # so that SQLite would use what stands beside it
        store = TerminalStore if name in ENROL else RegistryEditor
        with as_owner(path.parent), store(path.parent if name in ENROL else base):
            pass
    before = base.read_bytes() if base != path else b""
    plant(path, mine)
    words = command(name)
    assert roamctl(server, *words) == 1
    told = capsys.readouterr().err
    assert name in told or base.name in told
    assert "Traceback" not in told
    if plant in (link, dangling, link_to_folder):
        assert f"{path} is a link" in told
    if base != path:
        assert base.read_bytes() == before


@pytest.mark.parametrize("plant", [link, dangling])
@pytest.mark.parametrize("name", [*STATE, *ENROL, *AUDIT])
def test_who_is_faster_than_the_look_gains_nothing(server, mine, name, plant, monkeypatch):
    """It is the kernel that refuses: here nobody looks whether there is a link."""
    monkeypatch.setattr(os, "O_NOFOLLOW", 0)
    for module in (folder_owner, registry_file):
        monkeypatch.setattr(module, "check_plain", lambda path: None)
    plant(server / ("enrol" if name in ENROL else "state") / name, mine)
    assert roamctl(server, *command(name)) in (0, 1)  # 0: SQLite did not need it; see `mine`


@pytest.mark.parametrize("plant", [link, dangling, link_to_folder, hard_link, pipe])
def test_an_invitation_is_left_nowhere_else(server, mine, plant, capsys):
    path = server / "enrol" / "invitations"
    plant(path, mine)
    assert roamctl(server, *command("invitations"), server / "group") == 1
    assert str(path) in capsys.readouterr().err
    path.unlink()
    assert roamctl(server, *command("invitations"), server / "group") == 0
    (made,) = path.iterdir()
    for each in (path, made):
        assert (each.stat().st_uid, each.stat().st_mode & 0o077) == (DAEMON.pw_uid, 0)


def test_an_invitation_into_a_link_that_was_named(server, mine, capsys):
    path = server / "enrol" / "invitations"
    link_to_folder(path, mine)
    words = (*command("invitations"), server / "group", "--out", path)
    assert roamctl(server, *words) == 1
    assert "is a link" in capsys.readouterr().err


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("name", AUDIT)
def test_a_planted_audit_log_is_told(server, mine, name, plant, caplog):
    plant(server / "state" / name, mine)
    assert roamctl(server, "token", "add", CARD, "alice") == 0, "that is another file"
    assert "cannot write the audit log" in caplog.text
    assert str(server / "state" / "audit.jsonl") in caplog.text
    if plant is link:
        assert f"{name} is a link, to {mine}" in caplog.text


@pytest.mark.parametrize("plant", [link, hard_link])
def test_a_planted_audit_log_is_not_read_out(server, mine, plant, capsys):
    log = AuditLog(mine, "s1", None)
    secret = log._chain.line(Record("admin", "of root"), when="2026-11-24", host="s1", card="")
    plant(server / "state" / "audit.jsonl", mine)
    mine.write_text(secret + "\n")
    for words in (("audit",), ("audit", "--verify")):
        assert roamctl(server, *words) == 1
        shown = capsys.readouterr()
        assert "of root" not in shown.out + shown.err
        assert "audit.jsonl" in shown.err
    mine.write_text("root:secret\n")


def test_what_root_makes_belongs_to_the_daemon(server):
    for name in ("registry", "terminals", "blocks"):
        assert roamctl(server, *command(name)) == 0
    names = set()
    for path in (*(server / "state").iterdir(), *(server / "enrol").iterdir()):
        assert (path.stat().st_uid, path.stat().st_gid) == (DAEMON.pw_uid, DAEMON.pw_gid)
        assert path.stat().st_mode & 0o007 == 0
        names.add(path.name)
    assert names >= {"registry.sqlite", "terminals.sqlite", "blocks", *AUDIT}
    assert len(files_of(server / "state" / "audit.jsonl")[0].read_text().splitlines()) == 3
    assert roamctl(server, "audit", "--verify") == 0


def test_root_has_its_rights_back(server, mine, capsys):
    os.setgroups(before := [0, grp.getgrnam("daemon").gr_gid])
    try:
        with as_owner(server / "state"):
            assert (os.geteuid(), os.getegid()) == (DAEMON.pw_uid, DAEMON.pw_gid)
            assert os.getgroups() == []
        with contextlib.suppress(ZeroDivisionError), as_owner(server / "state"):
            raise ZeroDivisionError
        refused = pytest.raises(NotPlainError, match="is refused to user nobody")
        with refused, as_owner(server / "state"):
            mine.read_text()
        assert (os.geteuid(), os.getegid(), os.getgroups()) == (0, 0, before)
        assert mine.read_text() == "root:secret\n"
    finally:
        os.setgroups([0])


def test_the_owner_is_who_decides_what_stands_there(server, place):
    """Also when the folder itself is root's, not there yet, or reached by a link."""

    def owner(path):
        with as_owner(path):
            return os.geteuid()

    (server / "state" / "of-root").mkdir()
    (place / "by-link").symlink_to(server / "state")
    other = server / "state" / "of-other"
    other.mkdir()
    os.chown(other, OTHER.pw_uid, OTHER.pw_gid)
    os.symlink(place / "root", server / "state" / "away")
    os.chown(server / "state" / "away", DAEMON.pw_uid, -1, follow_symlinks=False)
    assert owner(place / "root") == 0
    assert owner(place / "none" / "none") == 0
    for name in ("state", "state/of-root", "state/none/none", "by-link", "by-link/x", "state/away"):
        assert owner(place / name) == DAEMON.pw_uid, name
    assert owner(other) == OTHER.pw_uid


def test_a_folder_of_nobody_that_is_known(place):
    os.chown(place, 54321, 54321)
    with as_owner(place):
        assert (os.geteuid(), os.getegid(), os.getgroups()) == (54321, 54321, [])
    assert (os.geteuid(), os.getegid()) == (0, 0)
    refused = pytest.raises(NotPlainError, match="refused to user 54321")
    with refused, as_owner(place):
        os.open("/etc/shadow", os.O_RDONLY)


def test_a_plain_file_is_opened_and_nothing_else(place, mine):
    os.close(open_plain(place / "new", os.O_WRONLY | os.O_CREAT, 0o600))
    check_plain(place / "new")
    check_plain(place / "none")
    with pytest.raises(FileNotFoundError):
        open_plain(place / "none", os.O_RDONLY)
    for plant, words in ((link, "is a link"), (folder, "is no file"), (pipe, "is no file")):
        path = place / plant.__name__
        plant(path, mine)
        for check in (check_plain, lambda each: open_plain(each, os.O_RDONLY)):
            with pytest.raises(NotPlainError, match=words):
                check(path)
    with RegistryEditor(place / "registry.sqlite") as editor:
        editor.add(Token.parse(CARD), "alice", 0)
