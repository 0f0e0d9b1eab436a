"""The display gateway: TLS from DTUs to sessions' X and sound. Which DTU may is hostd's to say.

A process of its own, so that pixels never delay a keepalive. It can open the sessions' sockets
and nothing else; it opens them only for a ticket that hostd has granted.
"""

import asyncio
import errno
import logging
import os
import pwd
import ssl
import sys
from dataclasses import replace

from sessionhost.adapters.display_pump import Display
from sessionhost.adapters.guarded_server import GuardedServer
from sessionhost.adapters.listening import listen
from sessionhost.adapters.order_socket import (
    OrderPeer,
    OrderServer,
    encode_order,
    required,
    whole,
)
from sessionhost.adapters.sound_pump import SoundPump
from sessionhost.adapters.tls import server_context
from sessionhost.app.config import ServerConfig
from sessionhost.app.daemon import on_reload, run_daemon, unix_user, until_stopped
from sessionhost.core.gateway import Admitted, Close, DisplayGate, Grant, Refused

MAX_TTL_MS = 60_000
"""A display ticket lives 10 s by default; none is worth more than a minute."""

HANDSHAKE_TIMEOUT_S = 5.0

log = logging.getLogger("displayd")


class DisplayDaemon:
    """Joins the gate's decisions to the connections."""

    def __init__(self, config: ServerConfig, tls: ssl.SSLContext) -> None:
        self._config = config
        self._tls = tls
        self._gate = DisplayGate()
        self._displays: dict[int, Display] = {}
        self._sound = SoundPump()
        allowed = {0, unix_user(config.host_user, "host_user").pw_uid}
        self._orders = OrderServer(
            config.run_dir / "display.sock", allowed, self._on_order, self._on_join
        )
        self._server: GuardedServer | None = None

    async def start(self) -> None:
        await self._orders.start()
        self._server = GuardedServer(
            listen(self._config.display_port),
            self._tls,
            lambda: Display(self),
            HANDSHAKE_TIMEOUT_S,
        )
        self._server.start()
        log.info("displays on TCP port %d", self._config.display_port)

    def reload(self) -> None:
        """Other certificates for new displays; those that are open go on."""
        if self._server is not None:
            self._server.tls = server_context(self._config)

    def close(self) -> None:
        self._orders.close()
        if self._server is not None:
            self._server.close()
        for display in list(self._displays.values()):
            display.end("gateway stops")
        self._sound.close()

    def attach(self, display: Display, ticket: str, dtu: str) -> Admitted | Refused:
        answer = self._gate.attach(ticket, dtu, _now())
        if isinstance(answer, Admitted):
            self._end_all(answer.close)
            self._displays[answer.connection] = display
            return replace(answer, sound=self._sound.opened(answer, dtu))
        return answer

    def attach_sound(self, display: Display, ticket: str) -> Refused | None:
        assert display.transport is not None
        refused = self._sound.attach(ticket, display.dtu, display.transport)
        if refused is None:
            log.debug("%s: a channel for sound", display.dtu)
        return refused

    def opened(self, display: Display) -> None:
        if display.admitted is not None:
            session, epoch = display.admitted.session, display.admitted.epoch
            log.info("session %s epoch %d is shown at %s", session, epoch, display.dtu)
            self._orders.broadcast(encode_order("opened", session=session, epoch=epoch))

    def closed(self, display: Display, reason: str) -> None:
        admitted = display.admitted
        if admitted is None:
            return
        self._displays.pop(admitted.connection, None)
        self._sound.closed(admitted.connection)
        self._gate.closed(admitted.connection)
        log.info("session %s epoch %d left: %s", admitted.session, admitted.epoch, reason)
        self._tell_closed(admitted.session, admitted.epoch, reason)

    def _on_join(self, peer: OrderPeer) -> None:
        for session, epoch in self._gate.connections():
            peer.send(encode_order("opened", session=session, epoch=epoch))

    def _on_order(self, _peer: OrderPeer, verb: str, fields: dict[str, str]) -> None:
        if verb == "revoke":
            session, epoch = required(fields, "session"), whole(fields, "epoch")
            self._end_all(self._gate.revoke(session, epoch))
        elif verb == "grant":
            self._grant(required(fields, "session"), whole(fields, "epoch"), fields)
        elif verb == "ban":
            self._end_all(self._gate.ban(required(fields, "key")))
        elif verb == "unban":
            self._gate.unban(fields.get("key"))
        else:
            log.warning("unknown order %.40r", verb)

    def _grant(self, session: str, epoch: int, fields: dict[str, str]) -> None:
        now = _now()
        grant = Grant(
            session,
            epoch,
            required(fields, "ticket"),
            required(fields, "dtu"),
            required(fields, "rfb"),
            now + whole(fields, "ttl_ms", highest=MAX_TTL_MS) / 1000,
        )
        answer = self._gate.grant(grant, now)
        if isinstance(answer, Refused):
            log.warning("grant of session %s epoch %d refused: %s", session, epoch, answer.reason)
            self._tell_closed(session, epoch, f"refused {answer.reason}")
        else:
            self._end_all(answer.close)

    def _end_all(self, closes: tuple[Close, ...]) -> None:
        for close in closes:
            display = self._displays.get(close.connection)
            if display is not None:
                display.end(close.reason)

    def _tell_closed(self, session: str, epoch: int, reason: str) -> None:
        line = encode_order("closed", session=session, epoch=epoch, reason=reason)
        self._orders.broadcast(line)


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _run(config: ServerConfig) -> None:
    daemon = DisplayDaemon(config, server_context(config))
    await daemon.start()
    on_reload(daemon.reload)
    await until_stopped()
    daemon.close()


def explain(error: OSError, config: ServerConfig) -> str:
    """A start that failed, in words."""
    if error.errno == errno.EADDRINUSE:
        return f"TCP port {config.display_port} is in use (setting display_port)"
    if isinstance(error, PermissionError):
        user = pwd.getpwuid(os.getuid()).pw_name
        return (
            f"{user} may not create its socket in {config.run_dir}: {error.strerror}; "
            f"the folder must be writable for the group of {config.host_user} and {user} in it"
        )
    return str(error)


def main(arguments: list[str] | None = None) -> int:
    """Run the daemon; the exit status is `run_daemon`'s."""
    return run_daemon("displayd", "Roamdesk display gateway", arguments, _run, explain)


if __name__ == "__main__":
    sys.exit(main())
