"""The states of a terminal and what leads from one to another: patent steps 901-910 as a table."""

import enum


class State(enum.Enum):
    """Where the terminal is on its way to a server."""

    NO_ADDRESS = "no address"
    SEEKING = "seeking"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    RETURNING = "returning"


class Step(enum.Enum):
    """What takes the terminal from one state to another."""

    ADDRESS = "an address"
    NO_ADDRESS = "no address any more"
    TRY = "a candidate"
    FAILED = "candidate failed"
    WELCOME = "welcome"
    LOST = "server lost"
    REDIRECTED = "redirect"
    RESTART = "server restarts"


TRANSITIONS: dict[tuple[State, Step], State] = {
    (State.NO_ADDRESS, Step.ADDRESS): State.SEEKING,  # 901
    (State.NO_ADDRESS, Step.NO_ADDRESS): State.NO_ADDRESS,
    (State.SEEKING, Step.ADDRESS): State.SEEKING,
    (State.SEEKING, Step.NO_ADDRESS): State.NO_ADDRESS,
    (State.SEEKING, Step.TRY): State.CONNECTING,  # 902, 908 -> 910
    (State.CONNECTING, Step.ADDRESS): State.CONNECTING,
    (State.CONNECTING, Step.NO_ADDRESS): State.NO_ADDRESS,
    (State.CONNECTING, Step.FAILED): State.SEEKING,  # 909
    (State.CONNECTING, Step.WELCOME): State.CONNECTED,  # 903
    (State.CONNECTED, Step.ADDRESS): State.CONNECTED,
    (State.CONNECTED, Step.NO_ADDRESS): State.CONNECTED,  # 904 decides, not DHCP
    (State.CONNECTED, Step.LOST): State.SEEKING,  # 906, 907
    (State.CONNECTED, Step.REDIRECTED): State.CONNECTING,  # 922
    (State.CONNECTED, Step.RESTART): State.RETURNING,
    (State.RETURNING, Step.ADDRESS): State.RETURNING,
    (State.RETURNING, Step.NO_ADDRESS): State.NO_ADDRESS,
    (State.RETURNING, Step.TRY): State.CONNECTING,
    (State.RETURNING, Step.LOST): State.SEEKING,
}
