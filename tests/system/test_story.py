"""The story on real parts: the same steps that `make demo` plays, in one lab."""

import os

import pytest

from roamtools.demo.story import Story
from roamtools.lab.lab import Lab

pytestmark = pytest.mark.system


def test_every_step_of_the_story(tmp_path):
    told = []
    with Lab(f"story-{os.getpid()}") as lab:
        lab.up(servers=0, desks=0, tied=True)
        for title, step in Story(lab, tmp_path).steps():
            told.append(f"{title}: {step()}")
    assert len(told) == 15
    assert len(list(tmp_path.glob("[0-9]*.png"))) >= 10
