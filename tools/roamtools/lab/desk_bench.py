"""The bench end of a desk's bench channel: orders, and the stream of what happens at the desk."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from roamtools.lab.rpc import Refusal

START_S = 1.0
ANSWER_S = 20.0  # typing a long text takes 4 ms a key event


class DeskBench:
    """One connection for orders; raises Refusal if the desk refuses, OSError if it is not there."""

    def __init__(self, path: Path) -> None:
        self._link, self._answers = _connect(path)

    def order(self, **fields: Any) -> dict[str, Any]:
        """Send one request and give back its answer."""
        self._link.sendall(json.dumps(fields).encode() + b"\n")
        answer = _read(self._answers)
        if not answer.get("ok", True):
            raise Refusal(str(answer.get("error", "the desk refuses")))
        return answer

    def close(self) -> None:
        self._answers.close()
        self._link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Trace(DeskBench):
    """Events of a desk, each a dict with `t` (CLOCK_MONOTONIC seconds) and `event`."""

    def __init__(self, path: Path, since: float | None = None) -> None:
        super().__init__(path)
        self.seen: list[dict[str, Any]] = []
        self._partial = b""
        self.order(op="trace", since=time.monotonic() if since is None else since)

    def events(self, timeout_s: float) -> Iterator[dict[str, Any]]:
        """Events as they come; ends when `timeout_s` has passed since the call."""
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            event = self._next(left)
            if event is None:
                return
            yield event

    def wait(self, event: str, timeout_s: float, **fields: Any) -> dict[str, Any]:
        """The next event of this name with these fields; raises TimeoutError, telling what came."""
        came: list[str] = []
        for entry in self.events(timeout_s):
            came.append(str(entry["event"]))
            if entry["event"] == event and all(
                entry.get(key) == value for key, value in fields.items()
            ):
                return entry
        told = ", ".join(came[-20:]) or "nothing"
        raise TimeoutError(f"no {event!r} {fields or ''} within {timeout_s:.1f} s; came: {told}")

    def _next(self, timeout_s: float) -> dict[str, Any] | None:
        """One event, or None when time is up; a half-received line is kept for the next call."""
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._partial:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._link.settimeout(left)
            try:
                data = self._link.recv(65_536)
            except TimeoutError:
                return None
            if not data:
                raise ConnectionError("the desk has closed its bench channel")
            self._partial += data
        line, _, self._partial = self._partial.partition(b"\n")
        event: dict[str, Any] = json.loads(line)
        self.seen.append(event)
        return event


def _connect(path: Path) -> tuple[socket.socket, Any]:
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    link.settimeout(ANSWER_S)
    deadline = time.monotonic() + START_S
    while True:
        try:
            link.connect(str(path))
            break
        except ConnectionRefusedError:
            # The socket is in the file system a moment before the desk listens on it.
            if time.monotonic() > deadline:
                link.close()
                raise
            time.sleep(0.02)
        except OSError:
            link.close()
            raise
    # Unbuffered: a buffering reader would swallow trace events that follow the answer.
    return link, link.makefile("rb", buffering=0)


def _read(answers: Any) -> dict[str, Any]:
    line = answers.readline()
    if not line:
        raise ConnectionError("the desk has closed its bench channel")
    answer: dict[str, Any] = json.loads(line)
    return answer
