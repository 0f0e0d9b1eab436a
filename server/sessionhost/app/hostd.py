"""The session host's main daemon: joins the core to sockets, registry, launcher and gateway.

Decides nothing: every decision is `ServerCore`'s. Pixels are displayd's, privileges launcherd's.
"""

import asyncio
import contextlib
import errno
import logging
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from roamwire.addresses import Address
from roamwire.datagrams import Interface
from roamwire.notices import DisconnectReason
from roamwire.signing import GroupSecrets
from roamwire.tokens import Token
from sessionhost.adapters.attachments import AttachmentFile
from sessionhost.adapters.audit_log import AuditLog, load_audit_key
from sessionhost.adapters.block_file import BlockFile
from sessionhost.adapters.control_server import ControlServer
from sessionhost.adapters.display_client import (
    DisplayClient,
    DisplayClosed,
    DisplayEvent,
    DisplayUp,
)
from sessionhost.adapters.group_socket import GroupSocket
from sessionhost.adapters.interfaces import InterfaceWatch
from sessionhost.adapters.keyfiles import load_secrets
from sessionhost.adapters.launcher_client import (
    LauncherClient,
    LauncherEvent,
    LauncherUnavailable,
    SessionEnded,
    SessionFailed,
    SessionOrder,
    SessionReady,
    SessionsListed,
)
from sessionhost.adapters.mdns import Announcement
from sessionhost.adapters.policy_file import load_policy
from sessionhost.adapters.registry_sqlite import SqliteRegistry
from sessionhost.adapters.revoked_file import RevokedFile
from sessionhost.adapters.tls import server_context
from sessionhost.app.admin import AdminServer
from sessionhost.app.config import ServerConfig
from sessionhost.app.daemon import on_reload, run_daemon, unix_user, until_stopped
from sessionhost.app.errands import Errands
from sessionhost.core import actions
from sessionhost.core.announcing import Standing
from sessionhost.core.group import GroupManager
from sessionhost.core.server import ServerCore
from sessionhost.core.sessions import Session
from sessionhost.core.timing import PROFILES

LOAD_S = 1.0
"""How often the load is read, as often as it is announced."""

NOTE_SEEN_S = 30.0
"""How often the registry is told when tokens were last used: each note is a write to the disk."""

LAUNCHER_WAIT_S = 10.0
"""How long the daemon waits for launcherd's list of sessions before it serves without it."""

EPOCHS_PER_S = 10
"""More than a session can be attached to terminals in a second, since the machine started."""

FAREWELL_S = 0.1
"""What was sent to DTUs and servers before a restart gets this long to leave."""

_LOG = logging.getLogger("hostd")


class HostDaemon:
    """One server's event loop."""

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        rng = random.SystemRandom()
        standing = Standing(config.host, cpus=os.cpu_count() or 1, port=config.control_port)
        group = GroupManager(
            standing,
            self._secrets(),
            PROFILES[config.profile],
            rng,
            group_port=config.group_port,
            seeds=config.seeds,
            multicast=config.multicast_group if config.multicast else "",
            broadcast=config.broadcast,
        )
        group.wall_offset = time.time() - time.monotonic()
        self._blocks = BlockFile(config.block_path)
        self._blocks.load(group.blocks)
        self._blocks.compact(group.blocks)
        self._revoked = RevokedFile(config.revoked_path)
        loaded = load_policy(config.group_dir)
        standing.policy = loaded.digest
        self.core = ServerCore(
            group,
            rng,
            recipe=config.recipe,
            display_port=config.display_port,
            policy=loaded.policy,
        )
        self._audit = AuditLog(config.audit_path, config.host, load_audit_key(config.group_dir))
        self._registry = SqliteRegistry(config.registry_path)
        self._attachments = AttachmentFile(config.run_dir / "attachments.json")
        self._control = ControlServer(server_context(config), self)
        self._socket = GroupSocket(
            config.group_port, self._datagram, self._refused, config.multicast_group
        )
        self._interfaces = InterfaceWatch(config.interfaces_ignore, self._interfaces_changed)
        self._announcement = Announcement(config.host, config.control_port)
        self._launcher = LauncherClient(config.run_dir / "launcher.sock", self._launcher_event)
        self._errands = Errands(config, loaded.policy, self._registry, self._launcher, self._keep)
        self._display = DisplayClient(
            config.run_dir / "display.sock",
            self._display_event,
            unix_user(config.display_user, "display_user").pw_uid,
        )
        self._admin = AdminServer(
            config.run_dir / "admin.sock", self.core, self._pump, self._registry.is_reader_async
        )
        self._listed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def _secrets(self) -> GroupSecrets:
        config = self._config
        return load_secrets(config.group_dir, classic=config.accept_classic_signature)

    def _reload(self) -> None:
        """SIGHUP: other secrets at once, other certificates for new links; no link is dropped."""
        tls, secrets = server_context(self._config), self._secrets()
        self.core.group.secrets = secrets
        self._control.renew(tls)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then say farewell."""
        stop = asyncio.create_task(until_stopped())
        self._revoked.write(self.core.group.blocks.blocked_dtus())
        self._keep(self._launcher.run())
        self._keep(self._display.run())
        await self._wait_for_launcher()
        await self._admin.start()
        self._socket.start()
        self._interfaces.start()
        self._control.start(self._config.control_port)
        on_reload(self._reload)
        if self._config.mdns:
            self._announcement.start()
        self._keep(self._follow_load())
        self._keep(self._note_seen())
        _LOG.info("host %s serves on port %d", self._config.host, self._config.control_port)
        self._pump()
        await stop
        await self._farewell()

    async def _farewell(self) -> None:
        if _machine_stops():
            _LOG.info("the machine stops: terminals go elsewhere at once")
        else:
            self.core.begin_restart(time.monotonic())
        self._pump()
        await asyncio.gather(self._control.close(FAREWELL_S), self._announcement.close())
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._interfaces.close()
        self._socket.close()
        self._admin.close()
        await self._errands.flush()
        self._errands.close()
        self._registry.close()
        self._audit.close()

    def _keep(self, work: "asyncio._CoroutineLike[None]") -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error("a task failed", exc_info=error)

    async def _wait_for_launcher(self) -> None:
        """Serve only when the sessions of before are known, or launcherd is not to be had."""
        try:
            await asyncio.wait_for(self._listed.wait(), LAUNCHER_WAIT_S)
        except TimeoutError:
            _LOG.error("launcherd does not answer: serving without the sessions of before")
            self.core.recover([], time.monotonic())

    def _sessions_listed(self, event: SessionsListed) -> None:
        """launcherd has started, or we have: epochs are from our file."""
        now, wall_ms = time.monotonic(), time.time_ns() // 1_000_000
        kept = self._attachments.load()
        sessions = []
        for each in event.running:
            # Without a note: as old as the session, and above any epoch that can have been given.
            started = now - max(0, wall_ms - each.started_ms) / 1000
            epoch, last = kept.get(each.session, (int(now * EPOCHS_PER_S), started))
            token = Token.parse(each.token)
            sessions.append(
                Session(each.session, token, each.user, each.recipe, last, epoch, each.rfb_socket)
            )
        if sessions:
            _LOG.info("launcherd has %d sessions", len(sessions))
        self.core.recover(sessions, now)
        self._attachments.only({each.session for each in self.core.sessions})
        self._listed.set()

    async def _follow_load(self) -> None:
        standing = self.core.group.standing
        while True:
            with contextlib.suppress(OSError):
                standing.load = int(os.getloadavg()[0] * 1000)
            wall = time.time()
            self.core.group.wall_offset = wall - time.monotonic()
            local = wall + time.localtime(wall).tm_gmtoff
            self.core.authentication.local_offset = local - time.monotonic()
            await asyncio.to_thread(self._audit.sync)
            await asyncio.sleep(LOAD_S)

    async def _note_seen(self) -> None:
        while True:
            await asyncio.sleep(NOTE_SEEN_S)
            await self._errands.flush()

    # What comes in

    def link_opened(self, link: int, dtu: str, address: Address) -> None:
        """A DTU has connected."""
        _LOG.info("terminal %s connected from %s", dtu, address)
        self.core.link_opened(link, dtu, address, time.monotonic())
        self._pump()

    def line_received(self, link: int, line: bytes) -> None:
        """A DTU sent a line."""
        self.core.receive_line(link, line, time.monotonic())
        self._pump()

    def link_closed(self, link: int) -> None:
        """A DTU is gone."""
        self.core.link_closed(link, time.monotonic())
        self._pump()

    def _datagram(self, data: bytes, source: tuple[str, int], interface: str, way: str) -> None:
        self.core.receive_datagram(data, source, interface, time.monotonic(), way)
        self._pump()

    def _refused(self, address: str) -> None:
        self.core.refused(address, time.monotonic())
        self._pump()

    def _interfaces_changed(self, interfaces: tuple[Interface, ...]) -> None:
        self._socket.follow([each.interface for each in interfaces])
        self._announcement.follow(interfaces)
        self.core.group.set_interfaces(interfaces, time.monotonic())
        self._pump()

    def _launcher_event(self, event: LauncherEvent) -> None:
        now = time.monotonic()
        if isinstance(event, SessionsListed):
            self._sessions_listed(event)
        elif isinstance(event, SessionReady) and self.core.sessions.get(event.session) is None:
            # Ordered by a hostd that crashed: whose it is, the list says.
            self._launcher.list_sessions()
        elif isinstance(event, SessionReady):
            self.core.session_ready(event.session, event.rfb_socket, now)
        elif isinstance(event, SessionFailed) and event.reason == "lost":
            # launcherd died while it started it: after the list it is ordered again.
            self._launcher.list_sessions()
        elif isinstance(event, SessionFailed | SessionEnded):
            _LOG.info("session %s: %s", event.session, event.reason)
            ended = isinstance(event, SessionEnded) and event.reason in ("stopped", "ended")
            reason = DisconnectReason.ENDED if ended else DisconnectReason.FAILED
            self.core.session_gone(event.session, reason, now)
            self._attachments.only({each.session for each in self.core.sessions})
        self._pump()

    def _display_event(self, event: DisplayEvent) -> None:
        if isinstance(event, DisplayUp):
            self._display.bans(self.core.group.blocks.blocked_dtus())
        elif isinstance(event, DisplayClosed):
            _LOG.info("display of %s epoch %d: %s", event.session, event.epoch, event.reason)

    # What goes out

    def _pump(self) -> None:
        """Carry out what the core wants, and set the next timer."""
        while (action := self.core.next_action()) is not None:
            if not self._errands.begin(action, self.core, self._pump):
                self._carry_out(action)
        for out in self.core.datagrams_to_send(time.monotonic()):
            self._socket.send(out)
        if self._timer is not None:
            self._timer.cancel()
        delay = max(0.0, self.core.next_deadline() - time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(delay, self._deadline)

    def _deadline(self) -> None:
        self._timer = None
        try:
            self.core.handle_deadline(time.monotonic())
        finally:
            self._pump()

    def _carry_out(self, action: actions.Action) -> None:
        match action:
            case actions.Send():
                self._control.send(action.link, action.line)
            case actions.Close():
                self._control.close_link(action.link)
            case actions.StartSession():
                self._keep(self._start(action))
            case actions.StopSession():
                self._keep(self._stop(action))
            case actions.SetKeyboard():
                self._launcher.set_keyboard(action.session, action.layout)
            case actions.Grant():
                self._display.grant(
                    action.session, action.epoch, action.ticket, action.dtu, action.rfb_socket,
                    action.ttl_ms,
                )  # fmt: skip
            case actions.Revoke():
                self._display.revoke(action.session, action.epoch)
            case actions.Ban():
                self._display.ban(action.key, action.banned)
            case _:
                self._write_down(action)

    def _write_down(self, action: actions.Action) -> None:
        match action:
            case actions.Remember():
                self._attachments.keep(action.session, action.epoch, action.last_connected)
            case actions.KeepBlocks():
                self._blocks.keep(action.entries)
                self._revoked.write(self.core.group.blocks.blocked_dtus())
            case actions.Audit():
                self._audit.write(action.record)
            case actions.Report():
                _LOG.info("%s", action.text)

    async def _start(self, action: actions.StartSession) -> None:
        width, height = self._config.size
        order = SessionOrder(
            action.session,
            action.user,
            str(action.token),
            action.recipe,
            action.width or width,
            action.height or height,
        )
        try:
            await self._launcher.start(order)
        except LauncherUnavailable as error:
            # It is ordered again when launcherd is back and has listed what it has.
            _LOG.warning("session %s has to wait: %s", action.session, error)

    async def _stop(self, action: actions.StopSession) -> None:
        try:
            await self._launcher.stop(action.session)
        except LauncherUnavailable as error:
            _LOG.error("session %s not stopped: %s", action.session, error)


def _machine_stops() -> bool:
    """Whether systemd is shutting the machine down: then nobody waits for our return."""
    if not Path("/run/systemd/system").exists():
        return False
    asked = ["systemctl", "is-system-running"]
    told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    return told.strip() == "stopping"


def _explain(error: OSError, config: ServerConfig) -> str:
    """A start that failed, in words."""
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {config.control_port} (TCP) or {config.group_port} (UDP) is in use: "
            "is hostd running already? (settings control_port, group_port)"
        )
    return str(error)


async def _run(config: ServerConfig) -> None:
    await HostDaemon(config).run()


def main(arguments: list[str] | None = None) -> int:
    """Run the daemon; the exit status is `run_daemon`'s."""
    return run_daemon("hostd", "Roamdesk session host", arguments, _run, _explain)


if __name__ == "__main__":
    sys.exit(main())
