"""The benchmark of keys runs with both viewers. How quick they are is not judged here."""

import pytest

from roamtools.bench import input_latency
from roamtools.lab.rpc import Refusal

pytestmark = pytest.mark.system


def test_both_viewers_answer_every_key():
    told = []
    figures = input_latency.run(told.append, rounds=1, keys=5)
    assert len(told) == 1
    assert figures["keys"] == 5
    assert 0 < figures["median_ms"] < 1000
    assert figures["ratio_to_vncviewer"] == pytest.approx(
        figures["median_ms"] / figures["vncviewer_median_ms"], rel=0.01
    )


def test_an_x_server_that_does_not_start_is_told_with_its_own_words(tmp_path):
    rig = input_latency.Rig(tmp_path)
    try:
        with pytest.raises(Refusal, match=r"(?s)did not start.*no-such-option"):
            rig.x_server("session", (64, 64), "-no-such-option")
    finally:
        rig.close()
