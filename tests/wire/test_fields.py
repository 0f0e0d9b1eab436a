"""Fields, the text under every message: what is escaped, what is refused, and the bounds."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roamwire.errors import LocalProtocolError, RemoteProtocolError
from roamwire.fields import ascii_text, decode_fields, decode_value, encode_fields, encode_value
from roamwire.limits import MAX_FIELDS, MAX_KEY_CHARS, MAX_VALUE_CHARS

keys = st.from_regex(rf"[A-Za-z][A-Za-z0-9_]{{0,{MAX_KEY_CHARS - 1}}}", fullmatch=True)
values = st.text(max_size=60)


@given(st.lists(st.tuples(keys, values), max_size=8))
def test_fields_come_back_as_they_were(pairs):
    text = encode_fields(pairs)
    assert text.isascii()
    assert text == "" or text.isprintable()
    assert decode_fields(text) == pairs


@given(st.text(max_size=200))
def test_any_text_is_fields_or_a_remote_error(text):
    with contextlib.suppress(RemoteProtocolError):
        pairs = decode_fields(text)
        assert decode_fields(encode_fields(pairs)) == pairs


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ("", ""),
        ("plain,text:with/marks~", "plain,text:with/marks~"),
        ("a b", "a%20b"),
        ("a=b", "a%3Db"),
        ("100%", "100%25"),
        ("ü", "%C3%BC"),
        ("\n\x00\x7f", "%0A%00%7F"),
    ],
)
def test_only_what_would_break_a_field_is_escaped(value, encoded):
    assert encode_value(value) == encoded
    assert decode_value(encoded) == value


@pytest.mark.parametrize(
    "text",
    [
        "nokey",
        "=value",
        "1a=x",
        "a-b=x",
        "a=1  b=2",
        " a=1",
        "a=1 ",
        "a=%",
        "a=%4",
        "a=%zz",
        "a=%C3",
        "a=%FF%FE",
        "a=\x01",
        "a=ü",
        "a=x\n",
        "a==",
        "a=b=c",
        f"{'k' * (MAX_KEY_CHARS + 1)}=x",
    ],
)
def test_broken_fields_are_refused(text):
    with pytest.raises(RemoteProtocolError) as caught:
        decode_fields(text)
    assert caught.value.reason == "syntax"


def test_the_bounds_are_exact():
    assert len(decode_fields(" ".join(["a=1"] * MAX_FIELDS))) == MAX_FIELDS
    assert len(decode_value("x" * MAX_VALUE_CHARS)) == MAX_VALUE_CHARS
    assert decode_fields(f"{'k' * MAX_KEY_CHARS}=x") == [("k" * MAX_KEY_CHARS, "x")]
    with pytest.raises(RemoteProtocolError, match="oversize"):
        decode_fields(" ".join(["a=1"] * (MAX_FIELDS + 1)))
    with pytest.raises(RemoteProtocolError, match="oversize"):
        decode_value("x" * (MAX_VALUE_CHARS + 1))


def test_a_repeated_key_is_kept_in_its_place():
    assert decode_fields("a=1 b=2 a=3") == [("a", "1"), ("b", "2"), ("a", "3")]


@pytest.mark.parametrize("key", ["", "a b", "1a", "a=b", "ä", "k" * (MAX_KEY_CHARS + 1)])
def test_a_bad_key_of_ours_is_our_bug(key):
    with pytest.raises(LocalProtocolError):
        encode_fields([(key, "x")])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"x" * 11, "oversize"),
        (b"\xff\xfe", "binary"),
        ("ü".encode(), "binary"),
        (b"a\x00b", "binary"),
        (b"a\nb", "binary"),
        (b"a\x7f", "binary"),
    ],
)
def test_bytes_that_are_no_text(data, reason):
    with pytest.raises(RemoteProtocolError) as caught:
        ascii_text(data, 10)
    assert caught.value.reason == reason


def test_bytes_that_are_text():
    assert ascii_text(b"a b=c", 5) == "a b=c"


def test_an_error_is_its_reason_and_its_detail():
    assert str(RemoteProtocolError("syntax", "here")) == "syntax: here"
    assert str(RemoteProtocolError("syntax")) == "syntax"
