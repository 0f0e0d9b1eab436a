"""The decoder's threads: who works, and when all have. What they decode is not here."""

import threading

import pytest

from dtu.drivers.display import crew as crew_module
from dtu.drivers.display.crew import crew_of


@pytest.fixture(scope="module")
def together():
    return crew_of(2)


def test_all_have_worked_when_it_returns(together):
    here = threading.current_thread()
    done = []
    all_in = threading.Barrier(3, timeout=20)

    def work():
        all_in.wait()
        done.append(threading.current_thread())

    for _ in range(5):
        done.clear()
        together(work)
        assert here in done
        assert len(set(done)) == 3


def test_a_thread_that_comes_too_late_does_not_matter(together):
    """Its call may come to nothing, as it does when all pictures are taken."""
    tasks = list(range(50))

    def work():
        while tasks:
            try:
                tasks.pop()
            except IndexError:
                return

    together(work)
    assert tasks == []


def test_what_is_raised_is_the_callers(together):
    here = threading.current_thread()
    started = threading.Event()

    def work():
        if threading.current_thread() is not here:
            started.set()
            raise ValueError("in a thread")
        assert started.wait(20)

    with pytest.raises(ValueError, match="in a thread"):
        together(work)


@pytest.mark.parametrize(("cores", "threads"), [(1, None), (2, None), (4, 3), (16, 3)])
def test_only_where_cores_are_many(monkeypatch, cores, threads):
    monkeypatch.setattr(crew_module.os, "sched_getaffinity", lambda _: set(range(cores)))
    monkeypatch.setattr(crew_module, "crew_of", lambda helpers: helpers)
    assert crew_module.crew.__wrapped__() == threads
