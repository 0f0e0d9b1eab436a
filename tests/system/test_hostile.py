"""Every attack on the list, against a running lab with an honest person at work: none succeeds."""

import os

import pytest

from roamtools.hostile.__main__ import ATTACKS, HONEST_P95_MS, play
from roamtools.hostile.honest import MIN_DURING_FLOODS, HonestPerson
from roamtools.hostile.stage import Stage

pytestmark = pytest.mark.system


@pytest.fixture(autouse=True)
def nothing_left_behind():
    """The labs beside the stage's own live until the stage ends, so no test alone is looked at."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    with Stage(f"hostile-{os.getpid()}", folder) as made:
        yield made


@pytest.fixture(scope="module")
def person(stage):
    person = HonestPerson(stage.hopper, "alice")
    person.start()
    yield person
    person.stop()


@pytest.mark.parametrize("name", list(ATTACKS))
def test_an_attack_gets_nothing(stage, person, name):
    assert play(stage, ATTACKS[name], person) == ""


def test_honest_people_felt_nothing(person):
    work = person.stop()
    assert work.troubles == []
    assert len(work.inserts) > 20
    assert work.whole_p95_ms < HONEST_P95_MS
    assert len(work.during_floods) >= MIN_DURING_FLOODS
    assert work.flood_p95_ms < HONEST_P95_MS


def test_there_are_enough():
    assert len(ATTACKS) >= 130
