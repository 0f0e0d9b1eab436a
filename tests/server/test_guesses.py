"""Guesses at passwords on a whole server in memory: whom they hold up, and that none is free."""

from dataclasses import replace

from fakes.proofs import CARD, RIGHT, codes, keepalive, shown, site_of
from roamwire.control import Ask, Notice, Redirect, Remove
from roamwire.notices import NoticeCode
from roamwire.tokens import Token
from sessionhost.core.actions import AtHome, CheckPassword
from sessionhost.core.policy import Extra, Policy, Who

LOGIN = Policy(login=True)
WITH_PASSWORD = Policy(after_hotdesk=Extra.PASSWORD)
DESK1 = Token("pseudo", "desk1")


def test_guessing_gets_slower_and_says_for_how_long():
    site = site_of(policy=LOGIN)
    desk, other = site.desk("s1"), site.desk("s1")
    for _ in range(2):
        desk.insert(DESK1)
        for _ in range(3):
            if desk.told(Notice) and desk.told(Notice)[-1].code == NoticeCode.TOO_MANY_TRIES:
                break
            desk.type("guess", "alice")
    refused = desk.told(Notice)[-1]
    assert refused.code == NoticeCode.TOO_MANY_TRIES
    assert refused.wait_s >= 1
    assert len(site.actions(CheckPassword)) == 5
    other.insert(Token("pseudo", "desk2"))
    assert len(other.told(Ask)) == 1


def test_pulling_the_card_makes_no_guess_free():
    site = site_of(policy=LOGIN)
    desk = site.desk("s1")
    site.hold_replies = True
    for _ in range(8):
        desk.insert(DESK1)
        if not desk.told(Ask):
            break
        desk.type("guess", "alice")
        desk.say(Remove(desk.seq + 1))
        desk.seq += 1
        site.answer_replies()
        site.deliver()
        desk.lines = [line for line in desk.lines if not isinstance(line, Ask)]
    assert desk.told(Notice)[-1].code == NoticeCode.TOO_MANY_TRIES
    assert len(site.actions(CheckPassword)) == 5


def guessed(site, desk, user, times, token=None):
    """Wrong passwords of that user at a desk; ends where it has to wait."""
    while times:
        desk.lines.clear()
        desk.insert(token or Token("pseudo", desk.name))
        while times and desk.told(Ask) and not desk.told(Notice):
            desk.type("guess", user)
            times -= 1
        if NoticeCode.TOO_MANY_TRIES in codes(desk):
            return
        keepalive(desk, 1)


def test_at_a_shared_desk_one_persons_wrong_passwords_do_not_stop_the_next_one():
    site = site_of(policy=replace(LOGIN, user_tries=50))
    site.passwords["bob", "other"] = RIGHT
    desk = site.desk("s1")
    guessed(site, desk, "alice", 30)
    assert codes(desk)[-1] == NoticeCode.TOO_MANY_TRIES
    desk.lines.clear()
    desk.insert(DESK1)
    desk.type("other", "bob")
    assert shown(desk)


def test_guesses_over_many_names_at_one_desk_have_to_wait():
    site = site_of(policy=LOGIN)
    desk = site.desk("s1")
    for number in range(9):
        guessed(site, desk, f"user{number}", 1)
    assert codes(desk)[-1] == NoticeCode.TOO_MANY_TRIES
    assert desk.told(Notice)[-1].wait_s >= 1
    assert len(site.actions(CheckPassword)) == 5
    other = site.desk("s1")
    other.insert(Token("pseudo", other.name))
    other.type("secret", "alice")
    assert shown(other)


def test_a_card_that_has_signed_does_not_wait_for_wrong_passwords_typed_elsewhere():
    site = site_of(policy=replace(WITH_PASSWORD, login=True))
    for _ in range(6):
        guessed(site, site.desk("s1"), "alice", 1)
    stranger = site.desk("s1")
    guessed(site, stranger, "alice", 1)
    assert stranger.told(Notice)[-1].wait_s > 800
    desk = site.desk("s1")
    desk.insert(CARD.token)
    desk.sign(CARD)
    desk.type("secret")
    assert shown(desk)


def test_guesses_with_a_stolen_card_get_slower_also_when_it_is_pulled_each_time():
    site = site_of(policy=WITH_PASSWORD)
    site.hold_replies = True
    for _ in range(8):
        desk = site.desk("s1")  # at another desk each time
        desk.insert(CARD.token)
        desk.sign(CARD)
        site.answer_replies()
        site.deliver()
        if not desk.told(Ask):
            break
        desk.type("guess")
        desk.say(Remove(desk.seq))
        site.answer_replies()
        site.deliver()
    assert codes(desk) == [NoticeCode.TOO_MANY_TRIES]
    assert len(site.actions(CheckPassword)) == 5


def test_a_card_is_its_users_not_that_of_a_name_that_is_typed():
    """Registering a card that signs: the password is anybody's, so guesses at it count as such."""
    site = site_of(policy=Policy(piv=Who.SELF, login=True, user_tries=2))
    del site.registry[CARD.token]
    for _ in range(2):
        guessed(site, site.desk("s1"), "alice", 1)
    desk = site.desk("s1")
    desk.insert(CARD.token)
    desk.sign(CARD)
    desk.type("secret", "alice")
    assert codes(desk) == [NoticeCode.TOO_MANY_TRIES]


def test_a_terminal_that_hangs_up_makes_no_guess_free_and_none_beside_it():
    site = site_of(policy=LOGIN)
    site.hold_replies = True
    desk = site.desk()
    for _ in range(8):
        desk.connect("s1")
        desk.insert(DESK1)
        desk.type("guess", "alice")
        desk.hang_up()
    assert len(site.actions(CheckPassword)) == 1
    for _ in range(12):
        site.answer_replies()
        desk.connect("s1")
        desk.insert(DESK1)
        desk.type("guess", "alice")
        desk.hang_up()
    assert len(site.actions(CheckPassword)) == 5


def test_passwords_under_way_are_tries_already():
    site = site_of(policy=LOGIN)
    site.hold_replies = True
    desks = [site.desk("s1") for _ in range(9)]
    for desk in desks:
        desk.insert(Token("pseudo", desk.name))
        desk.type("secret", "alice")
    assert len(site.actions(CheckPassword)) == LOGIN.user_tries
    assert codes(desks[-1]) == [NoticeCode.TOO_MANY_TRIES]
    site.answer_replies()  # all were right
    desks[-1].insert(Token("pseudo", desks[-1].name))
    desks[-1].type("secret", "alice")
    site.answer_replies()
    assert shown(desks[-1])


def test_a_user_is_at_home_at_their_desk_after_a_restart_too():
    site = site_of(policy=Policy(login=True, user_tries=1))
    home = site.desk("s1")
    home.insert(DESK1)
    home.type("secret", "alice")
    assert site.actions(AtHome) == [AtHome("alice", "desk1")]
    guesser = site.desk("s1")

    def everybody_tries_after_a_restart(homes):
        site.kill("s1")
        site.boot("s1")
        site.core("s1").authentication.were_at_home(homes)
        site.run(1.0)
        for desk in (home, guesser):
            desk.lines.clear()
            desk.connect("s1")
            desk.insert(Token("pseudo", desk.name))
        guesser.type("guess", "alice")
        home.type("secret", "alice")

    everybody_tries_after_a_restart([])
    assert codes(home) == [NoticeCode.TOO_MANY_TRIES]
    everybody_tries_after_a_restart([(each.user, each.dtu) for each in site.actions(AtHome)])
    assert len(shown(home)) == 1


def test_a_user_whose_session_is_elsewhere_is_at_home_where_the_password_was_typed():
    site = site_of("s1", "s2", policy=Policy(login=True, user_tries=1))
    site.core("s1").group.standing.drain = True
    home, guesser = site.desk("s1"), site.desk("s1")
    home.insert(DESK1)
    home.type("secret", "alice")
    site.run(0.5)
    assert home.told(Redirect)
    assert AtHome("alice", "desk1") in site.actions(AtHome)
    guesser.insert(Token("pseudo", guesser.name))
    guesser.type("guess", "alice")
    home.lines.clear()
    home.connect("s1")
    home.insert(DESK1)
    home.type("secret", "alice")
    site.run(0.5)
    assert NoticeCode.TOO_MANY_TRIES not in codes(home)
    assert home.told(Redirect)
