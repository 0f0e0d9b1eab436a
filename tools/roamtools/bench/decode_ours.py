"""Our side of the decoding bench: view, composer and headless screen on a plain socket. No timing.

`python -m roamtools.bench.decode_ours PORT WIDTH HEIGHT` connects and draws until the server goes.
It is what a terminal does without TLS, which the other viewer has not got here either.
"""

import argparse
import asyncio
import os
import sys
import time

from dtu.app.session_view import SessionView
from dtu.core.rfb import Rect
from dtu.drivers.display.pygame_screen import open_screen


class _Plain(asyncio.Protocol):
    """Bytes between a socket and a view, as the display link has them after its first line."""

    def __init__(self, view: SessionView) -> None:
        self._view = view
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        self._view.receive(data, now)
        self._show(now)

    def _show(self, now: float) -> None:
        self._transport.write(self._view.data_to_send())
        self._view.paint(now)
        self._transport.write(self._view.data_to_send())
        if self._view.unfinished:
            self._transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._go_on)
        else:
            self._transport.resume_reading()

    def _go_on(self) -> None:
        self._view.go_on()
        self._show(time.monotonic())

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set_result(None)


async def _run(port: int, width: int, height: int) -> None:
    screen = open_screen("headless", width, height)
    view = SessionView("bench", screen, (Rect(0, 0, width, height),), lambda event: None)
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_connection(lambda: _Plain(view), "127.0.0.1", port)
    await protocol.ended


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 when the server has ended the connection."""
    parser = argparse.ArgumentParser(prog="decode_ours")
    for name in ("port", "width", "height"):
        parser.add_argument(name, type=int)
    parser.add_argument("--processor", type=int, help="run on this one only")
    options = parser.parse_args(arguments)
    if options.processor is not None:
        os.sched_setaffinity(0, {options.processor})
    asyncio.run(_run(options.port, options.width, options.height))
    return 0


if __name__ == "__main__":
    sys.exit(main())
