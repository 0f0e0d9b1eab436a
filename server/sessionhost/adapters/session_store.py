"""The folder of each session under run_dir and the record in it. Processes are not here.

sessions/ID/         root, 0711
sessions/ID/state    root, 0600: what was ordered, and which process leads it
sessions/ID/keyboard root, 0600: a pipe with a name, for keyboard layouts
sessions/ID/rfb/     root and the gateway's group, 0750: the RFB socket
sessions/ID/sound/   root and the gateway's group, 0771: the gateway's socket for sound
sessions/ID/log      root, 0600: what its programs say
sessions/ID/user/    the session's user, 0700: X authority, XDG_RUNTIME_DIR; a tmpfs of its own,
                     which only its processes see (`session_memory`)
"""

import logging
import os
import shutil
import socket
from dataclasses import dataclass, replace
from pathlib import Path

from roamwire.errors import RemoteProtocolError
from sessionhost.adapters.keyboard_layout import make_pipe
from sessionhost.adapters.launcher_client import SessionOrder
from sessionhost.adapters.order_socket import (
    MAX_SOCKET_PATH,
    encode_order,
    parse_order,
    required,
    whole,
)

RFB_BACKLOG = 16

MAX_RECIPE_FILES = 16
"""A recipe and the settings of its programs (RECIPE-*)."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SessionRecord:
    """One session as launcherd remembers it; `pid` is 0 until its leader has told it."""

    order: SessionOrder
    started_ms: int
    pid: int = 0
    start_time: int = 0

    def led_by(self, pid: int, start_time: int) -> "SessionRecord":
        return replace(self, pid=pid, start_time=start_time)


class SessionStore:
    """The folders of all sessions of this server."""

    def __init__(self, run_dir: Path, host_gid: int, display_gid: int) -> None:
        self._run_dir = run_dir
        self._root = run_dir / "sessions"
        self._host_gid = host_gid
        self._display_gid = display_gid

    def prepare(self) -> None:
        """Makes run_dir as all three daemons need it: they create their own sockets in it."""
        self._run_dir.mkdir(parents=True, exist_ok=True)
        os.chown(self._run_dir, 0, self._host_gid)
        # Sticky: nobody replaces a socket of another; the x for others leads to their sessions.
        self._run_dir.chmod(0o1771)
        self._root.mkdir(exist_ok=True)
        os.chown(self._root, 0, 0)
        self._root.chmod(0o711)

    def directory(self, session: str) -> Path:
        return self._root / session

    def rfb_socket(self, session: str) -> Path:
        return self._root / session / "rfb" / "socket"

    def create(self, record: SessionRecord, uid: int, gid: int) -> socket.socket:
        """Makes a session's folder; returns the listening socket that its X server gets."""
        directory = self.directory(record.order.session)
        path = self.rfb_socket(record.order.session)
        if len(os.fsencode(path)) > MAX_SOCKET_PATH:
            raise OSError(f"{path} is longer than {MAX_SOCKET_PATH} bytes: shorten run_dir")
        directory.mkdir()
        directory.chmod(0o711)
        self.save(record)
        for name, owner, mode in (
            ("rfb", (0, self._display_gid), 0o750),
            ("sound", (0, self._display_gid), 0o771),
            ("user", (uid, gid), 0o700),
        ):
            (directory / name).mkdir(mode=0o700)
            os.chown(directory / name, *owner)
            (directory / name).chmod(mode)
        make_pipe(directory)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        os.chown(path, 0, self._display_gid)
        path.chmod(0o660)
        listener.listen(RFB_BACKLOG)
        return listener

    def copy_recipe(self, session: str, recipes_dir: Path, recipe: str) -> Path:
        """Copies RECIPE.toml and RECIPE-* to the session; returns the recipe's copy.

        Its programs read their settings as the user, who may have no right to the originals; and
        a recipe that is edited changes no session that runs.
        """
        target = self.directory(session) / "recipe"
        target.mkdir()
        target.chmod(0o755)
        settings = sorted(recipes_dir.glob(f"{recipe}-*"))[: MAX_RECIPE_FILES - 1]
        for source in (recipes_dir / f"{recipe}.toml", *settings):
            (target / source.name).write_bytes(source.read_bytes())
            (target / source.name).chmod(0o644)
        return target / f"{recipe}.toml"

    def save(self, record: SessionRecord) -> None:
        """Writes the record so that it is there whole or not at all."""
        order = record.order
        line = encode_order(
            "session",
            session=order.session,
            user=order.user,
            token=order.token,
            recipe=order.recipe,
            width=order.width,
            height=order.height,
            started_ms=record.started_ms,
            pid=record.pid,
            start_time=record.start_time,
        )
        path = self.directory(order.session) / "state"
        fresh = path.with_suffix(".new")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(line)
        fresh.replace(path)

    def load_all(self) -> tuple[list[SessionRecord], list[str]]:
        """The records found, and the names of folders without a readable one."""
        records, broken = [], []
        for directory in sorted(self._root.iterdir()):
            try:
                records.append(_record((directory / "state").read_bytes(), directory.name))
            except (OSError, RemoteProtocolError) as error:
                log.warning("session %s: no usable record: %s", directory.name, error)
                broken.append(directory.name)
        return records, broken

    def remove(self, session: str) -> None:
        """Removes a session's folder; what is mounted in it stays, and is told."""
        shutil.rmtree(self.directory(session), ignore_errors=True)
        if self.directory(session).exists():
            log.warning("cannot remove all of %s: is something mounted in it?", session)


def _record(data: bytes, name: str) -> SessionRecord:
    _, fields = parse_order(data)
    order = SessionOrder(
        session=required(fields, "session"),
        user=required(fields, "user"),
        token=required(fields, "token"),
        recipe=required(fields, "recipe"),
        width=whole(fields, "width"),
        height=whole(fields, "height"),
    )
    if order.session != name:
        raise RemoteProtocolError("value", f"the record of {order.session!r:.40}")
    return SessionRecord(
        order,
        whole(fields, "started_ms"),
        whole(fields, "pid"),
        whole(fields, "start_time"),
    )
