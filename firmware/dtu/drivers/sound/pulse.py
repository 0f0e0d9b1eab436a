"""A sound server that speaks PulseAudio's native protocol on a Unix socket.

PulseAudio does, and PipeWire with its module protocol-pulse (what pipewire-pulse is). The volume is
set with `pactl` (package pulseaudio-utils).
"""

import asyncio
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from dtu.drivers.sound.base import SoundError, Volume

COMMAND_S = 2.0
"""`pactl` takes 10 ms; a server that hangs must not keep the menu open."""

MAX_PERCENT = 100
"""Above, PulseAudio amplifies by software and distorts."""

_PERCENT = re.compile(r"(\d{1,6})%")


class PulseServer:
    """The server behind one socket."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def connect(self, factory: Callable[[], asyncio.Protocol]) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_unix_connection(factory, str(self._socket))
        except OSError as error:
            raise SoundError(f"{self._socket}: {error.strerror or error}") from error

    async def volume(self) -> Volume:
        level = await self._pactl("get-sink-volume", "@DEFAULT_SINK@")
        found = _PERCENT.search(level)
        if found is None:
            raise SoundError(f"pactl says {level!r:.80}")
        muted = await self._pactl("get-sink-mute", "@DEFAULT_SINK@")
        return Volume(int(found[1]), muted.strip().endswith("yes"))

    async def set_volume(self, percent: int) -> None:
        wanted = min(max(percent, 0), MAX_PERCENT)
        await self._pactl("set-sink-volume", "@DEFAULT_SINK@", f"{wanted}%")
        await self.set_muted(False)

    async def set_muted(self, muted: bool) -> None:
        await self._pactl("set-sink-mute", "@DEFAULT_SINK@", "1" if muted else "0")

    async def _pactl(self, *arguments: str) -> str:
        return await asyncio.to_thread(_pactl, self._socket, arguments)


def _pactl(socket: Path, arguments: tuple[str, ...]) -> str:
    try:
        done = subprocess.run(
            ["pactl", f"--server=unix:{socket}", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env={"LC_ALL": "C", "PATH": "/usr/local/bin:/usr/bin:/bin"},
            timeout=COMMAND_S,
            check=True,
        )
    except OSError as error:
        raise SoundError(f"cannot start pactl: {error.strerror}") from error
    except subprocess.TimeoutExpired:
        raise SoundError("the sound server does not answer") from None
    except subprocess.CalledProcessError as error:
        raise SoundError(error.stderr.strip() or "pactl failed") from None
    return done.stdout
