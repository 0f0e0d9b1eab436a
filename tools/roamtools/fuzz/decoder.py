"""Spoilt streams straight into the decoder: what must never happen is counted. Makes no streams."""

import random
import time
import tracemalloc

from dtu.core.rfb import Failed, Rect, RfbClient, Updated
from dtu.core.rfb.work import TURN_WORK
from roamtools.fuzz.report import Memory, Report, Told, silent
from roamtools.fuzz.streams import Spoilt, Stream, cases
from roamwire.errors import LocalProtocolError

PIECE_BYTES = (7, 300, 1400, 4096, 65536, 262144)
"""The last is what asyncio reads at once."""

MOST_TURNS = 60
"""Of one read; then the decoder has shown that it can be interrupted, and the stream is left."""


def run(seed: int, size: int, recorded: list[Stream], told: Told = silent) -> Report:
    """Decode so many mutated bytes; what is raised is a bug, and is not caught."""
    report = Report("decoder", seed)
    tracemalloc.start()
    try:
        for stream, rng in cases(seed, recorded):
            if report.mutated >= size:
                return report
            _decode(stream, rng, report)
            told(report)
    finally:
        tracemalloc.stop()
    raise AssertionError("the streams never end")


def _decode(stream: Spoilt, rng: random.Random, report: Report) -> None:
    piece = rng.choice(PIECE_BYTES)
    memory = Memory()
    client = RfbClient((Rect(0, 0, 640, 480),), turn_work=TURN_WORK)
    framebuffer = 0
    at = turns = 0
    while at < len(stream.data) or client.unfinished:
        started = time.thread_time()
        if client.unfinished:
            client.go_on()
            turns += 1
        else:
            turns = 0
            client.receive_data(stream.data[at : at + piece])
            at += piece
        client.data_to_send()
        reason = _take_events(client, report)
        took_s = time.thread_time() - started
        report.slowest_read_s = max(report.slowest_read_s, took_s)
        framebuffer = max(framebuffer, framebuffer_bytes(client))
        if reason is not None:
            report.refuse(reason)
            break
        if turns == MOST_TURNS:
            report.refuse("left")
            break
        assert client.painted in (True, False)
    report.streams += 1
    report.bytes += client.taken
    report.mutated += stream.mutated(client.taken)
    memory.note(report, framebuffer)


def _take_events(client: RfbClient, report: Report) -> str | None:
    """Why the decoder has given up, or None."""
    while (event := client.next_event()) is not None:
        report.updates += isinstance(event, Updated)
        if isinstance(event, Failed):
            return event.error.reason
    return None


def framebuffer_bytes(client: RfbClient) -> int:
    """What the session's picture takes; 0 before there is one."""
    try:
        return client.framebuffer.nbytes
    except LocalProtocolError:
        return 0  # the handshake is not done
