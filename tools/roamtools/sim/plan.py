"""What one simulated run is made of, and the bounds that its checkers hold the core to."""

from dataclasses import dataclass

from dtu.core import timing as desk
from sessionhost.core import timing as host


@dataclass(frozen=True)
class Plan:
    """Sizes and times of one seed; every time is in virtual seconds.

    `rogues`: the share of desks that tamper with their own lines; their certificates are good.
    `bounces`: the share of cards that are out again before anything could be done for them.
    """

    servers: int = 8
    dtus: int = 200
    seconds: float = 300.0
    cards_per_desk: float = 0.75
    stay_s: float = 35.0
    walk_s: float = 8.0
    calm_s: tuple[float, float] = (14.0, 24.0)
    settle_s: float = 32.0
    rogues: float = 0.02
    bounces: float = 0.1


SLOW_LOOKUP_S = 0.6
"""How long a busy registry takes at most."""

CARD_S = 0.4
"""How long a card signs at most; real ones take 0.1 s (P-256) to 0.6 s (RSA 2048)."""

SESSION_START_S = 0.7
"""How long an X server takes at most; measured ones take a tenth to half of a second."""

MARGIN_S = 0.6
"""Round trips, TLS, the grain of the checkers' own ticks."""

STABLE_S = 11.0
"""So long after the last fault the group is stable: down is 4 s, a silent link 7 s."""

LINK_STALE_S = host.LINK_SILENT_S + 1.0 + MARGIN_S
"""A server drops a link this long after its DTU has left without a word."""

HOST_DOWN_S = host.PROFILES["fast"].host_down_s + MARGIN_S
"""A silent host is no longer taken for live after this."""

LOOSE_PAUSE_S = 1.5 * desk.MAX_SEEK_PAUSE_S + desk.SERVER_ANSWERS_S
"""A DTU that had found nobody before may be in its longest pause between two rounds."""

PICTURE_S = (
    desk.INSERT_ANSWER_S
    + host.RESTARTING_QUESTION_S
    + (host.PENDING_ROUNDS + 1) * (host.QUESTION_S + host.PENDING_RETRY_S)
    + 2 * desk.CONNECT_S
    + 1.3 * desk.MAX_DISPLAY_RETRY_S
)
"""From being attached to the picture: a lost insert, all rounds of questions, the hops."""


PICTURE_AFTER_DEATH_S = (
    2 * (host.QUESTION_S + SLOW_LOOKUP_S + CARD_S)
    + host.PENDING_ROUNDS * (host.QUESTION_S + host.PENDING_RETRY_S)
    + SESSION_START_S
    + desk.DISPLAY_RETRY_S
    + MARGIN_S
)
"""The same after one server's death in a stable group: at two servers, and two desks at a time."""


BLOCKED_EVERYWHERE_S = 2.0
"""A lost card or a revoked terminal is known to every server that can be reached within this."""


FENCED_S = host.PROFILES["fast"].announce_s + host.PROBE_REPEAT_S + host.SHOWN_S[-1] + MARGIN_S
"""In a healthy network one terminal shows a card's session after this: a host message says that a
partition has healed, the boot is proven, and what is shown is told until it is heard."""


def attach_bound(silent: int, *, restarts: bool, reset: bool = False) -> float:
    """After a server's death in a healthy network every DTU is attached again within this.

    Noticing the silence (no time if its kernel resets connections), the jitter, one connection
    time-out for each of `silent` servers that do not answer and one for the dead target of a
    redirect, and the patience with a server whose daemons restart.
    """
    noticed = 0.0 if reset else desk.LOST_S
    patience = host.RESTART_NOTICE_S + desk.CONNECT_S if restarts else 0.0
    tries = (silent + (not reset)) * desk.CONNECT_S
    return noticed + desk.FAILOVER_JITTER_S + tries + patience + MARGIN_S
