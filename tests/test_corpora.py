"""Every input that fuzzing has kept goes through its parser again, and every seed."""

import pytest

from roamtools.parsers.corpus import CORPORA, load_corpus
from roamtools.parsers.targets import TARGETS


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_a_parser_keeps_its_promise(name):
    inputs = [*TARGETS[name].seeds(), *load_corpus(name)]
    assert len(inputs) > 1
    for data in inputs:
        TARGETS[name].run(data)


def test_each_corpus_has_a_parser():
    assert sorted(path.stem for path in CORPORA.glob("*.b64")) == sorted(TARGETS)
