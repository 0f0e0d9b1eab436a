"""Passwords on a whole server in memory: login, guesses, hotdesk, self-registration, kiosk."""

from dataclasses import replace

import pytest

from fakes.lan import ALICE
from fakes.proofs import (
    CARD,
    RIGHT,
    codes,
    keepalive,
    redirected,
    shown,
    site_of,
)
from roamwire.control import (
    Answer,
    Ask,
    Cause,
    Question,
    Redirect,
    Remove,
    Welcome,
)
from roamwire.notices import NoticeCode
from roamwire.proof import Proof
from roamwire.tickets import verify
from roamwire.tokens import Token
from sessionhost.core.actions import (
    AtHome,
    CheckPassword,
    PasswordResult,
    Register,
    StartSession,
)
from sessionhost.core.policy import Extra, Policy, Who
from sessionhost.core.registration import Registration
from sessionhost.core.timing import PASSWORD_S

# Passwords


LOGIN = Policy(login=True)
DESK1 = Token("pseudo", "desk1")
WITH_PASSWORD = Policy(after_hotdesk=Extra.PASSWORD)


def test_a_desk_offers_the_login():
    assert site_of(policy=LOGIN).desk("s1").told(Welcome)[0].login
    assert not site_of().desk("s1").told(Welcome)[0].login


def test_a_login_opens_the_users_session_at_every_desk():
    site = site_of(policy=LOGIN)
    one, two = site.desk("s1"), site.desk("s1")
    one.insert(DESK1)
    assert [(ask.what, ask.user, ask.tries) for ask in one.told(Ask)] == [(Question.LOGIN, "", 3)]
    one.type("secret", "alice")
    (session,) = shown(one)
    two.insert(Token("pseudo", "desk2"))
    two.type("secret", "alice")
    assert shown(two) == [session]
    assert [each.user for each in site.actions(StartSession)] == ["alice"]


def test_another_user_at_the_same_desk_gets_their_own_session():
    site = site_of(policy=LOGIN)
    site.passwords["bob", "other"] = RIGHT
    desk = site.desk("s1")
    desk.insert(DESK1)
    desk.type("secret", "alice")
    (first,) = shown(desk)
    desk.lines.clear()
    desk.insert(DESK1)
    desk.type("other", "bob")
    (second,) = shown(desk)
    assert first != second
    assert [each.user for each in site.actions(StartSession)] == ["alice", "bob"]


def test_a_login_is_redirected_to_its_session():
    site = site_of("s1", "s2", policy=LOGIN)
    site.core("s1").group.standing.drain = True
    away, desk = site.desk("s2"), site.desk("s1")
    away.insert(Token("pseudo", away.name))
    away.type("secret", "alice")
    (session,) = shown(away)
    desk.insert(Token("pseudo", desk.name))
    desk.type("secret", "alice")
    site.run(0.5)
    desk.follow(Token("pseudo", desk.name))
    assert desk.told(Ask) == []
    assert shown(desk) == [session]


def test_a_login_ticket_of_one_user_is_none_for_another():
    site = site_of("s1", "s2", policy=LOGIN)
    site.core("s1").group.standing.drain = True
    site.passwords["bob", "other"] = RIGHT
    desk = site.desk("s1")
    desk.insert(DESK1)
    desk.type("secret", "alice")
    site.run(0.5)
    ticket = desk.told(Redirect)[-1].ticket
    assert "~alice~" in ticket
    desk.lines.clear()
    desk.connect("s2")
    desk.insert(DESK1, Cause.REDIRECT, ticket.replace("~alice~", "~bob~"))
    assert len(desk.told(Ask)) == 1


def test_a_wrong_password_may_be_tried_again_a_few_times():
    site = site_of(policy=LOGIN)
    desk = site.desk("s1")
    desk.insert(DESK1)
    for _ in range(3):
        desk.type("guess", "alice")
    asks = [(ask.tries, ask.code) for ask in desk.told(Ask)]
    assert asks == [(3, 0), (2, NoticeCode.WRONG_PASSWORD), (1, NoticeCode.WRONG_PASSWORD)]
    assert codes(desk) == [NoticeCode.WRONG_PASSWORD]
    desk.say(Answer(desk.seq, "alice", "secret"))
    assert shown(desk) == []


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (PasswordResult.EXPIRED, NoticeCode.PASSWORD_EXPIRED),
        (PasswordResult.REFUSED, NoticeCode.ACCOUNT_REFUSED),
        (PasswordResult.DOWN, NoticeCode.PASSWORDS_DOWN),
    ],
)
def test_what_else_pam_may_say(result, code):
    site = site_of(policy=LOGIN)
    site.passwords["alice", "secret"] = result
    desk = site.desk("s1")
    desk.insert(DESK1)
    desk.type("secret", "alice")
    assert codes(desk) == [code]


def test_a_question_can_be_cancelled_and_has_its_time():
    site = site_of(policy=LOGIN)
    desk = site.desk("s1")
    desk.insert(DESK1)
    desk.type("", cancel=True)
    desk.insert(DESK1)
    keepalive(desk, PASSWORD_S + 1)
    assert codes(desk) == [NoticeCode.PASSWORD_NOT_GIVEN] * 2


def test_no_password_is_in_what_is_done_or_said():
    site = site_of(policy=LOGIN)
    desk = site.desk("s1")
    desk.insert(DESK1)
    desk.type("correct horse", "alice")
    desk.say_bytes(b"answer seq=1 password=correct horse")
    assert site.actions(CheckPassword)[0].password == "correct horse"
    assert "correct" not in repr(site.done)
    assert "horse" not in repr(site.done)


# After hotdesk


def test_a_copied_number_needs_the_password_too():
    site = site_of(policy=WITH_PASSWORD)
    desk, thief = site.desk("s1"), site.desk("s1")
    desk.insert(ALICE)
    (ask,) = desk.told(Ask)
    assert (ask.what, ask.user) == (Question.PASSWORD, "alice")
    desk.type("secret")
    assert shown(desk)
    thief.insert(ALICE)
    site.run(1.0)
    assert len(thief.told(Ask)) == 1
    assert site.sessions()[0][2] == desk.name
    # The name that is typed does not matter: it is alice's password that is wanted.
    site.passwords["mallory", "mine"] = RIGHT
    thief.type("mine", "mallory")
    assert site.actions(CheckPassword)[-1].user == "alice"
    assert shown(thief) == []


def test_within_the_grace_nothing_is_asked():
    site = site_of(policy=replace(WITH_PASSWORD, grace_s=30))
    desk = site.desk("s1")
    desk.insert(ALICE)
    desk.type("secret")
    assert shown(desk)
    desk.lines.clear()
    desk.say(Remove(2))
    desk.seq = 2
    keepalive(desk, 20)
    desk.insert(ALICE)
    assert desk.told(Ask) == []
    desk.say(Remove(4))
    desk.seq = 4
    keepalive(desk, 31)
    desk.insert(ALICE)
    site.run(0.5)
    assert len(desk.told(Ask)) == 1


def test_a_desk_that_lost_its_server_is_not_asked_again():
    site = site_of(policy=WITH_PASSWORD)
    desk, thief = site.desk("s1"), site.desk("s1")
    desk.insert(ALICE)
    desk.type("secret")
    (session,) = shown(desk)
    desk.hang_up()
    desk.lines.clear()
    desk.connect("s1")
    desk.insert(ALICE, Cause.FAILOVER)
    assert shown(desk) == [session]
    assert desk.told(Ask) == []
    # Another desk that says the same is.
    thief.insert(ALICE, Cause.FAILOVER)
    site.run(0.5)
    assert len(thief.told(Ask)) == 1


def test_after_a_redirect_the_server_with_the_session_asks():
    site, owner, desk = redirected(WITH_PASSWORD)
    owner.type("secret")
    first = shown(owner)
    owner.hang_up()
    desk.insert(CARD.token)
    desk.sign(CARD)
    site.run(0.5)
    assert desk.told(Ask) == []
    desk.follow(CARD.token)
    assert len(desk.told(Ask)) == 1
    desk.type("secret")
    assert shown(desk) == first


def test_a_password_in_a_ticket_is_that_users_alone():
    """The registries of two servers say different things of one token."""
    site = site_of("s1", "s2", policy=WITH_PASSWORD)
    site.core("s1").group.standing.drain = True
    desk, token = site.desk("s1"), Token("pseudo", "desk1")
    policy = replace(WITH_PASSWORD, pseudo=Who.SELF)
    site.core("s1").authentication.policy = policy
    desk.insert(token)
    desk.type("secret", "alice")
    site.run(0.5)
    ticket = verify(desk.told(Redirect)[-1].ticket, site.core("s1").group.secrets)
    assert (ticket.proofs, ticket.user) == (frozenset({Proof.PASSWORD}), "alice")
    site.registry[token] = Registration("bob", True)
    desk.follow(token)
    assert (desk.told(Ask), codes(desk)) == ([], [NoticeCode.NOT_REGISTERED])


def test_a_copied_card_makes_nobody_at_home():
    site = site_of()
    site.desk("s1").insert(ALICE)
    site.run(1.0)
    assert site.sessions()
    assert site.actions(AtHome) == []


# Self-registration


def test_an_owner_registers_a_token_once():
    site = site_of(policy=Policy(uid=Who.SELF))
    desk, token = site.desk("s1"), Token("uid", "0999")
    desk.insert(token)
    (ask,) = desk.told(Ask)
    assert ask.what is Question.REGISTER
    desk.type("secret", "alice")
    assert [(each.token, each.user) for each in site.actions(Register)] == [(token, "alice")]
    assert shown(desk)
    desk.insert(token)
    assert len(desk.told(Ask)) == 1


def test_a_token_that_somebody_else_was_faster_with_is_not_taken():
    site = site_of(policy=Policy(uid=Who.SELF))
    desk, token = site.desk("s1"), Token("uid", "0999")
    desk.insert(token)
    site.registry[token] = Registration("bob", True)
    desk.type("secret", "alice")
    assert codes(desk) == [NoticeCode.REGISTRY_DOWN]
    assert shown(desk) == []


def test_a_registry_that_does_not_write_opens_nothing():
    site = site_of(policy=Policy(uid=Who.SELF))
    desk = site.desk("s1")
    desk.insert(Token("uid", "0999"))
    desk.type("secret", "alice")
    site.replies.clear()
    desk2 = site.desk("s1")
    desk2.insert(Token("uid", "0998"))
    site.hold_replies = True
    desk2.type("secret", "alice")
    site.answer_replies()
    site.deliver()
    keepalive(desk2, 6)
    assert codes(desk2) == [NoticeCode.REGISTRY_DOWN]


# Kiosk, hours


def test_a_kiosk_opens_a_session_for_every_card():
    site = site_of(policy=Policy(uid=Who.KIOSK, kiosk_user="guest"))
    desk, other = site.desk("s1"), site.desk("s1")
    desk.insert(Token("uid", "0997"))
    other.insert(Token("uid", "0996"))
    assert shown(desk) != shown(other)
    assert {each.user for each in site.actions(StartSession)} == {"guest"}


def test_an_insert_is_judged_by_local_time():
    site = site_of(policy=Policy(uid_hours="mon 07:00-19:00"))
    authentication = site.core("s1").authentication
    four_days = 4 * 86400  # the Monday after the Thursday of 1970-01-01
    authentication.local_offset = four_days + 12 * 3600 - site.now
    desk = site.desk("s1")
    desk.insert(ALICE)
    assert shown(desk)
    authentication.local_offset += 8 * 3600
    desk.say(Remove(2))
    desk.seq = 2
    desk.insert(ALICE)
    assert codes(desk)[-1] == NoticeCode.OUTSIDE_HOURS
