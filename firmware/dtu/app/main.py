"""The terminal's process: joins the core to screen, reader, lease, network. Decides nothing."""

import argparse
import asyncio
import gc
import ipaddress
import logging
import os
import random
import signal
import ssl
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dtu.app import not_set_up
from dtu.app.admission import Admission
from dtu.app.bench_channel import BenchChannel
from dtu.app.config import DtuConfig, load_config
from dtu.app.desk_face import DeskFace, menu_chord
from dtu.app.display_link import DisplayLink, Drawn, FirstFrame, Lamps, LinkEvent, LinkLost
from dtu.app.drivers import Drivers
from dtu.app.identity import DeskIdentity
from dtu.app.input_desk import InputDesk
from dtu.app.last_resort import end_at_bugs
from dtu.app.privacy import forbid_core_dumps
from dtu.app.query_socket import QuerySocket
from dtu.app.screen_sleep import ScreenSleep
from dtu.app.server_list import ServerListFile
from dtu.app.service_manager import ServiceManager
from dtu.app.sound_link import SoundLink, open_sound
from dtu.app.tls import IdentityError, own_name
from dtu.app.volume_knob import VolumeKnob
from dtu.core import actions, story
from dtu.core.events import CardAnswered, CardEvent
from dtu.core.finder import Finder
from dtu.core.input.events import Leds
from dtu.core.ip6 import Ip6
from dtu.core.lease import Lease, NoLease
from dtu.core.lookups import Answer
from dtu.core.refusals import Refused
from dtu.core.rfb import turbojpeg
from dtu.core.terminal import Terminal
from dtu.core.update import Update
from dtu.core.words import Message
from dtu.drivers.display.base import Screen, ScreenError
from dtu.drivers.display.pygame_screen import open_screen
from dtu.drivers.update_file import UpdateFile
from roamwire.settings import SettingsError

_LOG = logging.getLogger("dtu")


class TerminalProcess:
    """One terminal's event loop."""

    def __init__(self, config: DtuConfig, screen: Screen) -> None:
        self._config = config
        self._screen = screen
        rng = random.SystemRandom()
        finder = Finder(
            config.name,
            rng,
            port=config.control_port,
            configured=config.servers,
            dns=config.dns_names,
            mdns=config.mdns,
        )
        self._server_list = ServerListFile(config.server_list, config.key, config.ca)
        name = _name(config)
        finder.remember(self._server_list.load())
        self._terminal = Terminal(
            name,
            screen.size,
            finder,
            rng,
            language=config.language,
            keyboard=config.keyboard_layout,
        )
        self._control = self._admission()
        tls = self._control.tls
        self._display = DisplayLink(screen, tls, self._display_event)
        self._sleep = ScreenSleep(screen, config.screen_off_s)
        self._drivers = Drivers(config)
        self._network = self._drivers.network
        self._update = UpdateFile(config.update_file)
        self._face = DeskFace(
            config, screen, self._terminal, address=self._address, carry_on=self._carry_on
        )
        self._input = InputDesk(
            self._display,
            screen.move_pointer,
            screen.size,
            self._drivers.input,
            [menu_chord(config.menu_keys)],
            self._face.hotkey,
            self._sleep.stirred,
        )
        self._face.use_input(self._input)
        self._sound: SoundLink | None = open_sound(config.sound, config.sound_socket, tls)
        self._volume: VolumeKnob | None = None
        if self._sound is not None:
            self._volume = VolumeKnob(self._sound.server, self._volume_is)
            self._face.set_volume = self._volume.turn
            self._face.look_at_volume = self._volume.look
        self._query = QuerySocket(config.group_port, config.interface, self._datagram)
        self._lease: Lease | None = None
        self._ip6 = Ip6(config.interface)
        self._timer: asyncio.TimerHandle | None = None
        self._service_manager = ServiceManager()
        self._stop = asyncio.Event()
        self._bench: BenchChannel | None = None
        if config.bench_socket is not None:
            self._bench = BenchChannel(
                config.bench_socket,
                self._drivers.feed(self._input.post),
                screen.snapshot,
                self._state,
                self._drivers.orders,
            )

    def _admission(self) -> Admission:
        config = self._config
        return Admission(
            DeskIdentity(config.name, config.ca, config.cert, config.key, config.state_dir),
            config.name,
            config.enrol_port,
            config.enrol_code,
            on_open=self._link_opened,
            on_line=self._line,
            on_closed=self._link_closed,
            say=self._admitted,
            use=self._new_certificate,
        )

    async def run(self) -> None:
        """Serve the person until SIGTERM, SIGINT or the window is closed."""
        self._loop = loop = asyncio.get_running_loop()
        end_at_bugs(loop)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        if self._bench is not None:
            await self._bench.start()
        self._query.start()
        self._network.lookups.start(self._looked_up)
        self._network.lease.start(self._lease_changed)
        self._network.carrier.start(self._cable)
        self._network.ip6.start(self._ip6_changed)
        self._update.start(self._updating)
        self._drivers.card.start(self._post_card)
        if self._volume is not None:
            self._volume.look()
        self._input.start()
        self._screen.start(self._monitors_changed)
        self._monitors_changed()
        pump = loop.create_task(self._pump_screen())
        watchdog = loop.create_task(self._feed_watchdog(self._service_manager.watchdog_s))
        _LOG.info("terminal %s begins", self._config.name)
        self._carry_on()
        self._service_manager.ready()
        await self._stop.wait()
        _LOG.info("terminal %s ends", self._config.name)
        self._service_manager.stopping()
        await self._shut_down(pump, watchdog)

    async def _shut_down(self, *tasks: "asyncio.Task[None]") -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.get_running_loop().run_in_executor(None, self._drivers.card.stop)
        self._network.lease.stop()
        self._network.carrier.stop()
        self._network.ip6.stop()
        self._update.stop()
        await self._network.lookups.close()
        self._input.detach(session_lives=True)
        self._input.stop()
        self._close_sound()
        if self._volume is not None:
            self._volume.close()
        self._display.close()
        await self._control.close()
        self._query.close()
        if self._bench is not None:
            await self._bench.stop()
        self._sleep.stop()
        self._screen.close()

    async def _pump_screen(self) -> None:
        while (interval_s := self._screen.pump_interval_s) is not None:
            try:
                self._screen.pump()
                for event in self._screen.input_events():
                    self._input.post(event)
            except Exception as error:
                # One bad event must not cost the keyboard until the next power-on. The words of the
                # error are not logged: they may name a key of a PIN.
                place = "".join(traceback.format_tb(error.__traceback__))
                _LOG.error("the screen's input failed once: %s at\n%s", type(error).__name__, place)
            if self._screen.close_requested:
                self._stop.set()
            await asyncio.sleep(interval_s)

    async def _feed_watchdog(self, limit_s: float | None) -> None:
        while limit_s is not None:
            self._service_manager.alive()
            await asyncio.sleep(limit_s / 2)

    # What comes in

    def _monitors_changed(self) -> None:
        """Another monitor, or one with another size: the session is to have it at once."""
        size = self._screen.size
        _LOG.info("the screen is %dx%d on %d monitors", *size, len(self._screen.layout))
        self._trace("screen", width=size[0], height=size[1])
        self._display.set_layout(self._screen.layout)
        self._input.resize(size)
        self._terminal.screen_changed(size)
        self._sleep.stirred()

    def _lease_changed(self, lease: Lease | NoLease) -> None:
        self._lease = lease if isinstance(lease, Lease) else None
        self._trace("lease", address=self._lease.address if self._lease else "")
        self._terminal.address(lease, time.monotonic())
        self._carry_on()

    def _cable(self, plugged: bool) -> None:
        _LOG.info("the network cable is %s", "in" if plugged else "out")
        self._trace("cable", plugged=plugged)
        self._terminal.cable(plugged, time.monotonic())
        self._carry_on()

    def _ip6_changed(self, ip6: Ip6) -> None:
        self._ip6 = ip6
        self._trace("ip6", addresses=ip6.addresses)
        self._terminal.address(ip6, time.monotonic())
        self._carry_on()

    def _updating(self, update: Update) -> None:
        self._terminal.update(update)
        self._carry_on()

    def _post_card(self, event: CardEvent | CardAnswered) -> None:
        """From the card driver's threads to ours."""
        self._loop.call_soon_threadsafe(self._card_event, event)

    def _card_event(self, event: CardEvent | CardAnswered) -> None:
        self._sleep.stirred()
        self._trace("card", kind=type(event).__name__, at=getattr(event, "at", None))
        if isinstance(event, CardAnswered):
            self._terminal.proving.card_answered(event, time.monotonic())
        else:
            self._terminal.card(event, time.monotonic())
        self._carry_on()

    def _link_opened(self, attempt: int, server: str) -> None:
        self._terminal.link_opened(attempt, server)
        self._carry_on()

    def _line(self, attempt: int, line: bytes) -> None:
        self._terminal.receive_line(attempt, line, time.monotonic())
        self._carry_on()

    def _link_closed(self, attempt: int, reason: str | Refused) -> None:
        self._terminal.link_closed(attempt, reason, time.monotonic())
        self._carry_on()

    def _admitted(self, words: Message | None) -> None:
        self._terminal.enrolment(words)
        self._carry_on()

    def _new_certificate(self, tls: ssl.SSLContext) -> None:
        self._display.tls = tls
        if self._sound is not None:
            self._sound.tls = tls

    def _datagram(self, data: bytes, source: tuple[str, int]) -> None:
        self._terminal.receive_datagram(data, source, time.monotonic())
        self._carry_on()

    def _looked_up(self, number: int, answer: Answer) -> None:
        self._terminal.looked_up(number, answer, time.monotonic())
        self._carry_on()

    def _display_event(self, event: LinkEvent) -> None:
        if isinstance(event, Drawn):
            self._trace("drawn", session=event.session, pixels=event.pixels, at=event.at)
            return
        if isinstance(event, Lamps):
            leds = event.leds
            self._input.session_leds(Leds(caps=leds.caps, num=leds.num, scroll=leds.scroll))
            return
        if isinstance(event, FirstFrame):
            self._face.session_shown()
            self._service_manager.status(f"Session {event.session}")
            _LOG.info("session %s is on the screen", event.session)
            self._input.attach()
            self._sleep.session_shown()
            self._trace("first_frame", session=event.session, epoch=event.epoch, at=event.at)
            self._terminal.first_frame(event.session, event.epoch)
            if self._sound is not None and (target := self._display.sound) is not None:
                self._sound.open(target)
            if self._volume is not None:
                self._volume.look()
        elif isinstance(event, LinkLost):
            self._input.detach(session_lives=False)
            self._close_sound()
            self._terminal.display_lost(event.session, event.epoch, event.reason, time.monotonic())
        self._carry_on()

    # What goes out

    def _carry_on(self) -> None:
        """Carry out what the core wants, and set the next timer."""
        while (action := self._terminal.next_action()) is not None:
            self._carry_out(action)
        self._face.refresh()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._terminal.next_deadline()
        if deadline is not None:
            delay = max(0.0, deadline - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay, self._deadline)

    def _deadline(self) -> None:
        self._timer = None
        try:
            self._terminal.handle_deadline(time.monotonic())
        finally:
            self._carry_on()

    def _carry_out(self, action: actions.Action) -> None:
        match action:
            case actions.Connect():
                _LOG.info("trying server %s", story.server(action.server))
                self._trace("connect", host=action.server.host, address=action.server.address)
                self._control.connect(action.attempt, action.server)
            case actions.Hangup():
                self._control.hang_up(action.attempt)
            case actions.SendLine():
                self._control.send(action.attempt, action.line)
            case actions.OpenDisplay():
                self._trace("open_display", session=action.session, epoch=action.epoch)
                self._input.detach(session_lives=True)
                self._display.open(
                    action.address, action.port, action.ticket, action.session, action.epoch
                )
            case actions.CloseDisplay():
                self._input.detach(session_lives=True)
                self._close_sound()
                self._display.close()
            case actions.Blank():
                self._face.blank()
                self._close_sound()
                _LOG.info("the screen is wiped")
                self._trace("blank")
            case actions.Show():
                self._say(action)
            case actions.Offered():
                self._face.offered(action.offers)
            case actions.RememberServers():
                self._server_list.save(action.servers)
            case actions.Broadcast() | actions.Lookup() | actions.AskCard():
                self._ask(action)
            case actions.Report():
                _LOG.info("%s", action.text)

    def _say(self, action: actions.Show) -> None:
        before, words = self._face.words, self._face.show(action)
        if before is None or (before.code, before.title) != (words.code, words.title):
            # Not at each key: how long a password is stands in no log.
            self._service_manager.status(words.title)
            self._sleep.message(words.code)
            _LOG.info("screen %d: %s", words.code, words.title)
            self._trace("words", code=words.code, title=words.title)

    def _ask(self, action: actions.Broadcast | actions.Lookup | actions.AskCard) -> None:
        match action:
            case actions.Broadcast():
                self._query.broadcast(action.data, self._broadcast_address())
            case actions.Lookup():
                self._trace("lookup", question=type(action.question).__name__)
                self._network.lookups.ask(action)
            case actions.AskCard():
                self._trace("ask_card", kind=type(action.request).__name__)
                self._drivers.card.ask(action.request)

    def _address(self) -> str:
        addresses = (self._lease.address,) if self._lease else self._ip6.addresses
        return next(iter(addresses), "")

    def _volume_is(self, percent: int | None) -> None:
        self._face.volume = percent
        self._carry_on()

    def _close_sound(self) -> None:
        if self._sound is not None:
            self._sound.close()

    def _broadcast_address(self) -> str | None:
        if self._lease is None:
            return None
        net = ipaddress.IPv4Interface(f"{self._lease.address}/{self._lease.prefix}").network
        return str(net.broadcast_address)

    def _trace(self, event: str, **fields: Any) -> None:
        if self._bench is not None:
            self._bench.trace(event, **fields)

    def _state(self) -> Mapping[str, Any]:
        """The terminal's state for the bench."""
        terminal = self._terminal
        shown, words = self._display.shown, self._face.words
        return {
            "name": self._config.name,
            "state": terminal.state.value,
            "server": terminal.server.host if terminal.server else "",
            "address": self._address(),
            "session": shown[0] if shown else "",
            "epoch": shown[1] if shown else 0,
            "code": words.code if words else 0,
            "title": words.title if words else "",
            "text": words.text if words else "",
            "menu": self._face.menu_page,
            "asks": self._face.asks,
            "sound": self._sound.channels if self._sound else 0,
        }


def main(arguments: list[str] | None = None) -> int:
    """Run the terminal; exit status 1 if it could not start, 2 for wrong settings."""
    parser = argparse.ArgumentParser(prog="dtu", description="Roamdesk desk terminal")
    parser.add_argument("--config", type=Path, required=True, help="the terminal's settings")
    options = parser.parse_args(arguments)
    try:
        config = load_config(options.config)
    except SettingsError as error:
        print(error, file=sys.stderr)
        not_set_up.say(error, not_set_up.place_despite(options.config))
        return 2
    # The journal has its own clock.
    moment = "" if "JOURNAL_STREAM" in os.environ else "%(asctime)s "
    log_format = f"{moment}dtu %(levelname)s %(message)s"
    logging.basicConfig(level=config.log_level.upper(), format=log_format)
    try:
        forbid_core_dumps()
        turbojpeg.library()  # not at the first session, to which it would be an exception
        screen = open_screen(config.display, config.width, config.height, config.screen_mode)
        # What the imports left is never garbage, and looking through it holds up a key.
        gc.freeze()
        asyncio.run(_run(config, screen))
    except (IdentityError, turbojpeg.LibraryMissingError) as error:
        _LOG.error("cannot start: %s", error)
        not_set_up.say(error, not_set_up.place_of(config))
        return 1
    except (OSError, ScreenError) as error:
        _LOG.error("cannot start: %s", error)
        return 1
    return 0


async def _run(config: DtuConfig, screen: Screen) -> None:
    try:
        terminal = TerminalProcess(config, screen)
    except IdentityError:
        screen.close()
        raise
    await terminal.run()


def _name(config: DtuConfig) -> str:
    """Our name by the certificate; by the settings if there is none that can be read."""
    if not config.cert.exists():
        return config.name
    try:
        name = own_name(config.cert)
    except IdentityError as error:
        _LOG.warning("%s: a new certificate is asked for", error)
        return config.name
    if name != config.name:
        _LOG.warning("the name is %s by the settings and %s by the certificate", config.name, name)
    return name


if __name__ == "__main__":
    sys.exit(main())
