"""Random keys, unplugs, failovers and card removals: is a key ever lost, stuck or told to others?

The terminal's own driver, router and display link, over TLS to sessions that keep what they are
told. Only the device files are pipes with struct input_event bytes. What should have arrived is
kept by `key_ledger`, which shares no code with the terminal.

`stuck_keys`: down in a living session although nothing holds them for it. `dropped_keys`: pressed
while a session was there and never told. `leaked_keys`: told to a session that they are not for.
"""

import asyncio
import logging
import random
import select
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from dtu.app.display_link import DisplayLink, FirstFrame, LinkEvent, LinkLost
from dtu.app.input_desk import InputDesk
from dtu.core.input.codes import SCAN_CODES
from dtu.core.input.decoder import EV_KEY, EV_SYN, SYN_DROPPED, Abilities
from dtu.drivers.display.pygame_screen import open_screen
from dtu.drivers.input.evdev_input import EvdevInput
from roamtools.bench.key_ledger import KeyLedger, KeyStep, compare, down_after
from roamtools.bench.piped_hub import PipedHub
from roamtools.bench.recording_session import RecordingSessions

EVENTS = 100_000
SEED = 1

# Modifiers, locks, letters, keys with a prefix in their scan code.
_KEYS = (29, 42, 54, 56, 58, 97, 100, 30, 31, 32, 48, 57, 28, 103, 105, 111)
_KEYBOARDS = tuple(f"/dev/input/event{number}" for number in range(3))
_ABILITIES = Abilities(keys=frozenset(range(1, 128)), lamps=frozenset({0, 1, 2}))

_BURST = 12
"""Key events between two looks of the event loop."""

_TURNS_LIMIT = 20_000


class _Play:
    """One terminal, its keyboards and the sessions that it is shown."""

    def __init__(self, sessions: RecordingSessions, port: int, rng: random.Random) -> None:
        self.counts: Counter[str] = Counter()
        self._sessions = sessions
        self._port = port
        self._rng = rng
        self._hub = PipedHub()
        self._ledger = KeyLedger()
        self._epoch = 0
        self._name = ""
        self._told: list[LinkEvent] = []
        self._screen = open_screen("headless", 320, 200)
        self._link = DisplayLink(self._screen, sessions.terminal_tls, self._link_event)
        driver = EvdevInput(self._hub.watch, self._hub.open)
        self._desk = InputDesk(self._link, self._screen.move_pointer, (320, 200), driver)
        self._diverted = False
        self._stuck: set[int] = set()

    async def run(self, events: int, progress: Callable[[str], None]) -> None:
        self._desk.start()
        self._hub.plug(_KEYBOARDS[0], _ABILITIES)
        while self.counts["events"] < events:
            self._burst()
            await self._settle()
            act = self._choose()
            if act is not None:
                self.counts[act.__name__.strip("_")] += 1
                self.counts["events"] += 1
                await act()
                await self._settle()
            if self.counts["events"] // 10_000 > self.counts["reported"]:
                self.counts["reported"] += 1
                progress(f"{self.counts['events']} events")
        await self._leave()
        self._desk.stop()
        self._link.close()
        self._screen.close()
        self._hub.close()

    def _choose(self) -> Callable[[], Awaitable[None]] | None:
        """Most of the time a session is there and gets the keys."""
        if self._rng.random() < 0.5:
            if not self._name:
                return self._remove_card
            if self._diverted:
                return self._divert
        acts = (
            None,
            self._unplug,
            self._remove_card,
            self._redirect,
            self._fail_over,
            self._divert,
        )
        return self._rng.choices(acts, (70, 15, 4, 4, 4, 4))[0]

    # what fingers do

    def _burst(self, keyboard: str = "") -> None:
        """One keyboard a burst: the kernel keeps no order between devices, so no account could."""
        if not self._hub.abilities:
            return
        keyboard = keyboard or self._rng.choice(list(self._hub.abilities))
        for _ in range(self._rng.randrange(_BURST)):
            key = self._rng.choice(_KEYS)
            down = key not in self._ledger.held[keyboard]
            self._finger(keyboard, key, down)
            self._hub.write(keyboard, (EV_KEY, key, int(down)))
            self.counts["events"] += 1
        if self._rng.random() < 0.02:
            self._overflow(keyboard)

    def _finger(self, keyboard: str, key: int, down: bool) -> None:
        (self._ledger.press if down else self._ledger.release)(keyboard, key)

    def _overflow(self, keyboard: str) -> None:
        """The kernel dropped what was done with one key: it says so, and what is down now."""
        key = self._rng.choice(_KEYS)
        self._finger(keyboard, key, key not in self._ledger.held[keyboard])
        self._hub.devices[keyboard].held = set(self._ledger.held[keyboard])
        self._hub.write(keyboard, (EV_SYN, SYN_DROPPED, 0))
        self.counts["overflows"] += 1
        self.counts["events"] += 1

    async def _unplug(self) -> None:
        """Plug a keyboard in, or pull it with keys that nobody has read yet."""
        keyboard = self._rng.choice(_KEYBOARDS)
        if keyboard not in self._hub.abilities:
            self._hub.plug(keyboard, _ABILITIES)
            return
        self._burst(keyboard)
        device = self._hub.devices[keyboard]
        self._hub.unplug(keyboard)
        self._ledger.unplug(keyboard)
        await self._until(lambda: device.closed)

    # what becomes of the session

    async def _remove_card(self) -> None:
        """Out, and at some time in again."""
        if self._name:
            await self._leave()
        else:
            await self._show()

    async def _redirect(self) -> None:
        """Another session, at once."""
        if self._name:
            await self._leave(close=False)
        await self._show()

    async def _fail_over(self) -> None:
        """The server dies while keys come; then the next one."""
        if self._name:
            name, self._name = self._name, ""
            self._settle_account(name)
            self._ledger.lost()
            self._sessions.die(name)
            self._burst()  # into a link that is dead and does not know it
            await self._until(lambda: any(isinstance(e, LinkLost) for e in self._told))
        await self._show()

    async def _divert(self) -> None:
        """The PIN pad or the menu gets the keys, or gives them back."""
        self._diverted = not self._diverted
        if self._diverted:
            self._desk.divert(lambda _event: None)
            self._ledger.deaf()
        else:
            self._desk.divert(None)
            if self._name:
                self._ledger.listen()

    async def _show(self) -> None:
        self._epoch += 1
        self._told.clear()
        self._name = f"session-{self._epoch}"
        self._link.open("127.0.0.1", self._port, self._name, self._name, 1)
        self._burst()  # keys that are pressed while the session is on its way are nobody's
        await self._until(lambda: any(isinstance(e, FirstFrame) for e in self._told))
        if not self._diverted:
            self._ledger.listen()

    async def _leave(self, close: bool = True) -> None:
        """As the terminal does when the card is out (`close`) or a redirect comes."""
        name, self._name = self._name, ""
        if not name:
            return
        self._desk.detach(session_lives=True)
        self._ledger.deaf()
        if close:
            self._link.close()
            recorded = self._sessions.sessions[name]
            await self._until(lambda: not recorded.open)
        else:
            await self._arrive(name)
        self._find_stuck(name)
        self._settle_account(name)

    def _link_event(self, event: LinkEvent) -> None:
        """As the terminal's process does it."""
        self._told.append(event)
        if isinstance(event, FirstFrame):
            self._desk.attach()
        elif isinstance(event, LinkLost):
            self._desk.detach(session_lives=False)

    # accounts

    def _settle_account(self, name: str) -> None:
        self.counts += compare(self._ledger.due, self._steps(name))
        self._ledger.due.clear()
        self._stuck.clear()
        del self._sessions.sessions[name]

    def _steps(self, name: str) -> list[KeyStep]:
        return [(_KEY_OF[code], down) for code, down in self._sessions.sessions[name].keys]

    def _find_stuck(self, name: str) -> None:
        """Each key counts once a session."""
        stuck = down_after(self._steps(name)) - self._ledger.holding - self._stuck
        self.counts["stuck"] += len(stuck)
        self._stuck |= stuck

    async def _settle(self) -> None:
        """Until the terminal has read all devices, and the session all that it was sent."""
        await self._until(lambda: not self._unread())
        if self._name:
            await self._arrive(self._name)
            self._find_stuck(self._name)

    async def _arrive(self, name: str) -> None:
        """Loopback is quick but not instant: wait for the steps that are due, not for ever."""
        recorded = self._sessions.sessions[name]
        due = len(self._ledger.due)
        for _ in range(200):
            if len(recorded.keys) >= due:
                return
            await asyncio.sleep(0)

    def _unread(self) -> bool:
        descriptors = [self._hub.devices[node].fileno() for node in self._hub.abilities]
        return bool(select.select(descriptors, [], [], 0)[0])

    async def _until(self, condition: Callable[[], bool]) -> None:
        for _ in range(_TURNS_LIMIT):
            if condition():
                return
            await asyncio.sleep(0)
        raise TimeoutError(f"the terminal is stuck after {self.counts['events']} events")


_KEY_OF = {(code & 0x7F | 0x80 if code > 0xFF else code): key for key, code in SCAN_CODES.items()}
"""RFB's form of a scan code to the key."""


async def _run(events: int, seed: int, progress: Callable[[str], None]) -> Counter[str]:
    with tempfile.TemporaryDirectory(prefix="roamdesk-keys-") as folder:
        sessions = RecordingSessions(Path(folder))
        port = await sessions.start()
        play = _Play(sessions, port, random.Random(seed))
        await play.run(events, progress)
        await sessions.stop()
        return play.counts


def run(progress: Callable[[str], None], events: int = EVENTS, seed: int = SEED) -> dict[str, int]:
    """Plays so many events; the figures by their names."""
    # Keys that go into a link which has just died are meant here, and dropped is what they are.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    logging.getLogger("dtu").setLevel(logging.ERROR)
    counts = asyncio.run(_run(events, seed, progress))
    return {
        "stuck_keys": counts["stuck"],
        "dropped_keys": counts["dropped"],
        "leaked_keys": counts["leaked"],
        "key_events": counts["events"],
        "presses_told": counts["presses"],
        "unplugs": counts["unplug"],
        "removals": counts["remove_card"],
        "redirects": counts["redirect"],
        "failovers": counts["fail_over"],
        "diversions": counts["divert"],
        "overflows": counts["overflows"],
    }
