"""What a server keeps of terminals: over restarts, for enrold and roamctl at the same time."""

import os
import pwd

import pytest

from sessionhost.adapters import terminal_store
from sessionhost.adapters.terminal_store import StoreError, TerminalStore, make_folder
from sessionhost.core.enrolment import Known, Request

ONE, TWO = "1a" * 32, "2b" * 32
MINUTE = 60_000


@pytest.fixture
def open_store(tmp_path):
    opened = []

    def open_one():
        opened.append(TerminalStore(tmp_path))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


def states(store):
    return [(each.name, each.state) for each in store.listed()]


def test_what_is_known_outlives_the_daemon(open_store):
    store = open_store()
    assert store.known("desk1", ONE, 0) is None
    assert store.admit(Request("desk1", ONE), "Pi 4", 1)
    store.close()
    again = open_store()
    assert again.known("desk1", TWO, 2) == Known(ONE)
    assert [(each.model, each.seen_ms) for each in again.listed()] == [("Pi 4", 1)]
    assert again.admit(Request("desk1", ONE), "", 5)
    assert again.listed()[0].model == "Pi 4", "a renewal does not tell it"


def test_a_person_approves_in_another_process(open_store):
    daemon, person = open_store(), open_store()
    daemon.wait(Request("desk1", ONE), "10.0.0.1", "Pi 4", 0)
    assert states(person) == [("desk1", "waits")]
    assert person.approve("desk1", "", 1).key == ONE
    assert daemon.known("desk1", ONE, 2) == Known(ONE)
    assert states(daemon) == [("desk1", "known")]
    with pytest.raises(StoreError, match="no terminal waits"):
        person.approve("desk1", "", 2)


def test_of_two_that_ask_for_a_name_the_key_says_which(open_store):
    store = open_store()
    for key in (ONE, TWO):
        store.wait(Request("desk1", key), "10.0.0.1", "", 0)
    with pytest.raises(StoreError, match="2b2b-2b2b-2b2b-2b2b"):
        store.approve("desk1", "", 1)
    assert store.approve("desk1", "2B2B-2b", 1).key == TWO
    assert store.known("desk1", TWO, 1) == Known(TWO)
    assert states(store) == [("desk1", "waits"), ("desk1", "known")]


def test_who_is_turned_away_stays_so_until_approved_by_key(open_store):
    store = open_store()
    store.wait(Request("desk1", ONE), "10.0.0.1", "", 0)
    assert store.deny("desk1") == "waiting"
    assert store.known("desk1", ONE, 0) == Known(denied=True)
    assert store.known("desk1", TWO, 0) is None, "another machine may have the name"
    assert store.waiting(10**12) == []
    assert states(store) == [("desk1", "denied")]
    with pytest.raises(StoreError, match="no terminal waits"):
        store.approve("desk1", "", 1)
    store.approve("desk1", "1a1a", 1)
    assert store.known("desk1", ONE, 0) == Known(ONE)
    assert store.deny("desk1") == "known"
    assert store.known("desk1", ONE, 0) == Known(ONE, denied=True)
    store.forget("desk1")
    assert store.known("desk1", ONE, 0) is None
    for verb in (store.deny, store.forget):
        with pytest.raises(StoreError, match="there is no terminal"):
            verb("desk1")


def test_a_code_is_good_once_and_until_its_end(open_store):
    store = open_store()
    store.preregister("desk1", "c0de", until_ms=100, now_ms=0)
    assert states(store) == [("desk1", "preregistered")]
    assert store.known("desk1", ONE, 99) == Known("", "c0de")
    assert store.known("desk1", ONE, 100) == Known("", "")
    store.admit(Request("desk1", ONE), "", 50)
    assert store.known("desk1", ONE, 51) == Known(ONE, "c0de"), "not used up by another way in"
    store.admit(Request("desk1", TWO), "", 52, uses_code=True)
    assert store.known("desk1", TWO, 53) == Known(TWO)


def test_who_does_not_ask_any_more_is_forgotten(open_store):
    store = open_store()
    store.wait(Request("desk1", ONE), "10.0.0.1", "", 0)
    store.wait(Request("desk1", ONE), "10.0.0.1", "", MINUTE // 2)
    assert store.listed()[0].seen_ms == 0, "one write a minute"
    store.wait(Request("desk1", ONE), "10.0.0.1", "", 2 * MINUTE)
    assert [each.seen_ms for each in store.waiting(16 * MINUTE)] == [2 * MINUTE]
    assert store.waiting(18 * MINUTE) == []
    store.wait(Request("desk2", ONE), "10.0.0.1", "", 0)
    store.drop(store.waiting(0)[0])
    assert store.listed() == []


def test_a_terminal_of_another_server_is_remembered_by_its_certificate(open_store):
    store = open_store()
    store.seen("desk1", ONE, 0)
    assert store.known("desk1", TWO, 0) == Known(ONE)
    store.seen("desk1", TWO, 10 * MINUTE)
    assert store.known("desk1", TWO, 0) == Known(ONE), "a name is not lost to who comes later"
    assert store.listed()[0].seen_ms == 0
    store.seen("desk1", ONE, 10 * MINUTE)
    assert store.listed()[0].seen_ms == 10 * MINUTE


def test_there_is_a_most_of_terminals(open_store, monkeypatch):
    monkeypatch.setattr(terminal_store, "MAX_TERMINALS", 1)
    store = open_store()
    assert store.admit(Request("desk1", ONE), "", 0)
    assert not store.admit(Request("desk2", TWO), "", 0)
    store.seen("desk2", TWO, 0)
    assert store.admit(Request("desk1", TWO), "", 0)
    assert states(store) == [("desk1", "known")]


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(StoreError, match="enrol_dir"):
        TerminalStore(tmp_path / "none")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
def test_the_folder_that_root_makes_belongs_to_the_daemon(tmp_path):
    first, second = pwd.getpwnam("daemon"), pwd.getpwnam("nobody")
    make_folder(tmp_path / "enrol", first)
    make_folder(tmp_path / "enrol", second)
    status = (tmp_path / "enrol").stat()
    assert (status.st_uid, status.st_gid) == (first.pw_uid, first.pw_gid)
    assert status.st_mode & 0o077 == 0
