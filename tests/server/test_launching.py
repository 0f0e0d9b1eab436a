"""What the launcher refuses, and the lines on its socket."""

import pytest

from roamwire.errors import RemoteProtocolError
from sessionhost.adapters.order_socket import (
    MAX_ORDER_BYTES,
    encode_order,
    parse_order,
    required,
    whole,
)
from sessionhost.core.launching import OrderError, check_account, check_order


def test_a_usual_order_passes():
    check_order("a-1_B", "desktop", 1280, 800)
    check_account("alice", 1000)


@pytest.mark.parametrize(
    ("session", "recipe", "width", "height"),
    [
        ("", "desktop", 1280, 800),
        ("../x", "desktop", 1280, 800),
        ("a" * 65, "desktop", 1280, 800),
        ("a\n", "desktop", 1280, 800),
        ("a", "../desktop", 1280, 800),
        ("a", "Desktop", 1280, 800),
        ("a", "desktop", 63, 800),
        ("a", "desktop", 1280, 8193),
    ],
)
def test_names_and_sizes_that_are_refused(session, recipe, width, height):
    with pytest.raises(OrderError, match="not allowed"):
        check_order(session, recipe, width, height)


@pytest.mark.parametrize(("user", "uid"), [("root", 0), ("daemon", 1), ("nobody", 65534)])
def test_accounts_that_are_nobodys(user, uid):
    with pytest.raises(OrderError, match="not a person's account"):
        check_account(user, uid)


def test_an_order_reads_back():
    line = encode_order("start", session="a b", epoch=3)
    assert line == b"start session=a%20b epoch=3\n"
    assert parse_order(line) == ("start", {"session": "a b", "epoch": "3"})
    assert encode_order("list") == b"list\n"
    assert parse_order(b"list") == ("list", {})


@pytest.mark.parametrize("line", [b"x a", b"x \xff=1", b"x a=%zz", b"x " + b"a" * MAX_ORDER_BYTES])
def test_a_bad_order_is_the_other_ends_error(line):
    with pytest.raises(RemoteProtocolError):
        parse_order(line)


@pytest.mark.parametrize("text", ["", "-1", "x", "1" * 20, "11", "\u0661"])
def test_a_number_that_is_none(text):
    with pytest.raises(RemoteProtocolError):
        whole({"n": text}, "n", highest=10)


def test_what_an_order_must_have():
    assert required({"a": "b"}, "a") == "b"
    assert whole({"n": "7"}, "n") == 7
    with pytest.raises(RemoteProtocolError):
        required({"a": ""}, "a")
    with pytest.raises(RemoteProtocolError):
        whole({}, "n")
