"""Command APDUs and whole answers: chaining, GET RESPONSE, bounds. What they mean is not here."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

from dtu.core.piv.results import CardFault

Result = TypeVar("Result")

# Yields command APDUs, is sent each response with its two status bytes, returns a result. A
# bytearray that was yielded holds a PIN and is wiped when the generator goes on or is closed.
Exchange = Generator[bytes | bytearray, bytes, Result]

OK = 0x9000
PART_BYTES = 255  # short APDUs: every reader can carry them
MAX_ANSWER = 12_288  # bytes; the largest certificate that a card was seen with has some 3,000
MAX_RESPONSES = 96  # of at most 256 bytes each for one command, so that drops end too

CHAINED = 0x10
GET_RESPONSE = bytes.fromhex("00C00000")


@dataclass(frozen=True)
class Answer:
    """A whole answer; `status` is 0 if the card gave less than two bytes."""

    data: bytes
    status: int


class UnexpectedAnswer(Exception):  # noqa: N818 (ends a generator; callers see the value in it)
    """Carries the CardFault that an exchange ends with."""

    def __init__(self, status: int, where: str) -> None:
        self.error = CardFault(status, where)
        super().__init__(str(self.error))


def command(instruction: int, p1: int, p2: int, data: bytes, where: str) -> Exchange[Answer]:
    """One command with its data in as many parts as it takes, and its whole answer.

    Raises UnexpectedAnswer for an answer without an end, and if the card refuses a part.
    """
    while len(data) > PART_BYTES:
        part, data = data[:PART_BYTES], data[PART_BYTES:]
        answer = _split((yield bytes([CHAINED, instruction, p1, p2, len(part)]) + part))
        if answer.status != OK:
            raise UnexpectedAnswer(answer.status, where)
    head = bytes([0, instruction, p1, p2])
    body = bytes([len(data)]) + data if data else b""
    answer = _split((yield head + body + b"\x00"))
    if answer.status >> 8 == 0x6C:  # "wrong length, this one is right"
        answer = _split((yield head + body + bytes([answer.status & 0xFF])))
    gathered = answer.data
    for _ in range(MAX_RESPONSES):
        if len(gathered) > MAX_ANSWER:
            break
        if answer.status >> 8 != 0x61:
            return Answer(gathered, answer.status)
        answer = _split((yield GET_RESPONSE + bytes([answer.status & 0xFF])))
        gathered += answer.data
    raise UnexpectedAnswer(answer.status, where)


def _split(response: bytes) -> Answer:
    if len(response) < 2:
        return Answer(b"", 0)
    return Answer(response[:-2], int.from_bytes(response[-2:], "big"))


def status_of(response: bytes) -> int:
    """The status word of one response, 0 if it has none."""
    return _split(response).status
