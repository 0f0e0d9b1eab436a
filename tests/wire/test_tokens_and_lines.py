"""Tokens as text, and bytes cut into lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.messages import tokens
from roamwire.control import Cause, Insert
from roamwire.errors import RemoteProtocolError
from roamwire.limits import MAX_LINE_BYTES
from roamwire.lines import LineReader
from roamwire.tokens import Token


@given(tokens)
def test_a_token_comes_back_from_its_text(token):
    assert Token.parse(str(token)) == token


@pytest.mark.parametrize(
    "text",
    [
        "", "uid", "uid:", ":04a1", "UID:04a1", "badge:1", "uid:a b", "uid:a\n", "uid:a:b",
        "uid:ü", "uid:" + "a" * 65, "uid:../x/y", " uid:1",
    ],
)  # fmt: skip
def test_what_is_no_token(text):
    with pytest.raises(RemoteProtocolError) as caught:
        Token.parse(text)
    assert caught.value.reason == "token"


def test_a_bad_token_of_ours_is_a_value_error():
    with pytest.raises(ValueError, match="not a token"):
        Token("uid", "")


@given(st.lists(st.binary(max_size=30).map(lambda b: b.replace(b"\n", b"")), max_size=8), st.data())
def test_lines_come_whole_however_the_bytes_come(lines, data):
    stream = b"".join(line + b"\n" for line in lines) + b"rest"
    reader, found = LineReader(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += reader.feed(stream[:size])
        stream = stream[size:]
    assert found == lines
    assert reader.take_rest() == b"rest"
    assert reader.take_rest() == b""


def test_a_line_at_the_bound_is_taken():
    reader = LineReader()
    assert reader.feed(b"x" * MAX_LINE_BYTES) == []
    assert reader.feed(b"\ny\n") == [b"x" * MAX_LINE_BYTES, b"y"]


@pytest.mark.parametrize(
    "last",
    [b"x", b"x\n", b"x" * MAX_LINE_BYTES, b"x\nok\n"],
)
def test_a_line_over_the_bound_is_refused_and_not_kept(last):
    reader = LineReader()
    reader.feed(b"ok\n" + b"x" * MAX_LINE_BYTES)
    with pytest.raises(RemoteProtocolError, match="oversize"):
        reader.feed(last)
    assert reader.take_rest() == b""


def test_a_token_in_a_logged_value_shows_its_kind_only():
    text = repr(Insert(Token("uid", "04a1b2c3"), Cause.INSERT, 1))
    assert "04a1b2c3" not in text
    assert "uid" in text
