"""What an honest person's inserts say about floods; nobody works here."""

import math

import pytest

from roamtools.demo.desk import Desk
from roamtools.hostile.honest import MIN_DURING_FLOODS, HonestInsert, HonestPerson, HonestWork
from roamtools.lab.lab import Lab


def inserts(took_s, *begins):
    return [HonestInsert(begin, begin + took_s) for begin in begins]


def test_a_flood_that_is_felt_does_not_vanish_among_quiet_inserts():
    quiet = inserts(0.1, *range(1000))
    slow = inserts(2.0, *(2000 + 3 * number for number in range(MIN_DURING_FLOODS)))
    work = HonestWork(quiet + slow, floods=[(1999.0, 2100.0)])
    assert work.whole_p95_ms == pytest.approx(100)
    assert work.flood_p95_ms == pytest.approx(2000)
    assert work.p95_ms == pytest.approx(2000)


def test_the_worse_of_both_counts():
    work = HonestWork(inserts(2.0, *range(0, 90, 3)) + inserts(0.1, *range(100, 110)))
    work.floods.append((99.0, 120.0))
    assert work.flood_p95_ms == pytest.approx(100)
    assert work.p95_ms == work.whole_p95_ms == pytest.approx(2000)


@pytest.mark.parametrize(
    ("began", "ended", "counts"),
    [(0, 4.9, 0), (0, 5.1, 1), (5.5, 5.6, 1), (5.9, 9, 1), (6.1, 9, 0)],
)
def test_an_insert_counts_if_any_part_of_it_is_under_a_flood(began, ended, counts):
    work = HonestWork([HonestInsert(5.0, 6.0)], floods=[(20.0, 30.0), (began, ended)])
    assert len(work.during_floods) == counts


def test_too_few_inserts_under_floods_say_nothing_good():
    few = inserts(0.1, *range(MIN_DURING_FLOODS - 1))
    assert HonestWork(few, floods=[(0.0, 100.0)]).p95_ms == math.inf
    assert HonestWork(few).p95_ms == pytest.approx(100)
    assert HonestWork().p95_ms == math.inf


def test_a_flood_is_noted_also_if_its_attack_breaks(tmp_path):
    person = HonestPerson(Desk(Lab("none"), "desk1", tmp_path), "alice")
    with pytest.raises(RuntimeError), person.under_flood():
        raise RuntimeError
    ((began, ended),) = person.work.floods
    assert began <= ended
