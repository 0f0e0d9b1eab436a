"""Vouchers: nonces are good once and in time, placements fade, tables are bounded."""

import random

import pytest

from roamwire.tokens import Token
from sessionhost.core.registration import Owner
from sessionhost.core.timing import NONCE_S, PLACED_S, RESERVATION_S
from sessionhost.core.vouchers import MAX_NONCES, MAX_PLACED, Vouchers

CARD = Owner(Token("uid", "04a1"), "alice")


@pytest.fixture
def vouchers():
    return Vouchers(random.Random(1))


def test_a_nonce_is_good_once(vouchers):
    nonce = vouchers.issue("digest", 100.0)
    assert vouchers.redeem(nonce, "digest", 101.0)
    assert not vouchers.redeem(nonce, "digest", 101.0)


@pytest.mark.parametrize(
    ("digest", "later", "good"),
    [
        ("digest", NONCE_S - 0.1, True),
        ("digest", NONCE_S, False),
        ("digest", 1000.0, False),
        ("other", 1.0, False),
        ("", 1.0, False),
    ],
)
def test_a_nonce_is_for_one_token_and_for_some_seconds(vouchers, digest, later, good):
    assert vouchers.redeem(vouchers.issue("digest", 100.0), digest, 100.0 + later) is good


@pytest.mark.parametrize(("nonce", "digest"), [("", ""), ("0" * 24, "digest"), ("0" * 24, "")])
def test_a_nonce_that_was_never_given_out_is_worth_nothing(vouchers, nonce, digest):
    assert not vouchers.redeem(nonce, digest, 0.0)
    assert not vouchers.redeem(nonce, digest, 100.0)


def test_a_wrong_try_uses_the_nonce_up(vouchers):
    nonce = vouchers.issue("digest", 100.0)
    assert not vouchers.redeem(nonce, "other", 100.0)
    assert not vouchers.redeem(nonce, "digest", 100.0)


def test_nonces_are_bounded_and_the_oldest_goes(vouchers):
    nonces = [vouchers.issue("d", 100.0) for _ in range(MAX_NONCES + 1)]
    assert len(set(nonces)) == MAX_NONCES + 1
    assert not vouchers.redeem(nonces[0], "d", 100.0)
    assert vouchers.redeem(nonces[1], "d", 100.0)
    assert vouchers.redeem(nonces[-1], "d", 100.0)


def test_a_placement_is_told_for_some_seconds(vouchers):
    assert vouchers.home(CARD, 100.0) == ""
    vouchers.placed(CARD, "s2", 100.0)
    assert vouchers.home(CARD, 100.0 + PLACED_S - 0.1) == "s2"
    assert vouchers.home(CARD, 100.0 + PLACED_S) == ""
    assert vouchers.home(Owner(CARD.token, "bob"), 100.0) == ""


def test_the_last_placement_counts_and_can_be_forgotten(vouchers):
    vouchers.placed(CARD, "s2", 100.0)
    vouchers.placed(CARD, "s3", 101.0)
    assert vouchers.home(CARD, 101.0) == "s3"
    assert vouchers.placed_owners() == [CARD]
    vouchers.forget_home(CARD)
    vouchers.forget_home(CARD)
    assert vouchers.home(CARD, 101.0) == ""


def test_reservations_count_by_host_and_fade(vouchers):
    for number, host in enumerate(["s2", "s2", "s3"]):
        vouchers.placed(Owner(CARD.token, str(number)), host, 100.0 + number)
    assert vouchers.reserved(102.0) == {"s2": 2, "s3": 1}
    assert vouchers.reserved(100.0 + RESERVATION_S) == {"s2": 1, "s3": 1}
    assert vouchers.reserved(200.0) == {}


def test_placements_are_bounded_and_the_oldest_goes(vouchers):
    for number in range(MAX_PLACED + 1):
        vouchers.placed(Owner(CARD.token, str(number)), "s2", 100.0)
    assert len(vouchers.placed_owners()) == MAX_PLACED
    assert vouchers.home(Owner(CARD.token, "0"), 100.0) == ""
    assert vouchers.home(Owner(CARD.token, "1"), 100.0) == "s2"
