"""The guest's side of the host: what a test asks it to do. What it does is `actions`'s.

`events` of `send` are QMP's InputEvent objects; keys are QEMU's key names (`a`, `ret`, `shift`,
`kp_enter`: see QKeyCode in QEMU's documentation).
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

ACTION_PORT = Path("/dev/virtio-ports/roamdesk.action")
SHARE = Path("/out")

IN_GUEST = os.environ.get("ROAMDESK_GUEST") == "1"
"""True in the guest of tools/qemu."""

_AXIS_MAX = 0x7FFF


class HostError(Exception):
    """The host refused; the text is QEMU's."""


class Host:
    """Asks the host and waits until it has done so; what follows in the guest takes its time."""

    def __init__(self) -> None:
        self._port = ACTION_PORT.open("r+b", buffering=0)

    def close(self) -> None:
        """Let another program ask."""
        self._port.close()

    # -- input

    def key(self, name: str, down: bool) -> None:
        """Press or release a key of the keyboard plugged last."""
        self.send([_key(name, down)])

    def type(self, *names: str) -> None:
        """Press and release each key."""
        self.send([_key(name, down) for name in names for down in (True, False)])

    def move(self, right: int, down: int) -> None:
        """Move the mouse, in its own steps."""
        self.send([_axis("rel", "x", right), _axis("rel", "y", down)])

    def point(self, x: float, y: float) -> None:
        """Move the tablet's pointer; 0.0 is left or top, 1.0 right or bottom."""
        self.send([_axis("abs", "x", int(x * _AXIS_MAX)), _axis("abs", "y", int(y * _AXIS_MAX))])

    def button(self, name: str, down: bool) -> None:
        """`left`, `middle`, `right`, `side`, `extra`, `wheel-up`, `wheel-down`."""
        self.send([{"type": "btn", "data": {"button": name, "down": down}}])

    def send(self, events: Sequence[dict[str, Any]], pause_s: float = 0.02) -> None:
        """Send QMP InputEvents, with `pause_s` seconds after each."""
        self._ask("input", events=list(events), pause_s=pause_s)

    # -- plugs

    def plug(self, driver: str, name: str, **options: Any) -> None:
        """Plug a device in: usb-kbd, usb-mouse, usb-tablet or another of QEMU's; `name` is new."""
        self._ask("plug", driver=driver, id=name, options=options)

    def unplug(self, name: str) -> None:
        """Pull a device. From the start there are `kbd0`, `mouse0` and `tablet0`."""
        self._ask("unplug", id=name)

    def monitor(self, head: int, width: int, height: int) -> None:
        """Output `head` (0 or 1) of virtio-gpu has a monitor of this size; 0 and 0 unplug it."""
        self._ask("monitor", head=head, width=width, height=height)

    # -- looking

    def screendump(self, name: str, head: int = 0) -> npt.NDArray[np.uint8]:
        """What output `head` shows, (height, width, 3) RGB; kept as NAME.png by the host."""
        self._ask("screendump", name=f"{name}.png", head=head)
        with Image.open(SHARE / f"{name}.png") as picture:
            return np.asarray(picture.convert("RGB"))

    def qmp(self, command: str, **arguments: Any) -> Any:
        """Any QMP command, with names as QEMU spells them."""
        return self._ask("qmp", command=command, arguments=arguments)

    def _ask(self, action: str, **fields: Any) -> Any:
        self._port.write(json.dumps({"do": action, **fields}).encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            answer += self._port.read(65536) or b""
        told: dict[str, Any] = json.loads(answer)
        if "error" in told:
            raise HostError(told["error"])
        return told["result"]


def _key(name: str, down: bool) -> dict[str, Any]:
    return {"type": "key", "data": {"key": {"type": "qcode", "data": name}, "down": down}}


def _axis(kind: str, axis: str, value: int) -> dict[str, Any]:
    return {"type": kind, "data": {"axis": axis, "value": value}}
