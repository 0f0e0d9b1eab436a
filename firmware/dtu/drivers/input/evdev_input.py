"""All keyboards, mice, tablets and touch screens of the machine, as they come and go.

What a device's numbers mean is in `dtu.core.input.decoder`, what becomes of the events elsewhere.
"""

import asyncio
import errno
import logging
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from dtu.core.input.decoder import Decoder
from dtu.core.input.events import InputEvent, Leds, Motion, Place, Plugged, Unplugged
from dtu.core.input.layout import Layout
from dtu.core.input.us_layout import UsLayout
from dtu.drivers.input.evdev_device import DeviceFile, open_device
from dtu.drivers.udev import DeviceEvent, UdevWatch

_LOG = logging.getLogger(__name__)

MAX_DEVICES = 64
"""A hostile USB hub can show any number; the machine's own are some ten."""

RETRY_S = 1.0
RETRIES = 5
"""A device that cannot be opened is tried again: a terminal that has just ended lets its devices go
within a second, and udev gives them to the group input a little after they have come."""

_NODE_PREFIX = "/dev/input/event"


class DeviceWatch(Protocol):
    """Says which devices there are; `UdevWatch` is one."""

    def start(self) -> None:
        """Tell of the devices that are there, then of changes."""

    def fileno(self) -> int:
        """Readable when `read` has something to do."""

    def read(self) -> None:
        """Tell of what has happened."""


class EvdevInput:
    """An input driver for the machine's own devices; each is read by nobody else meanwhile.

    A device that fails is let go with a line in the log; the others live on. One that cannot be
    opened is tried `RETRIES` times more, with one line in the log for all of them.
    """

    def __init__(
        self,
        watch: Callable[[Callable[[DeviceEvent], None]], DeviceWatch] | None = None,
        open_file: Callable[[str], DeviceFile | None] = open_device,
        layout: Layout | None = None,
    ) -> None:
        self.layout: Layout = layout or UsLayout()
        self._make_watch = watch or (lambda on_event: UdevWatch("input", on_event))
        self._open = open_file
        self._watch: DeviceWatch | None = None
        self._devices: dict[str, _Open] = {}
        self._waiting: dict[str, asyncio.TimerHandle] = {}
        self._post: Callable[[InputEvent], None] | None = None
        self._leds = Leds()

    def start(self, post: Callable[[InputEvent], None]) -> None:
        """Begin to post events; the devices that are there are `Plugged` before this returns."""
        self._post = post
        self._loop = asyncio.get_running_loop()
        self._watch = self._make_watch(self._device_event)
        self._watch.start()
        self._loop.add_reader(self._watch.fileno(), self._watch.read)
        if not self._devices:
            _LOG.warning("no keyboard and no mouse is there yet")

    def stop(self) -> None:
        """Let all devices go and post nothing any more."""
        self._post = None
        if self._watch is not None:
            self._loop.remove_reader(self._watch.fileno())
            self._watch = None
        for node in list(self._waiting):
            self._stop_waiting(node)
        for node in list(self._devices):
            self._let_go(node)

    def show_leds(self, leds: Leds) -> None:
        """Set the lamps of all keyboards, also of those that come later."""
        self._leds = leds
        for node in list(self._devices):
            self._light(node)

    # -- devices

    def _device_event(self, event: DeviceEvent) -> None:
        if not event.node.startswith(_NODE_PREFIX):
            return
        if event.action == "remove":
            self._stop_waiting(event.node)
            self._let_go(event.node)
            return
        opened = self._devices.get(event.node)
        if opened is not None and not opened.device.lives():
            # Where udev's events were lost, this is the first word of a device that went and came
            # back as the same node: what is open is the old one.
            self._let_go(event.node)
        if event.node not in self._devices:
            self._take(event.node, RETRIES)

    def _take(self, node: str, retries: int) -> None:
        waited = self._stop_waiting(node)
        if len(self._devices) >= MAX_DEVICES:
            _LOG.warning("%s is not read: %d devices are enough", node, MAX_DEVICES)
            return
        try:
            device = self._open(node)
        except OSError as error:
            if not waited:
                _LOG.warning("%s cannot be read (it is tried again): %s", node, _words(error))
            if retries and len(self._waiting) < MAX_DEVICES:
                timer = self._loop.call_later(RETRY_S, self._take, node, retries - 1)
                self._waiting[node] = timer
            return
        if device is None:
            _LOG.debug("%s is neither keyboard nor pointer", node)
            return
        _LOG.info("input device %s: %s", node, device.name)
        self._devices[node] = _Open(device, Decoder(node, device.abilities))
        self._loop.add_reader(device.fileno(), self._read, node)
        self._tell(Plugged(node, device.name))
        self._light(node)

    def _stop_waiting(self, node: str) -> bool:
        """Try a device no more; True if it was waited for."""
        timer = self._waiting.pop(node, None)
        if timer is not None:
            timer.cancel()
        return timer is not None

    def _let_go(self, node: str) -> None:
        opened = self._devices.pop(node, None)
        if opened is None:
            return
        self._loop.remove_reader(opened.device.fileno())
        try:
            opened.device.close()
        except OSError as error:
            _LOG.debug("closing %s: %s", node, error)
        _LOG.info("input device %s is gone", node)
        self._tell(Unplugged(node))

    def _light(self, node: str) -> None:
        try:
            self._devices[node].device.show_leds(self._leds)
        except OSError as error:
            self._failed(node, error)

    def _read(self, node: str) -> None:
        opened = self._devices[node]
        events: list[InputEvent] = []
        trouble: OSError | None = None
        try:
            for raw in opened.device.read():
                events += opened.decoder.take(*raw)
            if opened.decoder.stale:
                _LOG.warning("%s: the kernel has dropped events; asking what is down", node)
                events += opened.decoder.resync(opened.device.down())
        except BlockingIOError:
            pass
        except OSError as error:
            trouble = error
        for event in merged(events):
            self._tell(event)
        if trouble is not None and node in self._devices:
            self._failed(node, trouble)

    def _failed(self, node: str, error: OSError) -> None:
        if error.errno != errno.ENODEV:  # that one is plain unplugging
            _LOG.warning("%s failed: %s", node, _words(error))
        self._let_go(node)

    def _tell(self, event: InputEvent) -> None:
        if self._post is None:
            return
        try:
            self._post(event)
        except Exception as error:
            # What follows in the same read may be the release of a key. Neither the event nor the
            # words of the error are logged: they may name the key, and PINs are typed with keys.
            _LOG.error(
                "an input event failed (%s of %s): %s at\n%s",
                type(event).__name__,
                event.source,
                type(error).__name__,
                "".join(traceback.format_tb(error.__traceback__)),
            )


class _Open:
    """A device and what its numbers mean."""

    def __init__(self, device: DeviceFile, decoder: Decoder) -> None:
        self.device = device
        self.decoder = decoder


def merged(events: Iterable[InputEvent]) -> Iterator[InputEvent]:
    """One motion for those that were read together: mice tell up to 8,000 a second."""
    waiting: Motion | Place | None = None
    for event in events:
        if isinstance(event, Motion) and isinstance(waiting, Motion):
            seconds = waiting.seconds + event.seconds
            waiting = Motion(waiting.dx + event.dx, waiting.dy + event.dy, seconds, event.source)
            continue
        if waiting is not None and not (isinstance(event, Place) and isinstance(waiting, Place)):
            yield waiting
            waiting = None
        if isinstance(event, Motion | Place):
            waiting = event
        else:
            yield event
    if waiting is not None:
        yield waiting


def _words(error: OSError) -> str:
    if error.errno == errno.EBUSY:
        return "another program has grabbed it"
    if error.errno == errno.EACCES:
        return "no right to read it; the terminal's user must be in the group input"
    return error.strerror or str(error)
