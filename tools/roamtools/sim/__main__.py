"""`tools/sim`: run seeds of the simulator, or replay one of them with its story."""

import argparse
import json
import sys
from dataclasses import asdict

from roamtools.sim.campaign import Tally, run_seeds
from roamtools.sim.plan import Plan
from roamtools.sim.world import Outcome, World


def main(arguments: list[str] | None = None) -> int:
    """The command; its exit code is 1 if an invariant was broken."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        parser.error("--seeds must be at least 1")
    plan = Plan(servers=options.servers, dtus=options.dtus, seconds=options.seconds)
    if options.seed is not None:
        return _replay(options.seed, plan, trace=options.trace, as_json=options.json)
    seeds = range(options.first_seed, options.first_seed + options.seeds)

    def progress(outcome: Outcome, tally: Tally) -> None:
        if outcome.rule:
            print(_verdict(outcome), file=sys.stderr)
        elif not options.json:
            begin, end = ("\r", "") if sys.stderr.isatty() else ("", "\n")
            print(
                f"{begin}seed {outcome.seed}: {tally.seeds}/{len(seeds)},"
                f" {tally.violations} violations, {tally.wall_s:.0f} s",
                end=end,
                file=sys.stderr,
                flush=True,
            )

    tally = run_seeds(seeds, plan, options.jobs, progress)
    report = tally.report(plan)
    if options.json:
        print(json.dumps(report))
    else:
        print(
            f"\n{report['seeds']} seeds, {report['violations']} violations, "
            f"{report['virtual_s']} virtual seconds in {report['wall_s']} s"
        )
        print(" ".join(f"{name}={count}" for name, count in report["counts"].items()))
    return 1 if tally.violations else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tools/sim", description=__doc__)
    parser.add_argument("--servers", type=int, default=8)
    parser.add_argument("--dtus", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=10, help="how many seeds")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=300.0, help="virtual seconds a seed")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--seed", type=int, help="run this one seed")
    parser.add_argument("--trace", action="store_true", help="with --seed: print its story")
    parser.add_argument("--json", action="store_true", help="one JSON object at the end")
    return parser


def _verdict(outcome: Outcome) -> str:
    return (
        f"seed {outcome.seed} at {outcome.at_s:.3f} s: {outcome.rule}: {outcome.detail}\n"
        f"replay: tools/sim --seed {outcome.seed} --trace (with the same sizes and seconds)"
    )


def _replay(seed: int, plan: Plan, *, trace: bool, as_json: bool) -> int:
    def tell(at: float, who: str, text: str) -> None:
        print(f"{at:10.4f} {who:8} {text}")

    outcome = World(seed, plan, tell if trace else None).run()
    if as_json:
        print(json.dumps(asdict(outcome)))
    elif outcome.rule:
        print(_verdict(outcome))
    else:
        print(f"seed {seed}: no violation, {outcome.steps} steps, digest {outcome.digest}")
    return 1 if outcome.rule else 0


if __name__ == "__main__":
    sys.exit(main())
