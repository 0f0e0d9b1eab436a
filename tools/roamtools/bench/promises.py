"""What each benchmark's figures have to be, as one table, and which of them a run has missed.

The bounds are the goals that `docs/measured.md` shows beside the figures. Measures nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dtu.core.piv.keys import KeyType


@dataclass(frozen=True)
class Promise:
    """A figure, found by its names from the outside in (`*` is each of them), and its bound.

    The bound itself is kept.
    """

    figure: tuple[str, ...]
    at_most: float | None = None
    at_least: float | None = None

    def broken(self, figures: Mapping[str, Any]) -> list[str]:
        """In words, each figure that is beyond the bound or is not there."""
        told = []
        for name, value in _find(figures, self.figure):
            if value is None:
                told.append(f"{name} was not measured")
            elif self.at_most is not None and not value <= self.at_most:
                told.append(f"{name} is {value:g}, promised is at most {self.at_most:g}")
            elif self.at_least is not None and not value >= self.at_least:
                told.append(f"{name} is {value:g}, promised is at least {self.at_least:g}")
        return told


def _find(figures: Any, path: tuple[str, ...], name: str = "") -> list[tuple[str, Any]]:
    if not path:
        return [(name, figures)]
    if not isinstance(figures, Mapping):
        return [(".".join((name, *path)).lstrip("."), None)]
    if path[0] == "*":
        found = [_find(figures[key], path[1:], f"{name}.{key}".lstrip(".")) for key in figures]
        return [each for some in found for each in some] or [(f"{name}.*", None)]
    return _find(figures.get(path[0]), path[1:], f"{name}.{path[0]}".lstrip("."))


def _case(case: str, **at_most: float) -> tuple[Promise, ...]:
    return tuple(Promise(("cases", case, name), at_most=ms) for name, ms in at_most.items())


def _none(*names: str) -> tuple[Promise, ...]:
    return tuple(Promise((name,), at_most=0) for name in names)


PROMISES: Mapping[str, tuple[Promise, ...]] = {
    "hotdesk-piv": (Promise(("added_p95_ms", "*"), at_most=150),),
    "decode": (
        Promise(("cases", "*", "ratio_to_vncviewer"), at_least=1.0),
        Promise(("cases", "video", "one_core_of_goal"), at_least=1.0),
    ),
    "dtu": (
        Promise(("rss_mb",), at_most=120),
        Promise(("idle_cpu_percent",), at_most=1),
        Promise(("start_ms",), at_most=1000),
        *_none("stuck_keys", "dropped_keys", "leaked_keys"),
    ),
    "failover": (*_case("kill", p50_ms=800, p99_ms=1500), *_case("cut", p99_ms=3000)),
    "hotdesk": (
        *_case("same_server", p95_ms=250),
        *_case("redirect", p95_ms=400),
        *_case("card_out", p95_ms=50),
        *_case("new_session", p95_ms=1500),
    ),
    "input": (Promise(("ratio_to_vncviewer",), at_most=1.3),),
    # The card's own operation is the emulated card's, within the 150 ms that a proof may add.
    "piv": tuple(each for kind in KeyType for each in _case(kind.value, p95_ms=150)),
    "sound": (
        Promise(("hz_error",), at_most=0.5),
        Promise(("purity",), at_least=0.9),
        Promise(("silent_share",), at_most=0.01),
        # Generous: one silence of it in 30 s is 0.8 %, which the share allows.
        Promise(("longest_gap_ms",), at_most=250),
    ),
}
"""Every benchmark has some: one that nothing can fail shows nothing."""


def broken(bench: str, figures: Mapping[str, Any]) -> list[str]:
    """What a run of this benchmark shows not to hold, in words; empty if all is well."""
    return [told for promise in PROMISES[bench] for told in promise.broken(figures)]
