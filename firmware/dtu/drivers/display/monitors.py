"""Which monitors of a card are used, in which mode, and where they stand. Asks no kernel."""

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from dtu.core.rfb import Rect
from dtu.core.rfb.framebuffer import fits
from dtu.core.rfb.limits import MAX_PIXELS, MAX_SIDE
from dtu.drivers.display.drm import Connector, Mode

_LOG = logging.getLogger(__name__)

MAX_MONITORS = 4
"""A board has two; each takes 8 MiB at 1920x1080."""

_MODE_NAME = re.compile(r"([1-9][0-9]{2,3})x([1-9][0-9]{2,3})(?:@([1-9][0-9]{0,2}))?")


@dataclass(frozen=True)
class Placed:
    """One monitor: its connector, the CRTC that feeds it, its mode, its place on the surface."""

    connector: Connector
    crtc: int
    mode: Mode
    place: Rect


def mode_problem(text: str) -> str | None:
    """Why a setting is no mode; None if it is one, or empty."""
    if not text or _MODE_NAME.fullmatch(text):
        return None
    return f"is not a mode like 1920x1080 or 1920x1080@60: {text!r}"


def choose_mode(modes: Sequence[Mode], wanted: str) -> Mode | None:
    """The wanted mode if the monitor has it, else its preferred one, else its largest.

    Interlaced modes are taken only if there is nothing else: text flickers on them.
    """
    usable = [mode for mode in modes if mode.progressive] or list(modes)
    if not usable:
        return None
    found = _MODE_NAME.fullmatch(wanted)
    if found is not None:
        width, height, hertz = (int(part or 0) for part in found.groups())
        named = [m for m in usable if (m.width, m.height) == (width, height)]
        exact = [mode for mode in named if mode.hertz == hertz] if hertz else named
        if exact or named:
            return max(exact or named, key=lambda mode: (mode.preferred, mode.hertz))
    preferred = [mode for mode in usable if mode.preferred]
    return max(preferred or usable, key=lambda mode: (mode.width * mode.height, mode.hertz))


def place_monitors(
    connectors: Iterable[Connector],
    possible_crtcs: Callable[[int], Sequence[int]],
    wanted: str,
) -> tuple[Placed, ...]:
    """The connected monitors side by side, in the order of their connectors.

    One beside which the surface would be larger than any session may be is left out.
    """
    placed: list[Placed] = []
    x = height = 0
    for connector in connectors:
        mode = choose_mode(connector.modes, wanted) if connector.connected else None
        if mode is None or len(placed) == MAX_MONITORS:
            continue
        used = {other.crtc for other in placed}
        reachable = [c for encoder in connector.encoders for c in possible_crtcs(encoder)]
        crtc = next((each for each in reachable if each not in used), None)
        if crtc is None:
            continue
        if not fits(x + mode.width, max(height, mode.height)):
            _LOG.warning(
                "monitor %s on %s stays dark: with its %dx%d the screen would be larger than"
                " %d pixels to a side or %d in all; set screen_mode to a smaller mode",
                *(connector.monitor or "without a name", connector.name),
                *(mode.width, mode.height, MAX_SIDE, MAX_PIXELS),
            )
            continue
        placed.append(Placed(connector, crtc, mode, Rect(x, 0, mode.width, mode.height)))
        x, height = x + mode.width, max(height, mode.height)
    return tuple(placed)
