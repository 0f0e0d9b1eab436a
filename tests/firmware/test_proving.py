"""A terminal whose card has to sign, and whose person has to type: PIN, password, sign-in."""

import base64

import pytest

from dtu.app.languages import languages
from dtu.core import catalogue, timing
from dtu.core.actions import AskCard, Blank, CloseDisplay, OpenDisplay, SendLine, Show
from dtu.core.events import CardAnswered, CardPresented, ReaderMissing
from dtu.core.input.events import Key
from dtu.core.piv import results
from dtu.core.piv.keys import KeyType
from dtu.core.piv.results import Certificate, PivCard
from dtu.core.secret import BACKSPACE, ENTER, ESCAPE, TAB
from dtu.core.states import State
from fakes.bench import ALICE, READER, bench_at, in_session
from roamwire import control
from roamwire.control import Answer, Ask, Challenge, Insert, Notice, Question, Remove, Response
from roamwire.notices import NoticeCode
from roamwire.proof import CardError, Slot, signed_bytes
from roamwire.tokens import Token

PIV = Token("piv", "ab" * 20)
CERTIFICATE = Certificate(Slot.CARD, KeyType.P256, b"a certificate")
INSERTION = 7
DATA = "5a" * 32
PIN = "123456"


def card_at(state=State.CONNECTED, **options):
    """A terminal with a PIV card in."""
    bench = bench_at(state, **options)
    piv = PivCard(PIV, "", CERTIFICATE)
    bench.card(CardPresented(PIV, READER, bench.now, piv=piv, insertion=INSERTION))
    return bench


def challenge(bench, slot=Slot.PERSON, data=DATA):
    bench.done.clear()
    bench.hear(Challenge(bench.seq, slot, data))
    return bench


def asked(bench):
    """The last thing that the card was asked for."""
    return bench.of(AskCard)[-1].request


def card_says(bench, result, request=None, insertion=INSERTION):
    request = request or asked(bench)
    bench.terminal.proving.card_answered(
        CardAnswered(request.number, insertion, result, READER, bench.now), bench.now
    )
    bench.act()


def press(bench, *keys):
    for key in keys:
        for each in key if isinstance(key, str) else [key]:
            keysym = ord(each) if isinstance(each, str) else each
            bench.terminal.key(Key(keysym, True), bench.now)
            bench.terminal.key(Key(keysym, False), bench.now)
    bench.act()


def pad(left=3):
    bench = challenge(card_at())
    card_says(bench, results.PinNeeded(left))
    return bench


def message(bench):
    return bench.of(Show)[-1].message


def seen(bench):
    return [field.seen for field in message(bench).fields]


SIGNED = results.Signed(CERTIFICATE, b"a signature")

# Cards


def test_a_card_signs_what_both_ends_are_called_by_their_certificates():
    bench = challenge(card_at(), Slot.CARD)
    sign = asked(bench)
    names = {"server": "s1", "dtu": "desk1", "token": PIV, "slot": Slot.CARD}
    assert sign.message == signed_bytes(**names, seq=bench.seq, data=DATA)
    assert (sign.slot, sign.insertion, sign.pin) == (Slot.CARD, INSERTION, None)
    card_says(bench, SIGNED)
    (response,) = bench.said(Response)
    assert base64.b64decode(response.signature) == b"a signature"
    assert base64.b64decode(response.certificate) == b"a certificate"
    assert bench.words == catalogue.OPENING.code
    bench.hear(control.Connect(bench.seq, "a1", 1, "t", 7010))
    assert bench.of(OpenDisplay)


def test_a_server_that_says_to_be_another_gets_a_proof_for_itself():
    bench = bench_at(State.CONNECTING)
    bench.terminal.link_opened(bench.attempt, "s9")
    bench.hear(control.Welcome("s1", 500, 1500))
    piv = PivCard(PIV, "", CERTIFICATE)
    bench.card(CardPresented(PIV, READER, bench.now, piv=piv, insertion=INSERTION))
    challenge(bench, Slot.CARD)
    assert b"server=s9 " in asked(bench).message
    assert b"s1" not in asked(bench).message


def test_no_insert_is_repeated_while_a_card_computes():
    bench = challenge(card_at(), Slot.CARD)
    bench.alive(timing.CARD_ANSWER_S - 0.5)
    assert bench.said(Insert) == bench.said(Response) == []
    bench.alive(1.0)
    assert [line.error for line in bench.said(Response)] == [CardError.CARD_ERROR]


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (results.NotDone("gone"), CardError.NO_CARD),
        (results.NotDone("busy"), CardError.CARD_ERROR),
        (results.CardFault(0x6A80, "sign"), CardError.CARD_ERROR),
        (results.NoPiv(), CardError.NO_KEY),
        (results.NoCertificate(Slot.CARD, "absent"), CardError.NO_KEY),
        (results.PinNeeded(3), CardError.CARD_ERROR),
        (results.PinBlocked(), CardError.PIN_BLOCKED),
    ],
)
def test_a_card_that_does_not_sign_is_told_and_never_asks_for_a_pin(result, error):
    bench = challenge(card_at(), Slot.CARD)
    card_says(bench, result)
    assert [line.error for line in bench.said(Response)] == [error]
    assert bench.terminal.key_receiver == ""


def test_a_certificate_that_fits_no_line_is_an_error_of_the_card():
    bench = challenge(card_at(), Slot.CARD)
    card_says(bench, results.Signed(Certificate(Slot.CARD, KeyType.P256, bytes(12_000)), b"s"))
    assert [line.error for line in bench.said(Response)] == [CardError.CARD_ERROR]


def test_a_card_that_is_only_a_number_has_no_key():
    bench = challenge(bench_at(State.CONNECTED, ALICE), Slot.CARD)
    assert bench.of(AskCard) == []
    assert [line.error for line in bench.said(Response)] == [CardError.NO_KEY]


@pytest.mark.parametrize("late", [1, -1])
@pytest.mark.parametrize("line", [Challenge(0, Slot.CARD, DATA), Ask(0, Question.LOGIN)])
def test_nothing_is_done_for_another_card_event(late, line):
    bench = card_at()
    bench.done.clear()
    bench.hear(type(line)(**{**vars(line), "seq": bench.seq + late}))
    assert bench.done == []


def test_an_answer_to_an_earlier_challenge_is_none():
    bench = challenge(card_at(), Slot.CARD)
    first = asked(bench)
    challenge(bench, Slot.CARD, "00" * 32)
    card_says(bench, SIGNED, first)
    assert bench.said(Response) == []
    card_says(bench, SIGNED, insertion=INSERTION + 1)
    assert bench.said(Response) == []
    card_says(bench, SIGNED)
    card_says(bench, SIGNED)
    assert len(bench.said(Response)) == 1


# PIN


def test_a_pin_that_the_card_remembers_is_not_asked_for():
    bench = challenge(card_at())
    assert asked(bench).pin is None
    card_says(bench, SIGNED)
    assert len(bench.said(Response)) == 1
    assert bench.words == catalogue.OPENING.code


def test_a_pin_goes_to_the_card_and_nowhere_else():
    bench = pad()
    assert (bench.words, seen(bench)) == (catalogue.ENTER_PIN.code, [""])
    press(bench, "12x3", BACKSPACE, "3456")
    assert seen(bench) == ["••••••"]
    bench.done.clear()
    press(bench, ENTER[0])
    sign = asked(bench)
    assert sign.pin == bytearray(PIN.encode())
    assert PIN not in repr(bench.done)
    assert bench.said(control.Line) == []
    card_says(bench, SIGNED)
    assert len(bench.said(Response)) == 1
    assert bench.words == catalogue.PIN_ACCEPTED.code
    assert bench.terminal.key_receiver == ""


@pytest.mark.parametrize(
    ("left", "form", "params"),
    [(2, "text", (("tries", "2"),)), (1, "last", ()), (None, "unknown", ())],
)
def test_a_wrong_pin_says_how_many_tries_are_left(left, form, params):
    bench = pad()
    before = bench.terminal.key_receiver
    press(bench, PIN, ENTER[0])
    card_says(bench, results.PinWrong(left))
    assert (bench.words, seen(bench)) == (catalogue.WRONG_PIN.code, [""])
    assert (message(bench).form, message(bench).params) == (form, params)
    assert bench.terminal.key_receiver != before  # what is held is not typed into the new pad
    press(bench, "111111", ENTER[0])
    assert asked(bench).pin == bytearray(b"111111")


@pytest.mark.parametrize("result", [results.PinWrong(0), results.PinBlocked()])
def test_a_blocked_pin_ends_it(result):
    bench = pad(1)
    assert message(bench).form == "last"
    press(bench, PIN, ENTER[0])
    card_says(bench, result)
    assert [line.error for line in bench.said(Response)] == [CardError.PIN_BLOCKED]
    bench.hear(Notice(bench.seq, NoticeCode.PIN_BLOCKED))
    assert bench.words == catalogue.PIN_BLOCKED.code


def test_too_short_a_pin_costs_no_try():
    bench = pad()
    bench.done.clear()
    press(bench, "123", ENTER[0])
    assert bench.of(AskCard) == []
    press(bench, "4", ENTER[0])
    assert asked(bench).pin == bytearray(b"1234")


@pytest.mark.parametrize("typed", ["", "123"])
@pytest.mark.parametrize("left", [1, 3])
def test_too_short_a_pin_is_said_and_what_was_typed_stays(typed, left):
    bench = pad(left)
    before = bench.terminal.proving.message
    press(bench, typed, ENTER[0])
    message = bench.of(Show)[-1].message
    assert (message.code, message.form) == (before.code, before.form), "with its last warning"
    assert message.notes == ("short",)
    assert [field.seen for field in message.fields] == ["•" * len(typed)]
    words = languages()["en"].words(message)
    assert words.note == "A PIN has 4 to 8 digits."
    receiver = bench.terminal.key_receiver
    press(bench, ENTER[0])
    assert bench.of(Show)[-1].message == message, "said once"
    assert bench.terminal.key_receiver == receiver, "keys go on into the same pad"
    press(bench, "12345678", ENTER[0])
    card_says(bench, results.PinWrong(2))
    assert bench.of(Show)[-1].message.notes == ()


def test_while_the_card_looks_nothing_is_typed():
    bench = pad()
    press(bench, PIN, ENTER[0])
    bench.done.clear()
    press(bench, "99", ENTER[0], ESCAPE)
    assert bench.done == []
    assert bench.terminal.key_receiver != ""  # and nobody else gets it either


@pytest.mark.parametrize("how", ["escape", "late"])
def test_a_pin_that_is_not_given(how):
    bench = pad()
    press(bench, "12")
    if how == "escape":
        press(bench, ESCAPE)
    else:
        bench.alive(timing.PIN_PAD_S + 0.1)
    assert [line.error for line in bench.said(Response)] == [CardError.PIN_CANCELLED]
    assert bench.terminal.key_receiver == ""


def test_a_second_pin_gets_no_more_time():
    bench = pad()
    bench.alive(timing.PIN_PAD_S - 10)
    press(bench, PIN, ENTER[0])
    card_says(bench, results.PinWrong(2))
    bench.alive(10.1)
    assert [line.error for line in bench.said(Response)] == [CardError.PIN_CANCELLED]


@pytest.mark.parametrize("event", ["card out", "server lost", "decided", "asked again"])
def test_whatever_ends_the_pad_wipes_it(event):
    bench = pad()
    press(bench, "1234")
    entry = bench.terminal.proving._form.entries[0]
    bench.done.clear()
    if event == "card out":
        bench.card_out()
        assert isinstance(bench.done[0], Blank)
        assert bench.said(Remove)
        assert bench.words == catalogue.INSERT_CARD.code
    elif event == "server lost":
        bench.closed()
    elif event == "decided":
        bench.hear(Notice(bench.seq, NoticeCode.NO_PROOF_IN_TIME))
    else:
        bench.hear(Challenge(bench.seq, Slot.CARD, DATA))
    assert entry.seen == ""
    assert not any(entry._room)
    assert bench.terminal.key_receiver == ""
    assert PIN[:4] not in repr(bench.done)


def test_after_a_failover_the_card_is_asked_silently():
    bench = pad()
    press(bench, PIN, ENTER[0])
    card_says(bench, SIGNED)
    bench.hear(control.Connect(bench.seq, "a1", 1, "t", 7010))
    bench.picture()
    bench.server_dies()
    while bench.state is not State.CONNECTING:
        bench.due()
    bench.welcome("s2")
    challenge(bench)
    assert asked(bench).pin is None
    card_says(bench, SIGNED)
    assert len(bench.said(Response)) == 1
    assert catalogue.ENTER_PIN.code not in [show.message.code for show in bench.of(Show)]


# Passwords


def test_a_password_goes_to_the_server_and_is_seen_as_dots():
    bench = card_at()
    bench.hear(Ask(bench.seq, Question.PASSWORD, "alice", 3))
    assert bench.words == catalogue.ENTER_PASSWORD.code
    press(bench, "pä$")
    assert seen(bench) == ["•••"]
    bench.done.clear()
    press(bench, ENTER[1])
    (answer,) = bench.said(Answer)
    assert (answer.user, answer.password) == ("alice", "pä$")
    assert "p\\xc3" not in repr(bench.done)
    assert "pä" not in repr(bench.done)
    assert all("%24" not in repr(each) for each in bench.of(SendLine))
    bench.alive(timing.PASSWORD_ANSWER_S - 1)  # PAM may take its time
    assert bench.said(Insert) == []


def test_a_wrong_password_is_asked_for_again():
    bench = card_at()
    bench.hear(Ask(bench.seq, Question.REGISTER, "", 3))
    press(bench, "alice", TAB, "one", ENTER[0])
    bench.hear(Ask(bench.seq, Question.REGISTER, "", 2, 55, "Monday is off"))
    assert bench.words == 55
    assert ("tries", "2") in message(bench).params
    assert ("said", "Monday is off") in message(bench).params
    assert seen(bench) == ["", ""]
    press(bench, ESCAPE)
    assert [line.cancel for line in bench.said(Answer)] == [False, True]


def test_an_empty_password_is_not_sent():
    bench = card_at()
    bench.hear(Ask(bench.seq, Question.LOGIN))
    press(bench, ENTER[0], ENTER[0])
    assert bench.said(Answer) == []
    assert [field.active for field in message(bench).fields] == [True, False]


def test_a_form_over_a_session_closes_its_display():
    """What the session draws would cover the form, and the person type into the session."""
    bench = in_session()
    bench.hear(Ask(bench.seq, Question.PASSWORD, "alice", 3))
    kinds = [type(action) for action in bench.done]
    assert kinds.index(CloseDisplay) < kinds.index(Show)
    assert (bench.terminal.session, bench.words) == ("", catalogue.ENTER_PASSWORD.code)
    bench.closed()
    assert bench.words != catalogue.ENTER_PASSWORD.code


# Without a card


def login_at():
    bench = bench_at(State.CONNECTING)
    bench.opened()
    bench.hear(control.Welcome("s1", 500, 1500, login=True))
    return bench


def test_a_server_may_change_its_mind_about_people_without_a_card():
    bench = login_at()
    bench.hear(control.Welcome("s1", 500, 1500, login=False))
    assert message(bench).notes == ("menu",)
    assert bench.terminal.key_receiver == ""
    bench.hear(control.Welcome("s1", 500, 1500, login=True))
    assert message(bench).notes == ("menu", "login")
    assert bench.terminal.key_receiver == "sign in"
    assert not bench.terminal.dropped


def test_who_has_no_card_signs_in():
    bench = login_at()
    assert message(bench).notes == ("menu", "login")
    assert bench.terminal.key_receiver == "sign in"
    press(bench, "a", ENTER[0])
    (insert,) = bench.said(Insert)
    assert insert.token == Token("pseudo", "desk1")
    bench.hear(Ask(bench.seq, Question.LOGIN, "", 3))
    press(bench, "alice", ENTER[0], "secret", ENTER[0])
    (answer,) = bench.said(Answer)
    assert (answer.user, answer.password) == ("alice", "secret")
    bench.hear(control.Connect(bench.seq, "a1", 1, "t", 7010))
    bench.picture()
    assert bench.terminal.key_receiver == ""
    bench.card(ReaderMissing("no_reader"))
    assert bench.of(CloseDisplay) == []
    bench.done.clear()
    bench.terminal.lock()
    bench.act()
    assert isinstance(bench.done[0], Blank)
    assert bench.words == catalogue.NO_READER.code  # and still nobody needs a card to sign in
    assert bench.terminal.key_receiver == "sign in"


def test_who_signed_in_without_a_card_and_signs_off_is_gone():
    bench = login_at()
    press(bench, ENTER[0])
    bench.hear(control.Connect(bench.seq, "a1", 1, "t", 7010))
    bench.picture()
    bench.hear(control.Disconnect(bench.seq, "ended"))
    assert bench.words == catalogue.INSERT_CARD.code
    assert bench.terminal.token is None


def test_a_server_that_wants_cards_hears_nothing_of_enter():
    bench = bench_at(State.CONNECTED)
    press(bench, ENTER[0])
    assert bench.done == []
    assert bench.terminal.key_receiver == ""


@pytest.mark.parametrize("how", ["enter", "escape", "time"])
def test_a_refusal_does_not_stay_where_nobody_can_pull_a_card(how):
    bench = login_at()
    press(bench, ENTER[0])
    bench.hear(Notice(bench.seq, NoticeCode.TOO_MANY_TRIES))
    assert bench.words == NoticeCode.TOO_MANY_TRIES
    bench.done.clear()
    if how == "time":
        bench.alive(timing.HELD_S + 0.1)
    else:
        press(bench, ENTER[0] if how == "enter" else ESCAPE)
    assert bench.said(Remove)
    assert len(bench.said(Insert)) == (how == "enter")
    assert bench.words == (27 if how == "enter" else catalogue.INSERT_CARD.code)


def test_escape_leaves_the_form():
    bench = login_at()
    press(bench, ENTER[0])
    bench.hear(Ask(bench.seq, Question.LOGIN))
    press(bench, "alice", ESCAPE)
    assert bench.said(Remove)
    assert bench.words == catalogue.INSERT_CARD.code


def test_a_card_takes_the_place_of_who_signed_in():
    bench = login_at()
    press(bench, ENTER[0])
    bench.card_in(ALICE)
    assert [line.token for line in bench.said(Insert)] == [Token("pseudo", "desk1"), ALICE]
    assert bench.terminal.key_receiver == ""
