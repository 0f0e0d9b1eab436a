"""A real hostd over real TLS: cards with real keys, passwords of a real PAM, reader desks."""

import contextlib
import datetime
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from card_desk import CardDesk, code_of, user_of
from server_box import REPOSITORY, USERS, ServerBox, _free_port, server_box, wait_for

from fakes.cards import DAY, KINDS, Authority, RealCard
from roamwire.control import Ask, Challenge, Question, Welcome
from roamwire.notices import NoticeCode
from roamwire.proof import Slot
from roamwire.tokens import Token

pytestmark = pytest.mark.system

PASSWORD = "right one = 50% é"
NOW = datetime.datetime.now(datetime.UTC)
DATES = {"start": NOW - DAY, "until": NOW + DAY}

POLICY = """
login = true
piv = "chained"
uid = "self"
chained_domains = ["corp.example"]
"""


class Server:
    """A box with a policy, a registry and the three daemons."""

    def __init__(self, box: ServerBox) -> None:
        self.box = box
        self.port = _free_port()
        self.group = box.root / "group"
        self._desks = 0

    def start(self) -> None:
        shutil.copyfile(self.group / "ca" / "secret", self.group / "secret")
        (self.group / "secret").chmod(0o600)
        self.group.chmod(0o755)
        (self.group / "policy.toml").write_text(POLICY)
        state = self.box.root / "state"
        state.mkdir()
        for path in (state, self.group / "secret"):
            os.chown(path, USERS["roamdesk"], USERS["roamdesk"])
        with self.box.config.open("a") as file:
            file.write(f"control_port = {self.port}\nmdns = false\n")
            file.write(f"group_port = {_free_port()}\nbroadcast = false\n")
        self.box.start("launcherd")
        self.box.start("displayd", "roamdesk-display")
        self.box.start("hostd", "roamdesk")

    def roamctl(self, *words: str) -> str:
        done = self.box.run(
            *("/usr/bin/python3", "-m", "sessionhost.app.roamctl", *map(str, words)),
            *("--config", str(self.box.config)),
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextlib.contextmanager
    def desk(self, name: str = ""):
        self._desks += 1
        name = name or f"desk{self._desks}"
        context = self.box.authority.client_context(name)
        desk = CardDesk(context, name, self.port)
        try:
            yield desk
        finally:
            desk.close()


@pytest.fixture(scope="module")
def server():
    with server_box() as box:
        hashed = subprocess.run(
            ["openssl", "passwd", "-6", "-stdin"], input=PASSWORD, capture_output=True, text=True,
            check=True,
        ).stdout.strip()  # fmt: skip
        shadow = box.root / "etc" / "shadow"
        lines = shadow.read_text().splitlines()
        bound = [
            f"{line.split(':')[0]}:{hashed}:19000:0:99999:7:::" if line[:3] in ("ali", "roo")
            else line
            for line in lines
        ]  # fmt: skip
        # bob's password is right and too old.
        bound = [f"bob:{hashed}:1:0:10:7:::" if line.startswith("bob:") else line for line in bound]
        shadow.write_text("\n".join(bound) + "\n")
        made = Server(box)
        made.start()
        yield made


@pytest.fixture
def register(server):
    def one(card: RealCard, user: str = "alice", **options: RealCard) -> None:
        path = server.box.root / "card.pem"
        path.write_bytes(card.pem)
        server.roamctl("card", "add", "--certificate", path, "--user", user)

    return one


# Cards


@pytest.mark.parametrize("kind", KINDS)
def test_a_card_gets_its_session(server, register, kind):
    card = RealCard(kind, **DATES)
    register(card)
    with server.desk() as desk:
        challenge = desk.insert(card.token)
        assert challenge.slot is Slot.CARD
        assert user_of(desk.prove(card, challenge)) == "alice"


@pytest.mark.parametrize("kind", KINDS)
def test_anothers_certificate_with_an_own_key_gets_nothing(server, register, kind):
    card, thief = RealCard(kind, number=7, **DATES), RealCard(kind, number=8, **DATES)
    register(card)
    with server.desk() as desk:
        challenge = desk.insert(card.token)
        thief.certificate = card.certificate
        thief_answer = desk.prove(thief, challenge, token=card.token)
        assert code_of(thief_answer) == NoticeCode.NOT_PROVEN


def test_a_recorded_answer_gets_nothing(server, register):
    card = RealCard(number=9, **DATES)
    register(card)
    with server.desk() as desk:
        recorded = card.answer(desk.insert(card.token), "server1", desk.name)
        assert isinstance(desk.insert(card.token), Challenge)
        desk.say(recorded)  # to the event before
        desk.alive()
        answer = type(recorded)(desk.seq, recorded.signature, recorded.certificate)
        desk.say(answer)
        assert code_of(desk.hear()) == NoticeCode.NOT_PROVEN


def test_an_expired_certificate_gets_nothing(server, register):
    card = RealCard(number=10, start=NOW - 2 * DAY, until=NOW - DAY)
    register(card)
    with server.desk() as desk:
        told = desk.prove(card, desk.insert(card.token))
        assert code_of(told) == NoticeCode.CERTIFICATE_REFUSED


def test_a_disabled_card_gets_nothing(server, register):
    card = RealCard(number=11, **DATES)
    register(card)
    server.roamctl("token", "disable", str(card.token))
    with server.desk() as desk:
        told = desk.prove(card, desk.insert(card.token))
        assert code_of(told) == NoticeCode.TOKEN_DISABLED


def test_two_cards_open_one_session_by_an_alias(server, register):
    first, second = RealCard(number=12, **DATES), RealCard("p384", number=12, **DATES)
    register(first)
    register(second)
    server.roamctl("token", "alias", str(second.token), "--of", str(first.token))
    with server.desk() as one, server.desk() as two:
        shown = one.prove(first, one.insert(first.token))
        again = two.prove(second, two.insert(second.token))
        assert (user_of(shown), shown.session) == ("alice", again.session)


def test_a_card_of_a_trusted_ca_needs_no_entry(server):
    made = Authority("corp")
    good = RealCard(number=13, issuer=made, upn="alice@corp.example", **DATES)
    bad = RealCard(number=14, issuer=made, upn="alice@corp.example", **DATES)
    foreign = RealCard(number=15, issuer=Authority("corp"), upn="alice@corp.example", **DATES)
    stranger = RealCard(number=16, issuer=made, upn="alice@elsewhere.example", **DATES)
    folder = server.group / "piv_cas"
    folder.mkdir()
    (folder / "corp.pem").write_bytes(made.pem)
    with server.desk() as desk:
        told = desk.prove(good, desk.insert(good.token))
        assert code_of(told) == NoticeCode.CERTIFICATE_REFUSED  # not read yet, and then: no list
    (folder / "corp.crl").write_bytes(made.revoke(bad.certificate, until=NOW + DAY))
    time.sleep(5.5)  # CardAuthorities looks again
    with server.desk() as desk:
        assert user_of(desk.prove(good, desk.insert(good.token))) == "alice"
    for card in (bad, foreign, stranger):
        with server.desk() as desk:
            told = desk.prove(card, desk.insert(card.token))
            assert code_of(told) == NoticeCode.CERTIFICATE_REFUSED


# Passwords


def test_a_login_by_pam(server):
    with server.desk() as desk:
        assert desk.welcome.login
        ask = desk.insert(Token("pseudo", desk.name))
        assert ask.what is Question.LOGIN
        assert user_of(desk.type(ask, PASSWORD, "alice")) == "alice"
        homes = server.box.root / "state" / "homes"
        wait_for(lambda: f"user=alice desk={desk.name} " in homes.read_text(), what="it is kept")


def test_a_wrong_password_and_then_the_right_one(server):
    with server.desk() as desk:
        ask = desk.insert(Token("pseudo", desk.name))
        again = desk.type(ask, "guess", "alice")
        assert (again.tries, again.code) == (2, NoticeCode.WRONG_PASSWORD)
        assert user_of(desk.type(again, PASSWORD, "alice")) == "alice"


def test_pam_says_no_to_nobody_root_and_an_old_password(server):
    for user, password in (("nobody-here", PASSWORD), ("root", PASSWORD), ("alice", "")):
        with server.desk() as desk:
            ask = desk.insert(Token("pseudo", desk.name))
            again = desk.type(ask, password, user)
            assert (type(again), again.code) == (Ask, NoticeCode.WRONG_PASSWORD), user
    with server.desk() as desk:
        ask = desk.insert(Token("pseudo", desk.name))
        assert code_of(desk.type(ask, PASSWORD, "bob")) == NoticeCode.PASSWORD_EXPIRED


def test_a_slow_password_holds_up_nobody(server, register):
    card = RealCard(number=17, **DATES)
    register(card)
    with server.desk() as slow, server.desk() as fast:
        ask = slow.insert(Token("pseudo", slow.name))
        waiting = threading.Thread(target=slow.type, args=(ask, "guess", "alice"))
        waiting.start()
        begun = time.monotonic()
        assert user_of(fast.prove(card, fast.insert(card.token))) == "alice"
        took = time.monotonic() - begun
        assert waiting.is_alive(), "PAM took no time: this test shows nothing"
        waiting.join()
        assert took < 1.5


def test_an_owner_registers_a_card(server):
    token = Token("uid", "0999aa")
    with server.desk() as desk:
        ask = desk.insert(token)
        assert ask.what is Question.REGISTER
        assert user_of(desk.type(ask, PASSWORD, "alice")) == "alice"
        assert user_of(desk.insert(token)) == "alice"
    assert "registered by its owner" in server.roamctl("token", "list")


def test_no_password_is_in_a_log_or_on_a_command_line(server):
    seen = []
    with server.desk() as desk:
        ask = desk.insert(Token("pseudo", desk.name))
        waiting = threading.Thread(target=desk.type, args=(ask, "wrong-but-secret", "alice"))
        waiting.start()
        wait_for(lambda: server.box.find("password_check.py"), what="the helper runs")
        seen += [line for _, line in server.box.processes().values()]
        waiting.join()
    text = "\n".join([*seen, *(server.box.log(name) for name in ("hostd", "launcherd"))])
    assert "wrong password for 'alice'" in text
    assert "secret" not in text.replace("/secret", "")
    assert PASSWORD not in text


# Reader desks


def test_a_card_is_enrolled_at_a_reader_desk(server):
    card = RealCard(number=18, common="the blue card", **DATES)
    server.roamctl("reader", "add", "reader1")
    with server.desk("reader1") as reader:
        assert code_of(reader.prove(card, reader.insert(card.token))) == NoticeCode.TOKEN_SEEN
        seen = json.loads(server.roamctl("token", "seen", "--json"))["seen"]
        assert (seen[-1]["token"], seen[-1]["proven"]) == (str(card.token), True)
        assert seen[-1]["subject"] == "CN=the blue card"
        words = []
        enrol = ("card", "enrol", "--desk", "reader1", "--user", "alice", "--label", "blue card")
        waiting = threading.Thread(target=lambda: words.append(server.roamctl(*enrol)))
        waiting.start()
        wait_for(lambda: server.box.find("card enrol"), what="roamctl waits")
        told = NoticeCode.TOKEN_SEEN
        while told == NoticeCode.TOKEN_SEEN:  # until hostd knows of the wait
            told = code_of(reader.prove(card, reader.insert(card.token)))
            time.sleep(0.6)
        assert told == NoticeCode.TOKEN_ENROLLED
        waiting.join()
    assert f"{card.token} opens sessions of alice" in words[0]
    with server.desk() as desk:
        assert user_of(desk.prove(card, desk.insert(card.token))) == "alice"


def test_the_policy_stands_in_the_status(server):
    status = json.loads(server.roamctl("status", "--json"))
    shown = json.loads(server.roamctl("group", "policy", "--dir", str(server.group), "--json"))
    assert len(status["policy"]) == len(shown["policy"]) == 16
    assert status["other_policies"] == {}


def hang_up(server, words):
    """systemctl reload, as the unit does it; waits until the log has said it once more."""
    before = server.box.log("hostd").count(words)
    (pid,) = server.box.find("sessionhost.app.hostd ")
    os.kill(pid, signal.SIGHUP)
    wait_for(lambda: server.box.log("hostd").count(words) > before, what=words)


def status_policy(server):
    return json.loads(server.roamctl("status", "--json"))["policy"]


def policy_changes(server):
    log = (server.box.root / "state" / "audit.jsonl").read_text()
    return log.count('"what":"policy","decision":"changed"')


def test_another_policy_is_put_in_force_under_live_sessions(server, register):
    unit = (REPOSITORY / "server/systemd/roamdesk-hostd.service").read_text()
    assert "ExecReload=/bin/kill -HUP $MAINPID" in unit
    card = RealCard(number=21, **DATES)
    register(card)
    hang_up(server, "policy are read again")  # a CA of cards that another test has put in counts
    policy, before = server.group / "policy.toml", status_policy(server)
    noted = policy_changes(server)
    with server.desk() as desk:
        shown = desk.prove(card, desk.insert(card.token))
        assert user_of(shown) == "alice"
        try:
            policy.write_text(POLICY + "user_trise = 3\n")
            hang_up(server, "nothing is changed")
            assert "did you mean 'user_tries'" in server.box.log("hostd")
            assert status_policy(server) == before
            with server.desk() as other:
                assert other.welcome.login, "the old one is in force"

            policy.write_text(POLICY.replace("login = true", "login = false"))
            hang_up(server, "policy are read again")
            welcome = desk.hear()
            assert (type(welcome), welcome.login) == (Welcome, False)
            desk.alive()  # its session is shown still
            (session,) = [
                each
                for each in json.loads(server.roamctl("status", "--json"))["sessions"]
                if each["dtu"] == desk.name
            ]
            assert session["session"] == shown.session
            with server.desk() as other:
                told = other.insert(Token("pseudo", other.name))
                assert code_of(told) == NoticeCode.NOT_REGISTERED
            shown_policy = json.loads(
                server.roamctl("group", "policy", "--dir", str(server.group), "--json")
            )
            assert status_policy(server) == shown_policy["policy"] != before
        finally:
            policy.write_text(POLICY)
            hang_up(server, "policy are read again")
        assert desk.hear().login
        assert status_policy(server) == before
    assert policy_changes(server) == noted + 2


def test_a_wrong_policy_is_told_and_nothing_is_served(server):
    folder = Path(server.box.root) / "wrong"
    shutil.copytree(server.group, folder, ignore=shutil.ignore_patterns("ca", "*.key"))
    (folder / "policy.toml").write_text('uid = "kisok"\n')
    os.chown(folder / "secret", USERS["roamdesk"], USERS["roamdesk"])
    config = server.box.config.read_text().replace(str(server.group), str(folder), 1)
    wrong = server.box.root / "wrong.toml"
    wrong.write_text(config)
    command = ("/usr/bin/python3", "-m", "sessionhost.app.hostd", "--config", str(wrong))
    done = server.box.run(*command, user="roamdesk")
    assert done.returncode == 2
    assert "did you mean 'kiosk'" in done.stderr
