"""`tools/bench` as a command: what it passes on, what it prints, how it ends. Measures nothing."""

import json

import pytest

from roamtools.bench import cli
from roamtools.bench.promises import PROMISES, Promise, broken
from roamtools.lab.rpc import Refusal

GOOD_DTU = {
    "rss_mb": 119.9,
    "idle_cpu_percent": 0.5,
    "start_ms": 400,
    "stuck_keys": 0,
    "dropped_keys": 0,
    "leaked_keys": 0,
}


def a_bench(monkeypatch, name, figures):
    """A benchmark that has this to say; gives the repeats that it was asked for."""
    asked = []

    def run(progress, repeats):
        asked.append(repeats)
        progress("at work")
        if isinstance(figures, Exception):
            raise figures
        return dict(figures)

    monkeypatch.setitem(cli.BENCHES, name, cli.Bench("about it", "things", 7, run))
    return asked


def test_figures_as_promised_end_with_0(monkeypatch, capsys):
    a_bench(monkeypatch, "dtu", GOOD_DTU)
    assert cli.main(["dtu", "--json"]) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert told["name"] == "dtu"
    assert told["broken"] == []
    assert told["rss_mb"] == 119.9
    assert set(told["machine"]) == {"cpus", "python", "load_before"}
    assert err == "at work\n"


@pytest.mark.parametrize("name", sorted(GOOD_DTU))
def test_each_broken_promise_ends_with_3_and_is_named(monkeypatch, capsys, name):
    a_bench(monkeypatch, "dtu", {**GOOD_DTU, name: 5000})
    assert cli.main(["dtu", "--json"]) == 3
    out, err = capsys.readouterr()
    assert [text.split()[0] for text in json.loads(out)["broken"]] == [name]
    assert f"bench dtu: {name} is 5000, promised is at most" in err


def test_a_figure_that_is_missing_is_a_broken_promise(monkeypatch):
    a_bench(monkeypatch, "dtu", {k: v for k, v in GOOD_DTU.items() if k != "stuck_keys"})
    assert cli.main(["dtu"]) == 3


def test_what_cannot_be_measured_ends_with_1(monkeypatch, capsys):
    a_bench(monkeypatch, "sound", Refusal("no sound at desk1"))
    assert cli.main(["sound", "--json"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "bench sound: no sound at desk1" in err


@pytest.mark.parametrize("name", sorted(cli.BENCHES))
def test_repeats_reach_every_bench(monkeypatch, name):
    asked = a_bench(monkeypatch, name, {})
    cli.main([name])
    cli.main([name, "--repeats", "2"])
    assert asked == [7, 2]


@pytest.mark.parametrize("wrong", ["0", "-3", "many"])
def test_repeats_are_a_count(wrong, capsys):
    with pytest.raises(SystemExit):
        cli.main(["sound", "--repeats", wrong])
    assert "--repeats" in capsys.readouterr().err


def test_people_get_a_line_a_figure(monkeypatch, capsys):
    row = {"n": 3, "p50_ms": 200.0, "p95_ms": 210.0, "p99_ms": 212.5, "max_ms": 212.5}
    cases = {"kill": row, "cut": row}
    a_bench(monkeypatch, "failover", {"cases": cases})
    assert cli.main(["failover"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        *("kill", "n", "3", "p50_ms", "200", "p95_ms", "210", "p99_ms", "212.5", "max_ms", "212.5")
    ]
    assert any(line.startswith("cpus") for line in lines)


def test_help_tells_what_there_is_and_what_is_repeated(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    told = capsys.readouterr().out
    for name, bench in cli.BENCHES.items():
        assert f"  {name:11s} {bench.about}" in told
        assert f"--repeats: {bench.repeated}, default {bench.repeats}" in told


def test_every_bench_promises_something():
    assert set(PROMISES) == set(cli.BENCHES)
    assert all(broken(name, {}) for name in cli.BENCHES)


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        ({"cases": {"web": {"fps": 1.0}, "video": {"fps": 0.5}}}, ["cases.video.fps"]),
        ({"cases": {"web": {"fps": float("nan")}}}, ["cases.web.fps"]),
        ({"cases": {"web": {}}}, ["cases.web.fps"]),
        ({"cases": {}}, ["cases.*"]),
        ({}, ["cases.*.fps"]),
    ],
)
def test_each_case_is_held_to_it(figures, told):
    found = Promise(("cases", "*", "fps"), at_least=1.0).broken(figures)
    assert [text.split()[0] for text in found] == told
