"""Input events as the numbers that a device of the kernel sends for them. No device is here."""

from dtu.core.input.decoder import Abilities
from dtu.core.input.events import Button, Key, Motion, Place, Wheel

FULL = 0x7FFF
"""The range of a USB tablet's axes."""

KINDS = {
    "keyboard": Abilities(keys=frozenset(range(1, 128)), lamps=frozenset({0, 1, 2})),
    "mouse": Abilities(keys=frozenset(range(0x110, 0x115)), relative=frozenset({0, 1, 6, 8})),
    "tablet": Abilities(keys=frozenset({0x110, 0x111}), absolute={0: (0, FULL), 1: (0, FULL)}),
}
"""What the devices of the contract can do."""

_BUTTON_CODES = {0: 0x110, 1: 0x112, 2: 0x111}


def numbers(event):
    """Triples of kind, code and value, without SYN_REPORT."""
    match event:
        case Key():
            return [(1, event.code, int(event.down))]
        case Button():
            return [(1, _BUTTON_CODES[event.bit], int(event.down))]
        case Motion():
            return [(2, 0, event.dx), (2, 1, event.dy)]
        case Wheel():
            return [(2, 8, event.up // 120)]
        case Place():
            return [(3, 0, round(event.x * FULL)), (3, 1, round(event.y * FULL))]
