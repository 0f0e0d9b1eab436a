"""The launcher: sessions and checks of passwords on hostd's order. The one daemon that is root.

Sessions do not depend on it: when it starts again it finds them by their records and goes on.
"""

import grp
import logging
import os
import pwd
import signal
import stat
import sys
import time
from pathlib import Path

from roamwire.errors import RemoteProtocolError
from roamwire.keyboard import layout_problem
from sessionhost.adapters import keyboard_layout, process_tree
from sessionhost.adapters.launcher_client import SessionOrder
from sessionhost.adapters.order_socket import (
    OrderPeer,
    OrderServer,
    encode_order,
    required,
    whole,
)
from sessionhost.adapters.password_helper import PasswordChecks
from sessionhost.adapters.session_spawn import Spawn, choose_spawn, start_leader
from sessionhost.adapters.session_store import SessionRecord, SessionStore
from sessionhost.adapters.session_watch import SessionWatch
from sessionhost.app.config import ServerConfig
from sessionhost.app.daemon import StartError, run_daemon, unix_user, until_stopped
from sessionhost.core.launching import OrderError, check_account, check_order
from sessionhost.core.services import RecipeError, parse_recipe
from sessionhost.core.sessions import MAX_SESSIONS

X_SOCKETS = Path("/tmp/.X11-unix")

log = logging.getLogger("launcherd")


class Launcher:
    """All sessions of this server and the order socket."""

    def __init__(self, config: ServerConfig, spawn: Spawn) -> None:
        self._config = config
        self._spawn = spawn
        host = unix_user(config.host_user, "host_user")
        display = unix_user(config.display_user, "display_user")
        self._store = SessionStore(config.run_dir, host.pw_gid, display.pw_gid)
        enrol = unix_user(config.enrol_user, "enrol_user")
        self._daemons = {host.pw_uid, display.pw_uid, enrol.pw_uid}
        self._passwords = PasswordChecks(self._daemons)
        self._watches: dict[str, SessionWatch] = {}
        self._orders = OrderServer(
            config.run_dir / "launcher.sock", {0, host.pw_uid}, self._on_order
        )
        if host.pw_gid not in os.getgrouplist(display.pw_name, display.pw_gid):
            log.error(
                "user %s must be in group %s to create its socket in %s",
                *(display.pw_name, grp.getgrgid(host.pw_gid).gr_name, config.run_dir),
            )

    async def start(self) -> None:
        self._store.prepare()
        _make_x_socket_dir()
        records, broken = self._store.load_all()
        for record in records:
            self._adopt(record)
        for session in broken:
            process_tree.signal_all(process_tree.marked(session), signal.SIGKILL)
            self._store.remove(session)
        await self._orders.start()
        log.info("ready, with %d sessions from before", len(self._watches))

    async def close(self) -> None:
        """Leaves the sessions alone."""
        self._orders.close()
        await self._passwords.close()
        for watch in self._watches.values():
            watch.forget()

    def _adopt(self, record: SessionRecord) -> None:
        watch = self._watch(record)
        if not watch.adopt():
            log.warning("session %s is gone; its rest is removed", record.order.session)
            watch.sweep("lost")

    def _watch(self, record: SessionRecord) -> SessionWatch:
        watch = SessionWatch(record, self._store, self._on_ready, self._on_over)
        self._watches[record.order.session] = watch
        return watch

    def _on_order(self, peer: OrderPeer, verb: str, fields: dict[str, str]) -> None:
        if verb == "start":
            self._start(peer, fields)
        elif verb == "stop":
            self._stop(peer, required(fields, "session"))
        elif verb == "keyboard":
            self._keyboard(required(fields, "session"), required(fields, "layout"))
        elif verb == "list":
            self._list(peer)
        elif verb == "check":
            self._check(peer, fields)
        else:
            log.warning("unknown order %.40r", verb)

    def _start(self, peer: OrderPeer, fields: dict[str, str]) -> None:
        session = required(fields, "session")
        order = SessionOrder(
            session=session,
            user=required(fields, "user"),
            token=required(fields, "token"),
            recipe=required(fields, "recipe"),
            width=whole(fields, "width"),
            height=whole(fields, "height"),
        )
        known = self._watches.get(session)
        if known is not None:
            if known.ready:
                peer.send(self._ready_line(session))
            return
        try:
            self._launch(order)
        except (OrderError, RecipeError, OSError, ValueError) as error:
            log.error("session %s for %s not started: %s", session, order.user, error)
            peer.send(encode_order("failed", session=session, reason=str(error)))

    def _launch(self, order: SessionOrder) -> None:
        check_order(order.session, order.recipe, order.width, order.height)
        if len(self._watches) >= MAX_SESSIONS:
            raise OrderError(f"{MAX_SESSIONS} sessions are running, which is the most")
        try:
            account = pwd.getpwnam(order.user)
        except KeyError:
            raise OrderError(f"there is no Unix user {order.user!r} on this server") from None
        check_account(account.pw_name, account.pw_uid, self._daemons)
        recipes_dir = self._config.recipes_dir
        recipe_text = (recipes_dir / f"{order.recipe}.toml").read_text(encoding="utf-8")
        parse_recipe(order.recipe, recipe_text)
        record = SessionRecord(order, time.time_ns() // 1_000_000)
        self._store.remove(order.session)
        try:
            with self._store.create(record, account.pw_uid, account.pw_gid) as listener:
                directory = self._store.directory(order.session)
                recipe_file = self._store.copy_recipe(order.session, recipes_dir, order.recipe)
                started = start_leader(self._spawn, order, recipe_file, directory, listener)
        except OSError:
            self._store.remove(order.session)
            raise
        self._watch(record).began(started)

    def _stop(self, peer: OrderPeer, session: str) -> None:
        watch = self._watches.get(session)
        if watch is None:
            peer.send(encode_order("ended", session=session, reason="unknown"))
        else:
            watch.stop()

    def _keyboard(self, session: str, layout: str) -> None:
        if problem := layout_problem(layout):
            raise RemoteProtocolError("value", f"keyboard layout {problem}")
        if session not in self._watches:
            return
        try:
            keyboard_layout.tell(self._store.directory(session), layout)
        except OSError as error:
            log.warning("session %s keeps its keyboard layout: %s", session, error)

    def _check(self, peer: OrderPeer, fields: dict[str, str]) -> None:
        number = whole(fields, "number")

        def told(result: str, user: str) -> None:
            peer.send(encode_order("checked", number=number, result=result, user=user))

        self._passwords.check(fields.get("user", ""), fields.get("password", ""), told)

    def _list(self, peer: OrderPeer) -> None:
        for session, watch in self._watches.items():
            if watch.ready:
                order = watch.record.order
                line = encode_order(
                    "running",
                    session=session,
                    user=order.user,
                    token=order.token,
                    recipe=order.recipe,
                    rfb=str(self._store.rfb_socket(session)),
                    started_ms=watch.record.started_ms,
                )
                peer.send(line)
        peer.send(encode_order("listed"))

    def _ready_line(self, session: str) -> bytes:
        path = str(self._store.rfb_socket(session))
        return encode_order("ready", session=session, rfb=path)

    def _on_ready(self, session: str) -> None:
        log.info("session %s is ready", session)
        self._orders.broadcast(self._ready_line(session))

    def _on_over(self, session: str, was_ready: bool, reason: str) -> None:
        log.info("session %s is over: %s", session, reason)
        del self._watches[session]
        verb = "ended" if was_ready else "failed"
        self._orders.broadcast(encode_order(verb, session=session, reason=reason))


def _make_x_socket_dir() -> None:
    """X servers that run as a user cannot make it as it must be: root's and sticky."""
    X_SOCKETS.mkdir(exist_ok=True)
    found = X_SOCKETS.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0:
        log.error("%s is not a folder of root's: remove it", X_SOCKETS)
        return
    X_SOCKETS.chmod(0o1777)


async def _run(config: ServerConfig) -> None:
    if os.getuid() != 0:
        raise StartError("it must run as root to start sessions as their users")
    launcher = Launcher(config, choose_spawn())
    await launcher.start()
    await until_stopped()
    await launcher.close()


def main(arguments: list[str] | None = None) -> int:
    """Run the daemon; the exit status is `run_daemon`'s."""
    return run_daemon("launcherd", "Roamdesk session launcher", arguments, _run)


if __name__ == "__main__":
    sys.exit(main())
