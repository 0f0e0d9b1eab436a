"""From an emulated PIV card through a terminal to a server and back: every step is the real code.

No sockets: the terminal's lines are handed to the server's core, and its to the terminal's.
"""

import datetime

import pytest

from dtu.core import catalogue
from dtu.core.actions import AskCard, OpenDisplay, SendLine
from dtu.core.events import CardAnswered
from dtu.core.input.events import Key
from dtu.core.states import State
from dtu.drivers.card.scripted import ScriptedCardDriver
from fakes import lan
from fakes.bench import bench_at
from fakes.piv import KEY_TYPES, PIN, UID, WRONG_PIN, certificate_of, state, token_of
from roamtools.card.holder import piv_card
from roamtools.card.piv import PivApplet
from roamtools.card.piv_make import clone
from roamwire.notices import NoticeCode
from roamwire.proof import key_hash
from sessionhost.adapters.card_authorities import CardAuthorities
from sessionhost.adapters.card_verify import card_key, public_bytes, verify
from sessionhost.core.policy import Policy
from sessionhost.core.registration import Registration

WITH_PIN = Policy(piv_proof="pin")
NINE_A = "5fc105"


def chip(card):
    """A card to put in; without power it forgets that the PIN was verified."""
    return piv_card(PivApplet(card), bytes.fromhex(UID))


class Office:
    """A terminal with a reader, connected to s1 of a site."""

    def __init__(self, policy, card, tmp_path, monkeypatch, dtu="desk1"):
        authorities = CardAuthorities(tmp_path, need_list=False)
        now = datetime.datetime.now(datetime.UTC)
        monkeypatch.setattr(lan, "verify", lambda asked: verify(asked, authorities, now))
        self.site = lan.Site("s1", policy=policy)
        self.site.run(1.0)
        self.wire = self.site.desk()
        self.wire.name = dtu
        self.wire.connect("s1")
        self.bench = bench_at(State.CONNECTED)
        person = key_hash(public_bytes(card_key(certificate_of(card, NINE_A))))
        self.site.registry[token_of(card)] = Registration("alice", True, person_key=person)
        self.card = chip(card)
        self.driver = ScriptedCardDriver(lambda: self.bench.now)
        self.driver.start(self._post)
        self.pump()

    def _post(self, event):
        if isinstance(event, CardAnswered):
            self.bench.terminal.proving.card_answered(event, self.bench.now)
        else:
            self.bench.card(event)
        self.bench.act()

    def pump(self):
        """Carry everything that is under way, both ways, until nothing is."""
        while True:
            self.bench.act()
            done, self.bench.done = self.bench.done, []
            for action in done:
                if isinstance(action, SendLine):
                    self.wire.say_bytes(action.line.rstrip(b"\n"))
                elif isinstance(action, AskCard):
                    self.driver.ask(action.request)
                elif isinstance(action, OpenDisplay):
                    self.opened = action.session
            self.site.run(0.5)
            lines, self.wire.lines = self.wire.lines, []
            for line in lines:
                self.bench.hear(line)
            if not done and not lines:
                return

    def insert(self, card=None):
        self.opened = ""
        self.driver.insert_card(card or self.card)
        self.pump()

    def type(self, text):
        for letter in text:
            keysym = 0xFF0D if letter == "\n" else ord(letter)
            self.bench.terminal.key(Key(keysym, True), self.bench.now)
        self.pump()


@pytest.fixture
def office(tmp_path, monkeypatch):
    return lambda policy, card, **more: Office(policy, card, tmp_path, monkeypatch, **more)


@pytest.mark.parametrize("kind", KEY_TYPES)
def test_every_kind_of_card_opens_its_session(office, kind):
    desk = office(Policy(), state(kind))
    desk.insert()
    assert desk.opened


def test_a_copy_with_keys_of_its_own_opens_nothing(office):
    card = state()
    desk = office(Policy(), card)
    desk.insert(chip(clone(card)))
    assert desk.opened == ""
    assert desk.bench.words == NoticeCode.NOT_PROVEN


def test_a_proof_is_for_one_terminal(office):
    """The server knows the terminal by another name than the terminal itself: relayed."""
    desk = office(Policy(), state(), dtu="desk2")
    desk.insert()
    assert desk.opened == ""
    assert desk.bench.words == NoticeCode.NOT_PROVEN


def test_the_pin_is_asked_for_once_while_the_card_is_in(office):
    desk = office(WITH_PIN, state())
    desk.insert()
    assert (desk.opened, desk.bench.words) == ("", catalogue.ENTER_PIN.code)
    desk.type(f"{WRONG_PIN}\n")
    assert (desk.opened, desk.bench.words) == ("", catalogue.WRONG_PIN.code)
    desk.type(f"{WRONG_PIN}\n")
    assert desk.opened == ""
    desk.type(f"{PIN}\n")
    assert desk.opened
    first, desk.opened = desk.opened, ""
    desk.bench.terminal.display_lost(first, desk.bench.terminal.epoch, "reset", desk.bench.now)
    desk.bench.act()
    desk.bench.run(0.5)
    desk.pump()
    assert desk.opened == first  # by a new insert, with both proofs anew
    assert desk.bench.words != catalogue.ENTER_PIN.code
    desk.driver.remove()
    desk.pump()
    desk.insert()
    assert (desk.opened, desk.bench.words) == ("", catalogue.ENTER_PIN.code)


def test_a_card_is_blocked_by_three_wrong_pins(office):
    desk = office(WITH_PIN, state())
    desk.insert()
    for _ in range(3):
        desk.type(f"{WRONG_PIN}\n")
    assert desk.bench.words == catalogue.PIN_BLOCKED.code
    desk.driver.remove()
    desk.pump()
    desk.insert()
    assert desk.bench.words == catalogue.PIN_BLOCKED.code
    assert desk.opened == ""


def test_anothers_9a_is_no_pin_of_this_card(office):
    """Its own 9E, and a 9A that was never registered with it."""
    card = state()
    desk = office(WITH_PIN, card)
    other = clone(card)
    card.keys[0x9A] = other.keys[0x9A]
    desk.insert()
    desk.type(f"{PIN}\n")
    assert desk.opened == ""
    assert desk.bench.words in (NoticeCode.NOT_PROVEN, NoticeCode.CERTIFICATE_REFUSED)


def test_a_new_session_by_name_and_password(office):
    desk = office(Policy(login=True), state())
    desk.site.passwords["alice", "secret"] = lan.PasswordResult.RIGHT
    desk.bench.terminal._face.login = True
    desk.opened = ""
    desk.type("\n")
    assert desk.bench.words == catalogue.SIGN_IN.code
    desk.type("alice\nwrong\n")
    assert desk.bench.words == NoticeCode.WRONG_PASSWORD
    desk.type("alice\nsecret\n")
    assert desk.opened
