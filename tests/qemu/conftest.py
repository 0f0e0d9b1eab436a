"""Tests that run in the guest of `make test-qemu`, on its kernel. Elsewhere they are skipped.

`host` asks the machine that runs QEMU for keys, plugs, monitors and pictures of the screen.
"""

import asyncio
import time

import pytest

from roamtools.qemu.host import IN_GUEST, Host

PATIENCE_S = 60.0
"""For what the guest's kernel does next; QEMU without KVM on a busy machine is slow."""


def pytest_collection_modifyitems(items):
    """Nothing here may touch the devices of a machine that is no guest."""
    here = str(__file__).rpartition("/")[0]
    for item in items:
        if not IN_GUEST and str(item.path).startswith(here):
            item.add_marker(pytest.mark.skip(reason="runs in the guest: make test-qemu"))


@pytest.fixture(scope="session", autouse=True)
def no_loop_by_chance():
    """evdev 1.9 asks for an event loop when it closes a device.

    Python makes one for whoever asks, and nobody closes that, unless somebody has said once which
    one it is to be.
    """
    asyncio.set_event_loop(None)


@pytest.fixture(scope="session")
def host():
    """The machine that runs this guest."""
    asked = Host()
    yield asked
    asked.close()


@pytest.fixture(scope="session")
def until():
    """Wait for a condition; fails with its name when it does not come."""

    def wait(condition, what="this", patience_s=PATIENCE_S):
        end = time.monotonic() + patience_s
        while not (found := condition()):
            assert time.monotonic() < end, f"{what} did not happen in {patience_s:.0f} s"
            time.sleep(0.01)
        return found

    return wait
