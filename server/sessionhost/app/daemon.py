"""What every daemon's command does around its work: options, settings, log, exit status."""

import argparse
import asyncio
import gc
import logging
import pwd
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from roamwire.settings import SettingsError
from sessionhost.adapters.keyfiles import KeyFileError
from sessionhost.adapters.order_socket import SocketInUseError
from sessionhost.adapters.process_tree import forbid_core_dumps
from sessionhost.adapters.tls import IdentityError
from sessionhost.app.config import ServerConfig, load_config

EXIT_FAILED = 1
EXIT_SETTINGS = 2

Explain = Callable[[OSError, ServerConfig], str]


class StartError(Exception):
    """Why a daemon cannot start, in words for the person who runs the server."""


REFUSED = (StartError, IdentityError, KeyFileError, SocketInUseError)
"""What is wrong with files and settings, in words."""


def unix_user(name: str, setting: str) -> pwd.struct_passwd:
    """The account of that name; StartError names the setting that asks for it."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise StartError(f"there is no Unix user {name} (setting {setting})") from None


async def until_stopped() -> None:
    """Returns at SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()


def on_reload(reload: Callable[[], None]) -> None:
    """Calls `reload` at SIGHUP; if what it reads is wrong, all stays as it is and the log says why.

    Certificates, secrets and policy are read again; server.toml is not.
    """

    def hang_up() -> None:
        log = logging.getLogger("reload")
        try:
            reload()
        except (*REFUSED, OSError) as error:
            log.error("nothing is changed: %s", error)
        else:
            log.info("certificates, secrets and policy are read again")

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hang_up)


def run_daemon(
    name: str,
    description: str,
    arguments: list[str] | None,
    run: Callable[[ServerConfig], Awaitable[None]],
    explain: Explain = lambda error, config: str(error),
) -> int:
    """Exit status of the daemon: 1 if it could not start, 2 for wrong settings."""
    parser = argparse.ArgumentParser(prog=name, description=description)
    parser.add_argument("--config", type=Path, required=True, help="the server's settings")
    options = parser.parse_args(arguments)
    forbid_core_dumps()  # before any key is read
    try:
        config = load_config(options.config)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EXIT_SETTINGS
    logging.basicConfig(level=config.log_level.upper(), format=f"{name} %(levelname)s %(message)s")
    try:
        gc.freeze()  # what the imports left is never garbage, and looking through it takes its time
        asyncio.run(_awaited(run(config)))
    except REFUSED as error:
        logging.getLogger(name).error("cannot start: %s", error)
        return EXIT_FAILED
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EXIT_SETTINGS
    except OSError as error:
        logging.getLogger(name).error("cannot start: %s", explain(error, config))
        return EXIT_FAILED
    return 0


async def _awaited(work: Awaitable[None]) -> None:
    await work
