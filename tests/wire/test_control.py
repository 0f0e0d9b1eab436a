"""Control lines: each prints and parses, what is wrong with one has its word, bounds hold."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.messages import LINES, messages
from roamwire.control import (
    Cause,
    Connect,
    Hello,
    Insert,
    Notice,
    Response,
    Server,
    Servers,
    Welcome,
    encode_line,
    parse_line,
)
from roamwire.errors import LocalProtocolError, RemoteProtocolError
from roamwire.keyboard import layout_problem
from roamwire.limits import (
    MAX_INTEGER,
    MAX_LINE_BYTES,
    MAX_LISTED,
    MAX_NAME_CHARS,
    MAX_TEXT_CHARS,
    MAX_VALUE_CHARS,
)
from roamwire.tokens import Token

VECTORS = Path(__file__).parent.parent / "vectors"
GOLDEN = (VECTORS / "lines.txt").read_text(encoding="ascii").splitlines()


@pytest.mark.parametrize("line", GOLDEN)
def test_a_golden_line_parses_and_prints_back(line):
    assert encode_line(parse_line(line.encode())) == line.encode() + b"\n"


def test_every_verb_has_a_golden_line():
    assert {line.split(" ")[0] for line in GOLDEN} == {kind.__name__.lower() for kind in LINES}


@pytest.mark.parametrize("kind", LINES)
@given(data=st.data())
def test_a_line_comes_back_as_it_was(kind, data):
    message = data.draw(messages(kind))
    line = encode_line(message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert parse_line(line) == message


def test_what_a_golden_line_means():
    assert parse_line(b"insert token=uid:04a1 cause=failover seq=3 lost=s1") == Insert(
        Token("uid", "04a1"), Cause.FAILOVER, 3, lost="s1"
    )
    assert parse_line(b"welcome host=s1 keepalive_ms=500 lost_ms=1500 server=s2,10.0.0.2,7009") == (
        Welcome("s1", 500, 1500, (Server("s2", "10.0.0.2", 7009),))
    )


LAYOUTS = ["us", "de", "us(intl)", "de(nodeadkeys)", "us,ru", "us(dvorak-alt-intl),ru", "3l"]
NO_LAYOUTS = [
    "DE", "-layout", "de;reboot", "de -variant x", "$(id)", "../../etc", "de()", "de(", "(x)",
    ",us", "us,,de", "a,b,c,d,e", "de(no)deadkeys", "de\n", "x" * 33, "dé", "us+inet", "us:2",
]  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_keyboard_layout_goes_with_hello(layout):
    hello = Hello("desk1", width=1, height=2, keyboard=layout)
    assert parse_line(encode_line(hello)) == hello
    assert layout_problem(layout) is None


@pytest.mark.parametrize("layout", NO_LAYOUTS)
def test_nothing_but_a_layouts_name_gets_through(layout):
    assert layout_problem(layout) is not None
    with pytest.raises(RemoteProtocolError):
        parse_line(encode_line(Hello("desk1", keyboard=layout)))


@settings(max_examples=300)
@given(st.one_of(st.binary(max_size=300), st.text(max_size=200).map(str.encode)))
def test_any_bytes_are_a_line_or_a_remote_error(data):
    with contextlib.suppress(RemoteProtocolError):
        message = parse_line(data)
        assert parse_line(encode_line(message)) == message


@given(st.sampled_from(GOLDEN), st.data())
def test_a_damaged_line_is_a_line_or_a_remote_error(line, data):
    raw = bytearray(line.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    del raw[data.draw(st.integers(0, len(raw))) :]
    with contextlib.suppress(RemoteProtocolError):
        message = parse_line(bytes(raw))
        assert parse_line(encode_line(message)) == message


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_the_end_of_a_line_may_be_there_or_not(end):
    assert parse_line(b"remove seq=4" + end) == parse_line(b"remove seq=4")


def test_unknown_keys_are_ignored():
    line = b"alive n=7 colour=blue server=x shade=dark"
    assert parse_line(line) == parse_line(b"alive n=7")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "verb"),
        (b" ", "verb"),
        (b"Insert token=uid:1 cause=insert seq=1", "verb"),
        (b"launch missiles=1", "verb"),
        (b"remove", "missing"),
        (b"remove  seq=1", "syntax"),
        (b"remove seq", "syntax"),
        (b"remove seq=1 seq=1", "repeated"),
        (b"remove seq=one", "value"),
        (b"remove seq=+1", "value"),
        (b"remove seq=01", "value"),
        (b"remove seq=", "value"),
        (b"remove seq=1.5", "value"),
        (b"remove seq=9223372036854775808", "value"),
        (b"remove seq=-9223372036854775808", "value"),
        (b"remove seq=99999999999999999999", "value"),
        (b"remove seq=%D9%A3", "value"),  # an Arabic-Indic three
        (b"remove seq=1\n\n", "binary"),
        (b"remove seq=1\x00", "binary"),
        (b"\x16\x03\x01\x02\x00\x01", "binary"),
        (b"hello dtu=d%0Ax", "binary"),
        (b"hello dtu=" + b"d" * (MAX_NAME_CHARS + 1), "oversize"),
        (b"notice seq=1 code=1 text=" + b"x" * (MAX_TEXT_CHARS + 1), "oversize"),
        (b"notice seq=1 code=1 text=" + b"x" * (MAX_VALUE_CHARS + 1), "oversize"),
        (b"remove seq=1 x=" + b"x" * MAX_LINE_BYTES, "oversize"),
        (b"servers " + b" ".join([b"server=a,b,1"] * (MAX_LISTED + 1)), "oversize"),
        (b"insert token=uid:1 cause=whim seq=1", "value"),
        (b"attach ticket=t kind=smell", "value"),
        (b"attach kind=sound", "missing"),
        (b"attached session=s epoch=1 sound=" + b"x" * (MAX_NAME_CHARS + 1), "oversize"),
        (b"insert token=badge:1 cause=insert seq=1", "token"),
        (b"insert token=uid:a%20b cause=insert seq=1", "token"),
        (b"insert token=uid: cause=insert seq=1", "token"),
        (b"connect seq=1 session=a epoch=1 ticket=t port=0", "value"),
        (b"connect seq=1 session=a epoch=1 ticket=t port=65536", "value"),
        (b"connect seq=1 session=a epoch=1 ticket=t port=-7", "value"),
        (b"servers server=a,b", "value"),
        (b"servers server=a,b,c,1", "value"),
        (b"servers server=,b,1", "value"),
        (b"servers server=a,,1", "value"),
        (b"servers server=a,b,", "value"),
        (b"servers server=a,b,0", "value"),
        (b"servers server=a,b,65536", "value"),
        (b"servers server=a,b,000001999999", "value"),
        (b"servers server=a,b,%C2%B2", "value"),  # a superscript two is a digit to str.isdigit
        (b"servers server=a%0A,b,1", "value"),
        (b"servers server=" + b"a" * (MAX_NAME_CHARS + 1) + b",b,1", "value"),
    ],
)
def test_what_is_wrong_with_a_line_has_its_word(line, reason):
    with pytest.raises(RemoteProtocolError) as caught:
        parse_line(line)
    assert caught.value.reason == reason


def test_the_bounds_of_a_line_are_exact():
    assert parse_line(b"hello dtu=" + b"d" * MAX_NAME_CHARS) == Hello("d" * MAX_NAME_CHARS)
    assert parse_line(b"keepalive n=%d" % MAX_INTEGER).n == MAX_INTEGER
    assert parse_line(b"keepalive n=-%d" % MAX_INTEGER).n == -MAX_INTEGER
    assert parse_line(b"connect seq=1 session=a epoch=1 ticket=t port=65535").port == 65535
    many = parse_line(b"servers " + b" ".join([b"server=a,b,1"] * MAX_LISTED))
    assert len(many.servers) == MAX_LISTED


@pytest.mark.parametrize("number", [-1, -2, -500])
def test_a_negative_number_stays_negative(number):
    assert parse_line(b"disconnect seq=1 reason=ended retry_ms=%d" % number).retry_ms == number


def test_a_longer_list_is_cut_when_sent():
    servers = tuple(Server(f"s{n}", "10.0.0.1", 7009) for n in range(MAX_LISTED + 5))
    assert parse_line(encode_line(Servers(servers))).servers == servers[:MAX_LISTED]


def test_a_line_of_ours_that_is_too_long_is_our_bug():
    with pytest.raises(LocalProtocolError):
        encode_line(Response(1, "s", "c" * MAX_LINE_BYTES))


def test_the_longest_texts_fit_into_a_line():
    assert parse_line(encode_line(Notice(1, 99, "日" * MAX_TEXT_CHARS)))
    assert parse_line(encode_line(Response(1, "s" * 1024, "c" * MAX_VALUE_CHARS)))


def test_a_value_at_its_default_is_not_sent():
    assert encode_line(Connect(1, "a", 2, "t", 7010)) == (
        b"connect seq=1 session=a epoch=2 ticket=t port=7010\n"
    )
