"""Tests in a guest that has booted systemd with the terminal's units: `tools/qemu --systemd`.

Two network cards are on one hub: eth0 is the terminal's, eth1 goes into a namespace with dnsmasq.
"""

from pathlib import Path

import pytest


def pytest_collection_modifyitems(items):
    """A guest whose first process is another one has no units."""
    here = str(__file__).rpartition("/")[0]
    for item in items:
        if str(item.path).startswith(here) and not Path("/run/systemd/system").exists():
            item.add_marker(pytest.mark.skip(reason="wants systemd: tools/qemu --systemd test"))
