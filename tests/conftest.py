"""Hygiene of all tests: nothing left behind; no real sleep and no socket but in system tests.

`tests/fakes` is importable as `fakes`. What a test is about is not here.
"""

import asyncio
import os
import socket
import sys
import threading
import time
from pathlib import Path

import hypothesis
import pytest

sys.path.insert(0, str(Path(__file__).parent))

# A test that fails once must fail again; a busy machine must not fail one.
hypothesis.settings.register_profile("house", deadline=None, derandomize=True, max_examples=30)
hypothesis.settings.load_profile("house")

REAL_FOLDERS = ("system", "bench", "qemu")
_SOCKET_CALLS = ("bind", "connect", "connect_ex", "listen", "sendto")


def _children():
    """Process ids of this process's children, whichever thread started them."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        try:
            found.update((task / "children").read_text(encoding="ascii").split())
        except OSError:
            continue  # a thread that has just ended
    return found


def _tasks_left(runner):
    loop = runner.get_loop()
    return [task for task in asyncio.all_tasks(loop) if not task.done()]


@pytest.fixture(autouse=True)
def nothing_left_behind(monkeypatch):
    """Fail the test that leaves a thread, an asyncio task or a child process behind."""
    threads, children = set(threading.enumerate()), _children()
    tasks = []
    close = asyncio.Runner.close

    def close_and_tell(runner):
        try:
            tasks.extend(_tasks_left(runner))
        except RuntimeError:
            pass  # closed already
        close(runner)

    monkeypatch.setattr(asyncio.Runner, "close", close_and_tell)
    yield
    # The decoder's crew, on machines with four cores, lives as long as the process.
    left = [
        each.name
        for each in threading.enumerate()
        if each not in threads and each.is_alive() and not each.name.startswith("decode_")
    ]
    assert not left, f"threads left behind: {left}"
    assert not tasks, f"tasks left behind: {tasks}"
    processes = _children() - children
    assert not processes, f"child processes left behind: {processes} of {os.getpid()}"


@pytest.fixture(autouse=True)
def no_real_sleep_or_socket(request, monkeypatch):
    """Outside of REAL_FOLDERS: no test waits for real time or opens a door to the network."""
    if request.path.relative_to(Path(__file__).parent).parts[0] in REAL_FOLDERS:
        return
    if request.node.get_closest_marker("system"):
        return

    def refuse(name):
        def refused(*_args, **_kwargs):
            pytest.fail(f"{name} in a unit test: it belongs into tests/system")

        return refused

    monkeypatch.setattr(time, "sleep", refuse("time.sleep"))
    for name in _SOCKET_CALLS:
        monkeypatch.setattr(socket.socket, name, refuse(f"socket.{name}"))
    sleep = asyncio.sleep

    async def sleep_only_zero(delay, result=None):
        if delay > 0:
            refuse("asyncio.sleep")()
        return await sleep(0, result)

    monkeypatch.setattr(asyncio, "sleep", sleep_only_zero)
