"""A bug of ours on the event loop ends the process: it is started anew, into the same state.

Going on would be worse: a core that has failed in the middle of something sets no timer any more,
or one that is due for ever, and the watchdog would be told all the while that the terminal is well.
"""

import asyncio
import logging
import os
from pathlib import Path
from types import TracebackType
from typing import Any

import dtu

_OURS = f"{Path(dtu.__file__).parent}{os.sep}"

_LOG = logging.getLogger("dtu")


def end_at_bugs(loop: asyncio.AbstractEventLoop) -> None:
    """From now on; what goes wrong in libraries alone, or in a connection, is logged as before."""
    loop.set_exception_handler(_handle)


def _handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    loop.default_exception_handler(context)
    error = context.get("exception")
    # An OSError out of a callback is a bug of ours; out of a task or connection it is the network.
    is_bug = "handle" in context or not isinstance(error, OSError)
    if error is not None and is_bug and _is_ours(error.__traceback__):
        _LOG.critical("this is a bug: the terminal ends, to be started again")
        logging.shutdown()
        # Nothing is asked to end in order: it may be what has failed.
        os._exit(1)


def _is_ours(traceback: TracebackType | None) -> bool:
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename.startswith(_OURS):
            return True
        traceback = traceback.tb_next
    return False
