"""A terminal's screen and input in a process of their own, for `input_latency`. No card, no words.

`DisplayLink`, `InputDesk` and the evdev driver are the terminal's own; the device is a pipe.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from dtu.app.display_link import DisplayLink, FirstFrame, LinkEvent, LinkLost
from dtu.app.input_desk import InputDesk
from dtu.app.tls import client_context
from dtu.core.input.decoder import Abilities
from dtu.drivers.display.pygame_screen import open_screen
from dtu.drivers.input.evdev_device import PipedDevice
from dtu.drivers.input.evdev_input import EvdevInput
from dtu.drivers.udev import DeviceEvent
from sessionhost.adapters.display_client import DisplayClient, DisplayEvent, DisplayUp

NODE = "/dev/input/event0"
KEYBOARD = Abilities(keys=frozenset(range(1, 128)))
SIZE = (1280, 800)
TICKET_S = 0.2
"""From the order to displayd's table; a millisecond is enough, and it is not measured."""


class _OneDevice:
    """A watch that tells of one device, and then of nothing."""

    def __init__(self, on_event: Callable[[DeviceEvent], None]) -> None:
        self._on_event = on_event
        self._silent, self._kept = os.pipe()

    def start(self) -> None:
        """Tell of it."""
        self._on_event(DeviceEvent("add", NODE, ""))

    def fileno(self) -> int:
        """Never readable."""
        return self._silent

    def read(self) -> None:
        """Never called."""


async def _play(options: argparse.Namespace) -> None:
    folder: Path = options.folder
    screen = open_screen("window", *SIZE)
    tls = client_context(folder / "group" / "ca.crt", folder / "desk1.crt", folder / "desk1.key")
    over, up = asyncio.Event(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)

    def link_event(event: LinkEvent) -> None:
        if isinstance(event, FirstFrame):
            desk.attach()
            print("shown", flush=True)
        elif isinstance(event, LinkLost):
            print(f"the display link is lost: {event.reason}", file=sys.stderr)
            over.set()

    def order_event(event: DisplayEvent) -> None:
        if isinstance(event, DisplayUp):
            up.set()

    link = DisplayLink(screen, tls, link_event)
    device = PipedDevice(options.device, "pipe", KEYBOARD)
    driver = EvdevInput(_OneDevice, lambda _node: device)
    desk = InputDesk(link, screen.move_pointer, screen.size, driver)
    # What hostd does: a ticket for this desk.
    orders = DisplayClient(folder / "run" / "display.sock", order_event)
    ordering = asyncio.create_task(orders.run())
    await up.wait()
    ticket = f"bench-{options.epoch}"
    orders.grant("bench", options.epoch, ticket, "desk1", str(options.rfb), 10_000)
    await asyncio.sleep(TICKET_S)
    desk.start()
    link.open("127.0.0.1", options.port, ticket, "bench", options.epoch)
    while not over.is_set() and (interval_s := screen.pump_interval_s) is not None:
        screen.pump()
        await asyncio.sleep(interval_s)
    ordering.cancel()


def main() -> None:
    """Show the session until the process is ended; a line at the first frame."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("rfb", type=Path)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--device", type=int, required=True)
    parser.add_argument("--epoch", type=int, required=True)
    asyncio.run(_play(parser.parse_args()))


if __name__ == "__main__":
    main()
