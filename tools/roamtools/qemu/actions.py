"""What a test in the guest may ask of the host: keys, plugs, monitors, pictures. No test is here.

Runs on the host. A line is a JSON object: `{"do": name, ...}` is answered with `{"result": value}`
or `{"error": text}`.
The guest's side is `roamtools.qemu.host`.
"""

import json
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from roamtools.qemu.monitor_size import MonitorError, set_monitor_size
from roamtools.qemu.qmp import Qmp, QmpError

_KEY_S = 0.02
"""The emulated keyboard's queue holds 16 events and the guest polls every few milliseconds."""

_UNPLUG_S = 30.0

_MONITOR_S = 1.5
"""virtio-gpu's driver forgets a change that comes while it still looks at the one before."""


class Actions:
    """Carries out what the guest asks for, one after the other."""

    def __init__(self, qmp: Qmp, folder: Path, share: Path) -> None:
        self._qmp = qmp
        self._folder = folder
        self._share = share
        self._known: Mapping[str, Callable[..., Any]] = {
            "input": self._input,
            "plug": self._plug,
            "unplug": self._unplug,
            "monitor": self._monitor,
            "screendump": self._screendump,
            "qmp": self._qmp.execute_raw,
        }

    def serve(self, stream: socket.socket) -> None:
        """Until QEMU is gone."""
        try:
            with stream.makefile("rb") as lines:
                for line in lines:
                    stream.sendall(json.dumps(self._answer(line)).encode() + b"\n")
        except OSError:
            return  # QEMU has ended while it was asked

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request: dict[str, Any] = json.loads(line)
            return {"result": self._known[request.pop("do")](**request)}
        except (QmpError, MonitorError, OSError) as error:
            return {"error": str(error)}
        except (KeyError, TypeError, ValueError) as error:
            return {"error": f"not understood: {type(error).__name__}: {error}: {line!r}"}

    def _input(self, events: list[dict[str, Any]], pause_s: float = _KEY_S) -> None:
        """Send QMP input events one by one, so that none is lost in the emulated device."""
        for event in events:
            self._qmp.execute("input-send-event", events=[event])
            time.sleep(pause_s)

    def _plug(self, driver: str, id: str, options: dict[str, Any]) -> None:
        place = {"bus": "usb.0"} if driver.startswith("usb-") else {}
        self._qmp.execute_raw("device_add", {"driver": driver, "id": id, **place, **options})

    def _unplug(self, id: str) -> None:
        self._qmp.execute("device_del", id=id)
        self._qmp.wait_event("DEVICE_DELETED", _UNPLUG_S, device=id)

    def _monitor(self, head: int, width: int, height: int) -> None:
        set_monitor_size(self._folder / f"vnc{head}.sock", width, height)
        time.sleep(_MONITOR_S)

    def _screendump(self, name: str, head: int) -> None:
        """Write what the output shows as PNG into the shared folder."""
        target = self._share / Path(name).name
        self._qmp.execute(
            "screendump", filename=str(target), device="gpu0", head=head, format="png"
        )
