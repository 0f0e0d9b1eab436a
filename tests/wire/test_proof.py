"""What a card signs, which token its key is; and an answer's password is nowhere to be read."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roamwire.control import Answer, Line, encode_line, parse_line
from roamwire.errors import RemoteProtocolError
from roamwire.limits import MAX_PASSWORD_CHARS
from roamwire.proof import Slot, card_token, key_hash, signed_bytes
from roamwire.tokens import Token

TOKEN = Token("piv", "00ff" * 10)
SAID = {"server": "s1", "dtu": "desk1", "token": TOKEN, "slot": Slot.CARD, "seq": 3, "data": "0a"}


def test_the_bytes_that_a_card_signs():
    assert signed_bytes(**SAID) == (
        b"roamdesk card proof 1\nserver=s1 dtu=desk1 token=piv:" + b"00ff" * 10
        + b" slot=9e seq=3 data=0a"
    )  # fmt: skip


@pytest.mark.parametrize(
    "other",
    [
        {"server": "s2"},
        {"dtu": "desk2"},
        {"token": Token("piv", "00fe")},
        {"slot": Slot.PERSON},
        {"seq": 4},
        {"data": "0b"},
    ],
)
def test_each_part_changes_the_bytes(other):
    assert signed_bytes(**SAID) != signed_bytes(**{**SAID, **other})


names = st.text("ab =%\n0", max_size=12)


@given(names, names, names, names)
def test_no_name_can_pass_for_another(server, dtu, other_server, other_dtu):
    one = signed_bytes(**{**SAID, "server": server, "dtu": dtu})
    other = signed_bytes(**{**SAID, "server": other_server, "dtu": other_dtu})
    assert (one == other) == ((server, dtu) == (other_server, other_dtu))


def test_a_cards_token_is_the_hash_of_its_key():
    digest = hashlib.sha256(b"key").hexdigest()
    assert card_token(b"key") == Token("piv", digest[:40])
    assert key_hash(b"key") == digest[:40]


def test_a_password_is_in_no_repr():
    answer = Answer(1, "alice", "correct horse")
    assert "correct" not in repr(answer)
    assert parse_line(encode_line(answer)) == answer


@pytest.mark.parametrize(
    "line",
    [
        b"answer seq=1 hunter2",
        b"answer seq=hunter2",
        b"answer seq=1 password=hunter2%",
        b"answer seq=1 password=x password=hunter2",
        b"answer seq=1 password=" + b"hunter2" * MAX_PASSWORD_CHARS,
    ],
)
def test_no_error_quotes_an_answer(line):
    with pytest.raises(RemoteProtocolError) as caught:
        parse_line(line)
    error: BaseException | None = caught.value
    assert "hunter" not in str(error)
    assert error.__suppress_context__


def test_answers_are_lines():
    assert Answer in Line.__args__
