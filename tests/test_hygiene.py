"""The hygiene fixtures of conftest bite: each kind of leak or waiting fails a test."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

CASES = """
import asyncio, socket, subprocess, threading, time
import pytest

kept = []
gate = threading.Event()

def test_thread():
    threading.Thread(target=gate.wait).start()

def test_after_thread():
    gate.set()

def test_process():
    kept.append(subprocess.Popen(["cat"], stdin=subprocess.PIPE))

def test_after_process():
    kept[0].communicate()

def test_task():
    async def main():
        kept.append(asyncio.ensure_future(asyncio.Event().wait()))
    asyncio.run(main())

def test_sleep():
    time.sleep(0.001)

def test_async_sleep():
    asyncio.run(asyncio.sleep(0.001))

def test_socket():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))

def test_clean():
    asyncio.run(asyncio.sleep(0))

@pytest.mark.system
def test_system():
    time.sleep(0.001)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """What pytest says of the cases above under our conftest: (word, name)."""
    place = tmp_path_factory.mktemp("hygiene")
    for name, text in {
        "conftest.py": Path(__file__).with_name("conftest.py").read_text(encoding="utf-8"),
        "test_cases.py": CASES,
        "pytest.ini": "[pytest]\nmarkers = system: real parts\n",
    }.items():
        (place / name).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", "--tb=line"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    return set(re.findall(r"^(PASSED|FAILED|ERROR) test_cases\.py::(\w+)", done.stdout, re.M))


@pytest.mark.parametrize("kind", ["thread", "process", "task"])
def test_what_is_left_behind_is_an_error(outcomes, kind):
    assert ("ERROR", f"test_{kind}") in outcomes


@pytest.mark.parametrize("kind", ["sleep", "async_sleep", "socket"])
def test_waiting_for_the_real_world_fails(outcomes, kind):
    assert ("FAILED", f"test_{kind}") in outcomes


@pytest.mark.parametrize("kind", ["clean", "after_thread", "after_process", "system"])
def test_what_is_allowed_passes(outcomes, kind):
    assert ("PASSED", f"test_{kind}") in outcomes
    assert ("ERROR", f"test_{kind}") not in outcomes
