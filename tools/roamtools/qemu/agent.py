"""Runs in the guest: does what the host orders over a virtio port. What is ordered is not here.

One JSON object a line. From the host: `{"id", "argv", "timeout_s"}`; to the host: `{"id", "out"}`
for what the command prints, then `{"id", "exit"}`. `{"ready": ...}` comes once at the start.
"""

import io
import json
import os
import platform
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

COMMAND_PORT = Path("/dev/virtio-ports/roamdesk.command")
TIMED_OUT = 124
"""Exit status of a command that took too long, as with timeout(1)."""


class Agent:
    """Runs the host's commands, several at a time."""

    def __init__(self, port: io.FileIO) -> None:
        self._port = port
        self._lock = threading.Lock()

    def run(self) -> None:
        """Until the host hangs up."""
        self._say({"ready": platform.release()})
        for line in io.BufferedReader(self._port):
            order = json.loads(line)
            threading.Thread(target=self._carry_out, args=(order,), daemon=True).start()

    def _carry_out(self, order: dict[str, Any]) -> None:
        number = order["id"]
        try:
            status = self._run(number, order["argv"], order["timeout_s"])
        except OSError as error:
            self._say({"id": number, "out": f"{error}\n"})
            status = 127
        self._say({"id": number, "exit": status})

    def _run(self, number: int, argv: list[str], timeout_s: float) -> int:
        with subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process:  # fmt: skip
            late = threading.Event()

            def end() -> None:
                late.set()
                os.killpg(process.pid, signal.SIGKILL)

            timer = threading.Timer(timeout_s, end)
            timer.start()
            assert process.stdout is not None
            while data := os.read(process.stdout.fileno(), 8192):
                self._say({"id": number, "out": data.decode("utf-8", "replace")})
            status = process.wait()
            timer.cancel()
        return TIMED_OUT if late.is_set() else status

    def _say(self, message: dict[str, Any]) -> None:
        data = json.dumps(message).encode() + b"\n"
        with self._lock:
            while data:
                # A virtio port takes what its queue holds.
                data = data[self._port.write(data) or 0 :]


def main() -> int:
    """Serve one host."""
    with COMMAND_PORT.open("r+b", buffering=0) as raw:
        Agent(raw).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
