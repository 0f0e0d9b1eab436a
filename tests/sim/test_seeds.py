"""Fifty smaller seeds of the simulator hold every invariant; a bad one replays by number."""

import json

import pytest

from roamtools.sim import __main__ as command
from roamtools.sim.clock import Alarm, Clock
from roamtools.sim.plan import Plan
from roamtools.sim.world import World

PLAN = Plan(servers=5, dtus=40, seconds=150.0)
TINY = Plan(servers=5, dtus=12, seconds=100.0)

# A violation here is replayed by: tools/sim --servers 5 --dtus 40 --seconds 150 --seed N --trace


FEW = 4  # for 'make check'; 'make test' runs all


@pytest.mark.parametrize(
    "seed",
    [*range(1, FEW + 1), *(pytest.param(n, marks=pytest.mark.slow) for n in range(FEW + 1, 51))],
)
def test_a_seed_holds(seed):
    outcome = World(seed, PLAN).run()
    assert not outcome.rule, outcome
    assert outcome.virtual_s == PLAN.seconds
    assert outcome.counts["pictures"] > 30
    assert outcome.counts["judged"] > 0


def test_the_same_seed_is_the_same_story():
    assert World(7, TINY).run() == World(7, TINY).run()
    assert World(8, TINY).run().digest != World(7, TINY).run().digest


def test_the_command_prints_one_object(capsys):
    sizes = ["--servers", "3", "--dtus", "8", "--seconds", "80"]
    assert command.main([*sizes, "--seeds", "2", "--jobs", "1", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["seeds"] == 2
    assert report["violations"] == 0
    assert report["first_bad_seed"] is None
    assert report["virtual_s"] == 160.0
    assert command.main([*sizes, "--seed", "1", "--trace"]) == 0
    assert "card uid:" in capsys.readouterr().out


def test_a_broken_core_makes_the_command_fail(capsys, monkeypatch):
    def broken(self, now):
        raise KeyError("lost")

    monkeypatch.setattr("dtu.core.heartbeat.Heartbeat.beat", broken)
    sizes = ["--servers", "3", "--dtus", "8", "--seconds", "80"]
    assert command.main([*sizes, "--seeds", "1", "--jobs", "1", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["first_bad_seed"] == 1
    assert report["first_violation"]["rule"] == "exception"


def test_events_happen_in_order_of_time_and_then_of_making():
    clock, seen = Clock(), []
    clock.after(2.0, seen.append, "late")
    clock.after(1.0, seen.append, "first")
    clock.after(1.0, seen.append, "second")
    clock.run(clock.now + 1.5)
    assert seen == ["first", "second"]


def test_an_alarm_rings_once_for_the_earliest_deadline():
    clock, rung = Clock(), []
    alarm = Alarm(clock, lambda: rung.append(clock.now))
    begun = clock.now
    alarm.set(begun + 3.0)
    alarm.set(begun + 1.0)
    alarm.set(None)
    clock.run(begun + 10.0)
    assert rung == [begun + 1.0]
