"""Orders between the lab's processes: JSON lines over a Unix socket, one answer an order."""

import json
import os
import selectors
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

MAX_LINE = 1_000_000  # a node's whole description is some 5 kB; a log tail may be larger
CALL_S = 30.0

Handler = Callable[[dict[str, Any]], dict[str, Any]]


class Refusal(Exception):  # noqa: N818 (an answer to a person, not a fault of the program)
    """An order that cannot be followed, and why, for the person who gave it."""


def call(path: Path, order: dict[str, Any], timeout_s: float = CALL_S) -> dict[str, Any]:
    """Send one order and wait for its answer; raises Refusal, or OSError if nobody listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(timeout_s)
        link.connect(str(path))
        link.sendall(json.dumps(order).encode() + b"\n")
        with link.makefile("rb") as answers:
            line = answers.readline(MAX_LINE)
    if not line:
        raise Refusal(f"{path.name} closed without an answer to {order.get('op')!r}")
    answer: dict[str, Any] = json.loads(line)
    if "refused" in answer:
        raise Refusal(str(answer["refused"]))
    return answer


def listen(path: Path) -> socket.socket:
    """A listening Unix socket at `path`, only for its owner."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o077)
    # Under its name only once it listens: whoever sees the socket can connect.
    new = path.with_name(f".{path.name}")
    new.unlink(missing_ok=True)
    try:
        listener.bind(str(new))
    finally:
        os.umask(before)
    listener.listen(16)
    new.replace(path)
    listener.setblocking(False)
    return listener


class OrderServer:
    """Answers orders from a selector loop that the caller runs, next to its other work."""

    def __init__(self, path: Path, selector: selectors.BaseSelector, handler: Handler) -> None:
        self._selector = selector
        self._handler = handler
        self._buffers: dict[socket.socket, bytes] = {}
        self._listener = listen(path)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _accept(self) -> None:
        try:
            link, _ = self._listener.accept()
        except OSError:
            return  # the caller has given up in the meantime
        link.setblocking(True)
        self._buffers[link] = b""
        self._selector.register(link, selectors.EVENT_READ, lambda: self._read(link))

    def _read(self, link: socket.socket) -> None:
        try:
            data = link.recv(65_536)
        except OSError:
            data = b""
        buffer = self._buffers[link] + data
        if not data or len(buffer) > MAX_LINE:
            self._close(link)
            return
        *lines, self._buffers[link] = buffer.split(b"\n")
        for line in lines:
            try:
                link.sendall(json.dumps(answer(self._handler, line)).encode() + b"\n")
            except OSError:
                self._close(link)
                return

    def _close(self, link: socket.socket) -> None:
        self._selector.unregister(link)
        del self._buffers[link]
        link.close()


def answer(handler: Handler, line: bytes) -> dict[str, Any]:
    """The handler's answer to one line, or the refusal to send instead."""
    try:
        order = json.loads(line)
        if not isinstance(order, dict):
            return {"refused": "an order is a JSON object"}
        return handler(order)
    except (Refusal, ValueError, OSError, KeyError) as error:
        return {"refused": str(error) or type(error).__name__}


def serve_forever(path: Path, handler: Handler) -> None:
    """Answer orders until the process is ended."""
    selector = selectors.DefaultSelector()
    OrderServer(path, selector, handler)
    while True:
        run_ready(selector, None)


def run_ready(selector: selectors.BaseSelector, timeout_s: float | None) -> None:
    """Wait and call the callback of everything that is ready."""
    for key, _ in selector.select(timeout_s):
        key.data()
