"""A lab with PIV cards: what a person at a real desk sees, types and gets."""

import os

import pytest

from roamtools.bench.group import wait_trusted
from roamtools.demo.desk import wait_until
from roamtools.lab.lab import Lab
from roamtools.lab.piv_cards import PIN, clone_piv, make_piv
from roamtools.lab.plan import PASSWORD

pytestmark = pytest.mark.system

DESK, OTHER = "desk1", "desk2"
WAIT_S = 20.0
WRONG = "000000"


def state(lab, desk=DESK):
    return lab.desk_state(desk)


def says(lab, code, desk=DESK):
    wait_until(f"{desk} says {code}", lambda: state(lab, desk)["code"] == code)


def asks(lab, what, desk=DESK):
    wait_until(f"{desk} asks for {what!r}", lambda: state(lab, desk)["asks"] == what)


def shows_session(lab, desk=DESK):
    """Which one."""
    wait_until(f"{desk} shows a session", lambda: state(lab, desk)["session"])
    return state(lab, desk)["session"]


def insert(lab, name, desk=DESK):
    lab.insert(desk, "", piv=name)


def out(lab):
    for desk in (DESK, OTHER):
        if lab.card(desk) is not None:
            lab.remove(desk)
        says(lab, 21, desk)


class TestWithoutPin:
    """The card's own key is enough."""

    @pytest.fixture(scope="class")
    @classmethod
    def lab(cls):
        with Lab(f"piv-{os.getpid()}") as made:
            made.up(servers=2, desks=2, tied=True, policy="login = true\n")
            made.alice = make_piv(made, "alice", "alice")
            wait_trusted(made)
            yield made

    @pytest.fixture(autouse=True)
    def no_card(self, lab):
        yield
        out(lab)

    def test_a_card_that_proves_itself_shows_its_session_at_any_desk(self, lab):
        insert(lab, "alice")
        session = shows_session(lab)
        assert lab.piv_work(DESK)[1] == 1
        lab.remove(DESK)
        says(lab, 21)
        insert(lab, "alice", OTHER)
        assert shows_session(lab, OTHER) == session

    @pytest.mark.parametrize("kind", ["rsa2048", "rsa3072", "p384"])
    def test_other_keys_do_as_well(self, lab, kind):
        make_piv(lab, kind, "bob", kind)
        insert(lab, kind)
        shows_session(lab)

    def test_after_the_loss_of_a_server_the_card_proves_itself_again(self, lab):
        insert(lab, "alice")
        first = shows_session(lab)
        lost = state(lab)["server"]
        lab.kill(lost)
        wait_until("another session", lambda: state(lab)["session"] not in ("", first))
        assert state(lab)["server"] != lost
        assert lab.piv_work(DESK)[1] == 2
        lab.heal(lost)
        lab.wait_ready(lost)
        wait_trusted(lab)

    def test_a_copy_of_the_certificates_is_not_the_card(self, lab):
        clone_piv(lab, lab.alice, "copy")
        insert(lab, "copy")
        says(lab, 71)
        assert state(lab)["session"] == ""

    def test_a_card_that_nobody_registered_is_proven_and_refused(self, lab):
        make_piv(lab, "stranger")
        insert(lab, "stranger")
        says(lab, 31)

    def test_the_terminal_is_not_dumped_and_not_read(self, lab):
        status = lab.run(DESK, ["sh", "-c", "cat /proc/$(pgrep -f [d]tu.app.main)/limits"])
        line = next(each for each in status.stdout.splitlines() if "core file" in each)
        assert line.split()[4:6] == ["0", "0"]

    def test_name_and_password_do_without_a_card(self, lab):
        lab.type(DESK, "\n")
        asks(lab, "user,password")
        lab.type(DESK, "alice\nwrong\n")
        says(lab, 55)
        lab.type(DESK, f"alice\t{PASSWORD}\n")
        shows_session(lab)
        assert PASSWORD not in lab.logs(DESK)
        lab.type(DESK, "<ctrl-alt-home><up><up><enter>")  # lock: leave
        says(lab, 21)


class TestWithPin:
    """The policy wants key 9A."""

    @pytest.fixture(scope="class")
    @classmethod
    def lab(cls):
        with Lab(f"pin-{os.getpid()}") as made:
            made.up(servers=2, desks=2, tied=True, policy='piv_proof = "pin"\n')
            wait_trusted(made)
            yield made

    @pytest.fixture(autouse=True)
    def no_card(self, lab):
        yield
        out(lab)

    def test_wrong_twice_then_right_and_silent_after_a_failover(self, lab, tmp_path):
        make_piv(lab, "alice", "alice")
        insert(lab, "alice")
        says(lab, 51)
        lab.type(DESK, f"{WRONG}\n")
        says(lab, 52)
        lab.screenshot(DESK, tmp_path / "wrong.png")
        lab.type(DESK, f"{WRONG}\n")
        wait_until("one try is left", lambda: "one try" in state(lab)["text"])
        lab.type(DESK, f"{PIN}\n")
        first = shows_session(lab)
        with lab.trace(DESK) as trace:
            lost = state(lab)["server"]
            lab.kill(lost)
            trace.wait("first_frame", WAIT_S)
            came = [entry["code"] for entry in trace.seen if entry["event"] == "words"]
        assert 51 not in came
        assert state(lab)["session"] != first
        assert PIN not in lab.logs(DESK)
        lab.heal(lost)
        lab.wait_ready(lost)
        wait_trusted(lab)

    def test_a_card_out_takes_the_pin_with_it(self, lab):
        make_piv(lab, "carol", "carol")
        insert(lab, "carol")
        says(lab, 51)
        lab.type(DESK, "1357")
        lab.remove(DESK)
        says(lab, 21)
        assert state(lab)["asks"] == ""
        insert(lab, "carol")
        says(lab, 51)
        lab.type(DESK, f"{PIN}\n")  # with what was typed before it would be wrong
        shows_session(lab)

    def test_three_wrong_ones_block_the_card(self, lab):
        make_piv(lab, "bob", "bob")
        insert(lab, "bob")
        says(lab, 51)
        for _ in range(3):
            asks(lab, "pin")
            lab.type(DESK, f"{WRONG}\n")
        says(lab, 53)
        lab.remove(DESK)
        says(lab, 21)
        insert(lab, "bob")
        says(lab, 53)

    def test_escape_gives_up(self, lab):
        make_piv(lab, "dora", "carol")
        insert(lab, "dora")
        says(lab, 51)
        lab.type(DESK, "12<escape>")
        says(lab, 56)
