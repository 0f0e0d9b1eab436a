"""A client of QEMU's machine protocol (QMP), one command at a time. What is asked is not here."""

import collections
import json
import socket
import threading
import time
from pathlib import Path
from typing import Any

_ANSWER_S = 60.0
"""QEMU answers between two slices of emulation; a busy machine makes that seconds."""


class QmpError(Exception):
    """QEMU refused a command, or does not answer."""


class Qmp:
    """One connection; `execute` may be called from any thread."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_ANSWER_S)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("rb")
        self._events: collections.deque[dict[str, Any]] = collections.deque(maxlen=1000)
        self._lock = threading.Lock()
        self._receive()  # the greeting
        self.execute("qmp_capabilities")

    def execute(self, command: str, **arguments: Any) -> Any:
        """The command's `return` value; raises QmpError with QEMU's words."""
        names = {name.replace("_", "-"): value for name, value in arguments.items()}
        return self.execute_raw(command, names)

    def execute_raw(self, command: str, arguments: dict[str, Any]) -> Any:
        """The same with the arguments' names as QEMU spells them."""
        line = json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n"
        with self._lock:
            try:
                self._socket.sendall(line)
                while True:
                    answer = self._receive()
                    if "return" in answer:
                        return answer["return"]
                    if "error" in answer:
                        raise QmpError(f"{command}: {answer['error']['desc']}")
                    self._events.append(answer)
            except TimeoutError:
                raise QmpError(f"{command}: no answer in {_ANSWER_S:.0f} s") from None
            except OSError as error:
                raise QmpError(f"{command}: QEMU is gone: {error}") from None

    def wait_event(self, name: str, timeout_s: float, **data: Any) -> dict[str, Any]:
        """The next event of this name whose data has these values; raises QmpError if none came."""
        end = time.monotonic() + timeout_s
        while True:
            self.execute("query-name")  # fetches what has come in the meantime
            for event in list(self._events):
                found = event.get("data", {})
                if event.get("event") == name and data.items() <= found.items():
                    self._events.remove(event)
                    return event
            if time.monotonic() > end:
                raise QmpError(f"no {name} event in {timeout_s:.0f} s")
            time.sleep(0.05)

    def close(self) -> None:
        """Leave QEMU alone."""
        self._lines.close()
        self._socket.close()

    def _receive(self) -> dict[str, Any]:
        line = self._lines.readline()
        if not line:
            raise ConnectionResetError("end of stream")
        answer: dict[str, Any] = json.loads(line)
        return answer
