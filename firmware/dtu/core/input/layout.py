"""What a keyboard's keys write, as a question that layouts answer. No table is here.

It is for what the terminal itself asks (passwords, menu) and for RFB servers that know no scan
codes; sessions get scan codes.
"""

from collections.abc import Collection
from typing import Protocol

from dtu.core.input.events import Leds


class Layout(Protocol):
    """Pure: the same question has the same answer."""

    @property
    def name(self) -> str:
        """As XKB has it, such as `de` or `us(intl)`."""

    def keysym(self, code: int, held: Collection[int], leds: Leds) -> int:
        """The keysym of a key (Linux's code) while the `held` ones are down; 0 if there is none.

        A key that writes a character has the keysym of that character as of the X11 protocol,
        appendix A: Latin 1 as it is, others with 0x01000000 added. A dead key has its own
        (`dtu.core.input.dead_keys`).
        """
