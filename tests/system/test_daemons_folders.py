"""A daemon that was taken over leaves links for root in its folder; roamctl as root comes along."""

import os

import pytest
from server_box import USERS, server_box

pytestmark = pytest.mark.system


@pytest.fixture
def box():
    with server_box() as found:
        (found.root / "state").mkdir(mode=0o750)
        os.chown(found.root / "state", USERS["roamdesk"], USERS["roamdesk"])
        yield found


@pytest.fixture
def shadow(box):
    """The box's own, which decides who is root in it."""
    path = box.root / "etc" / "shadow"
    path.chmod(0o600)
    before, text = path.stat(), path.read_text()
    yield path
    after = path.stat()
    assert (after.st_uid, after.st_gid, after.st_mode) == (0, before.st_gid, before.st_mode)
    assert path.read_text() == text


def roamctl(box, *words):
    command = [box.python, "-m", "sessionhost.app.roamctl", *map(str, words)]
    return box.run(*command, "--config", str(box.config))


@pytest.mark.parametrize(
    ("user", "name", "words"),
    [
        ("roamdesk", "state/registry.sqlite", ("token", "add", "uid:04a1b2c3", "alice")),
        ("roamdesk", "state/registry.sqlite-wal", ("token", "list")),
        ("roamdesk", "state/blocks", ("token", "lost", "uid:04a1b2c3")),
        ("roamdesk-enrol", "enrol/terminals.sqlite", ("dtu", "preregister", "desk1")),
        ("roamdesk-enrol", "enrol/terminals.sqlite-journal", ("dtu", "list")),
        ("roamdesk-enrol", "enrol/invitations", ("server", "invite", "s2", "--at", "10.0.0.1")),
    ],
)
def test_a_link_to_roots_file_is_refused_in_words(box, shadow, user, name, words):
    path = box.root / name
    assert box.run("ln", "-s", str(shadow), str(path), user=user).returncode == 0
    invite = ("--group", box.group / "ca") if "invite" in words else ()
    done = roamctl(box, *words, *invite)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{path} is a link" in done.stderr
    assert os.readlink(path) == str(shadow), "it is left for the administrator to see"


@pytest.mark.parametrize("name", ["audit.jsonl", "audit.jsonl.lock"])
def test_a_link_in_place_of_the_audit_log(box, shadow, name):
    path = box.root / "state" / name
    box.run("ln", "-s", str(shadow), str(path), user="roamdesk")
    done = roamctl(box, "token", "add", "uid:04a1b2c3", "alice")
    assert "cannot write the audit log" in done.stderr
    assert f"{path} is a link" in done.stderr
    assert "alice" in roamctl(box, "token", "list").stdout


def test_root_before_the_daemons_leaves_all_to_them(box):
    (box.root / "enrol").rmdir()
    assert roamctl(box, "token", "add", "uid:04a1b2c3", "alice").returncode == 0
    assert roamctl(box, "token", "lost", "uid:04a1b2c3").returncode == 0
    assert roamctl(box, "dtu", "preregister", "desk1").returncode == 0
    for folder, user in (("state", "roamdesk"), ("enrol", "roamdesk-enrol")):
        found = [box.root / folder, *(box.root / folder).iterdir()]
        assert len(found) > 1
        for path in found:
            assert (path.stat().st_uid, path.stat().st_gid) == (USERS[user], USERS[user]), path
