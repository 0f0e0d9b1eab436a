"""Mutated RFB bytes, straight through the decoder and from a hostile server over TLS."""

import json
import random

import pytest

from roamtools.fuzz import decoder, socket_way, streams
from roamtools.fuzz.__main__ import WAYS, main
from roamtools.fuzz.recordings import record_all
from roamtools.fuzz.streams import good, spoilt

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(900)]

BYTES = 60_000
"""`tools/fuzz` has ten million each way."""


@pytest.fixture(scope="module")
def recorded():
    return record_all()


@pytest.mark.parametrize("way", [decoder, socket_way], ids=["decoder", "socket"])
def test_spoilt_streams_end_in_an_event_and_take_little(recorded, way):
    seen = way.run(20261123, BYTES, recorded)
    assert seen.mutated >= BYTES
    assert seen.bytes > 2 * BYTES
    assert seen.updates > 3
    assert len(seen.failed) > 5
    assert seen.broken == []


@pytest.mark.parametrize("way", [decoder, socket_way], ids=["decoder", "socket"])
def test_the_bounds_bite(way):
    seen = way.run(1, 3_000, [])
    assert seen.broken == []
    seen.most_bytes = 1000
    assert "beyond the framebuffer" in seen.broken[0]
    seen.most_read_s = 1e-6
    assert "a read took" in seen.broken[1]


@pytest.mark.parametrize("most", [64_000_000, 1000])
def test_a_broken_bound_is_the_exit_status(monkeypatch, capsys, most):
    def run(seed, size, recorded, told):
        seen = decoder.run(seed, size, recorded, told)
        seen.most_bytes = most
        return seen

    monkeypatch.setitem(WAYS, "decoder", run)
    status = main(["--bytes", "3000", "--way", "decoder", "--no-recordings", "--json"])
    told = capsys.readouterr()
    way = json.loads(told.out)["ways"]["decoder"]
    assert way["mutated"] >= 3000
    assert way["bytes"] > way["mutated"]
    assert status == (1 if most == 1000 else 0)
    assert bool(way["broken"]) == bool(told.err) == bool(status)


def test_only_what_was_changed_counts_as_mutated(monkeypatch):
    monkeypatch.setattr(streams, "MOST_CHANGES", 1)
    rng = random.Random(1)
    stream = good(rng, huge_share=0)
    counts = []
    for _ in range(200):
        changed = spoilt(stream, rng)
        counts.append(changed.mutated(len(changed.data)))
        if not changed.runs:
            assert stream.data.endswith(changed.data[-100:])
            continue
        ((first, end),) = changed.runs
        assert changed.data[:first] == stream.data[:first]
        assert stream.data.endswith(changed.data[end:])
        assert changed.mutated(first) == 0
        assert changed.mutated(first + 1) == 1
    assert min(counts) == 0
    assert max(counts) > 10_000
