"""The bench's Unix socket: JSON lines in and out to type, click, look and trace. Refused in images.

What the terminal does with the input, and what its state is, is not here.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dtu.drivers.input.base import InputEvent, Pointer
from dtu.drivers.input.base import Key as KeyEvent
from dtu.drivers.input.keysyms import strokes

_LOG = logging.getLogger(__name__)

STROKE_INTERVAL_S = 0.004
"""Between key events: 125 keys a second, about what editors keep up with."""

CLICK_INTERVAL_S = 0.02
"""Between moving, pressing and releasing: window managers look at each."""

MAX_REQUEST_BYTES = 256 * 1024
"""One JSON line; the longest is a text to type."""

MAX_TRACE_BACKLOG = 4096
"""Trace events kept for those who ask for the past, and for one slow reader."""


class BenchRequestError(Exception):
    """A request that the bench must mend; the text says how."""


class BenchChannel:
    """Serves the bench's socket; `trace` is called by the terminal as things happen.

    Requests are objects with `op`: `type` (text), `key` (keysym, down), `move` and `click` (x, y),
    `screenshot` (path), `state`, `trace` (optional `since`, seconds of CLOCK_MONOTONIC: the
    remembered events after it come first), and those of `orders`. The answer is one object with
    `ok`; after `trace` a stream of events with `t` and `event`.
    """

    def __init__(
        self,
        path: Path,
        post: Callable[[InputEvent], None],
        snapshot: Callable[[Path], None],
        state: Callable[[], Mapping[str, Any]],
        orders: Mapping[str, Callable[[Mapping[str, Any]], None]] | None = None,
    ) -> None:
        self._path = path
        self._post = post
        self._snapshot = snapshot
        self._state = state
        self._orders = orders or {}
        self._server: asyncio.Server | None = None
        self._past: deque[dict[str, Any]] = deque(maxlen=MAX_TRACE_BACKLOG)
        self._readers: set[asyncio.Queue[dict[str, Any]]] = set()
        self._clients: set[asyncio.Task[None]] = set()
        self._typing = asyncio.Lock()

    async def start(self) -> None:
        """Listen; a socket left by an earlier process is replaced."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        self._server = await asyncio.start_unix_server(
            self._serve, path=str(self._path), limit=MAX_REQUEST_BYTES
        )
        self._path.chmod(0o600)

    async def stop(self) -> None:
        """Close the socket and end all clients."""
        if self._server is not None:
            self._server.close()
        clients = list(self._clients)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    def trace(self, event: str, **fields: Any) -> None:
        """Something happened now; the fields must be what JSON can say."""
        entry = {"t": time.monotonic(), "event": event, **fields}
        self._past.append(entry)
        for reader in self._readers:
            if reader.full():
                reader.get_nowait()
            reader.put_nowait(entry)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        try:
            while line := await reader.readline():
                await self._answer(line, reader, writer)
        except (ConnectionError, ValueError) as error:
            # ValueError: readline's word for a line beyond the limit.
            _LOG.info("bench client: %s", error)
        except asyncio.CancelledError:
            # The end of the terminal; a stream server logs a handler that ends so as an error.
            pass
        finally:
            self._clients.discard(task)
            writer.close()

    async def _answer(
        self, line: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise BenchRequestError("a request is a JSON object with op")
            if request.get("op") == "trace":
                await self._stream(_number(request, "since", time.monotonic()), reader, writer)
                return
            answer = {"ok": True, **await self._do(request)}
        except (BenchRequestError, json.JSONDecodeError, UnicodeDecodeError, OSError) as error:
            answer = {"ok": False, "error": str(error)}
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()

    async def _do(self, request: dict[str, Any]) -> Mapping[str, Any]:
        match request.get("op"):
            case "type":
                await self._type(_text(request, "text"))
            case "key":
                code = _whole(request, "code") if "code" in request else 0
                self._post(KeyEvent(_whole(request, "keysym"), bool(request.get("down")), code))
            case "move":
                self._post(Pointer(_whole(request, "x"), _whole(request, "y"), 0))
            case "click":
                await self._click(_whole(request, "x"), _whole(request, "y"))
            case "screenshot":
                self._snapshot(Path(_text(request, "path")))
            case "state":
                return self._state()
            case str(name) if name in self._orders:
                self._order(name, request)
            case other:
                known = ["type", "key", "move", "click", "screenshot", "state", "trace"]
                known += self._orders
                raise BenchRequestError(f"unknown op {other!r}: {', '.join(known)}")
        return {}

    def _order(self, name: str, request: Mapping[str, Any]) -> None:
        try:
            self._orders[name](request)
        except KeyError as error:
            raise BenchRequestError(f"{name}: {error.args[0]} is missing") from error
        except ValueError as error:
            raise BenchRequestError(f"{name}: {error}") from error

    async def _type(self, text: str) -> None:
        # Two clients that type at once take turns: their keys would mix.
        async with self._typing:
            for stroke in strokes(text):
                self._post(stroke)
                await asyncio.sleep(STROKE_INTERVAL_S)

    async def _click(self, x: int, y: int) -> None:
        async with self._typing:
            for buttons in (0, 1, 0):
                self._post(Pointer(x, y, buttons))
                await asyncio.sleep(CLICK_INTERVAL_S)

    async def _stream(
        self, since: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(MAX_TRACE_BACKLOG)
        for entry in self._past:
            if entry["t"] > since:
                queue.put_nowait(entry)
        self._readers.add(queue)
        writer.write(b'{"ok": true}\n')
        sender = asyncio.create_task(_send_trace(queue, writer))
        try:
            while await reader.read(4096):
                pass  # a stream takes no more requests; it ends when the bench hangs up
        finally:
            self._readers.discard(queue)
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)


async def _send_trace(queue: asyncio.Queue[dict[str, Any]], writer: asyncio.StreamWriter) -> None:
    while True:
        await writer.drain()
        entry = await queue.get()
        writer.write(json.dumps(entry).encode() + b"\n")


def _text(request: dict[str, Any], name: str) -> str:
    value = request.get(name)
    if not isinstance(value, str) or not value:
        raise BenchRequestError(f"{name} must be a text")
    return value


def _whole(request: dict[str, Any], name: str) -> int:
    value = request.get(name)
    if not isinstance(value, int) or not 0 <= value <= 0xFFFFFFFF:
        raise BenchRequestError(f"{name} must be a whole number from 0")
    return value


def _number(request: dict[str, Any], name: str, default: float) -> float:
    value = request.get(name, default)
    if not isinstance(value, int | float):
        raise BenchRequestError(f"{name} must be a number")
    return float(value)
