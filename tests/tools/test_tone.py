"""What is said of a recorded tone: its frequency although it has gaps, its purity, the gaps."""

import numpy as np
import pytest

from roamtools.lab.tone import FRAME_BYTES, RATE, SILENCE, listen, sine


def with_gaps(tone, *gaps):
    """A silence put in at each of these seconds, for so long; the tone goes on where it was."""
    parts, last = [], 0
    for at, length in gaps:
        here = int(at * RATE) * FRAME_BYTES
        parts += [tone[last:here], bytes(int(length * RATE) * FRAME_BYTES)]
        last = here
    return b"".join([*parts, tone[last:]])


@pytest.mark.parametrize("hz", [440.0, 443.3, 660.0, 880.0])
@pytest.mark.parametrize(
    "gaps", [(), ((0.5, 0.0107),), ((0.3, 0.1), (0.61, 0.033), (1.1, 0.25), (1.7, 0.011))]
)
def test_the_frequency_is_that_of_the_tone_whatever_is_missing(hz, gaps):
    assert listen(with_gaps(sine(hz, 2), *gaps)).hz == pytest.approx(hz, abs=0.1)


def test_gaps_are_where_the_tone_is_not():
    heard = listen(bytes(RATE) + with_gaps(sine(440, 2), (0.5, 0.1), (1.5, 0.3)))
    assert [length for _, length in heard.gaps] == pytest.approx([0.1, 0.3], abs=0.011)
    assert heard.longest_gap == pytest.approx(0.3, abs=0.011)
    assert heard.silent_share == pytest.approx(0.4 / 2.4, abs=0.01)
    assert heard.begins == pytest.approx(0.25, abs=0.01)


def test_a_tone_that_is_off_by_a_hertz_is_seen():
    assert abs(listen(with_gaps(sine(441, 2), (0.7, 0.013))).hz - 440) > 0.9


def mixture(*tones):
    """Tones at the same time, each as frequency and level."""
    waves = [np.frombuffer(sine(hz, 2, level), "<i2") for hz, level in tones]
    return np.sum(waves, axis=0, dtype=np.int16).tobytes()


@pytest.mark.parametrize("gaps", [(), ((0.3, 0.1), (0.61, 0.033), (0.65, 0.25), (1.7, 0.0021))])
@pytest.mark.parametrize("hz", [440.0, 443.3, 660.0, 880.0])
def test_one_tone_alone_is_pure_whatever_is_missing(hz, gaps):
    assert listen(with_gaps(sine(hz, 2), *gaps)).purity > 0.99


@pytest.mark.parametrize("leak", [0.4, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("gaps", [(), ((0.3, 0.1), (0.7, 0.033), (1.1, 0.25))])
def test_another_tone_behind_it_is_seen(leak, gaps):
    heard = listen(with_gaps(mixture((440.0, 0.25), (880.0, 0.25 * leak)), *gaps))
    assert heard.purity == pytest.approx(1 / (1 + leak**2), abs=0.01)
    assert heard.purity < 0.9


def test_another_tone_is_seen_that_is_there_for_a_part_of_the_time():
    both = mixture((440.0, 0.25), (770.0, 0.25))
    heard = listen(sine(440, 1) + bytes(9600) + both)
    assert heard.hz == pytest.approx(440, abs=0.5)
    assert heard.purity < 0.9


def test_holes_in_each_packet_are_silence():
    tone = sine(440, 2)
    packet = RATE // 100 * FRAME_BYTES
    hole = RATE * 4 // 1000 * FRAME_BYTES
    packets = [tone[at : at + packet - hole] + bytes(hole) for at in range(0, len(tone), packet)]
    heard = listen(b"".join(packets))
    assert 190 <= len(heard.gaps) <= 200
    assert heard.silent_share == pytest.approx(0.4, abs=0.11)
    assert heard.longest_gap == pytest.approx(0.004, abs=0.0011)


def test_silence_and_noise_are_no_tone():
    assert listen(bytes(RATE * FRAME_BYTES)) == SILENCE
    assert listen(b"") == SILENCE
    noise = np.random.default_rng(1).integers(-9000, 9000, RATE * 2, dtype=np.int16)
    assert listen(noise.tobytes()).silent_share < 0.01
    assert abs(listen(noise.tobytes()).hz - 440) > 1
    assert listen(noise.tobytes()).purity < 0.01
