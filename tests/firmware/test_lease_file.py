"""The watch of the lease file; the DHCP client's real hook is in tests/system/test_dhcp.py.

What is told of it, and when, is in the contract of the network's drivers.
"""

import asyncio
import os

import pytest

from dtu.core.lease import Lease, NoLease
from dtu.drivers.net.lease_file import LeaseFile, lease_path

BOUND = "event=bound\ninterface=eth0\naddress=10.0.0.7\nmask=24\n"
LEASE = Lease(interface="eth0", address="10.0.0.7", prefix=24)


def write(path, text):
    """As the hook does: a new file in place of the old one."""
    new = path.with_name("new")
    new.write_text(text)
    os.replace(new, path)


def test_no_file_is_no_lease(tmp_path):
    assert LeaseFile(lease_path(tmp_path, "eth0")).look() is None


def test_a_file_is_read_once_and_each_new_one(tmp_path):
    path = lease_path(tmp_path, "eth0")
    file = LeaseFile(path)
    write(path, BOUND)
    assert file.look() == LEASE
    assert file.look() is None
    write(path, "event=leasefail\ninterface=eth0\n")
    assert file.look() == NoLease("eth0", "leasefail")
    write(path, BOUND)
    assert file.look() == LEASE


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"event=bound\n", b"x" * 100_000])
def test_a_file_that_cannot_be_used_is_logged_and_the_watch_goes_on(tmp_path, caplog, content):
    path = lease_path(tmp_path, "eth0")
    file = LeaseFile(path)
    path.write_bytes(content)
    assert file.look() is None
    assert "cannot be used" in caplog.text
    write(path, BOUND)
    assert file.look() == LEASE


def test_a_bad_option_is_logged(tmp_path, caplog):
    path = lease_path(tmp_path, "eth0")
    write(path, BOUND + "opt43=zz\n")
    lease = LeaseFile(path).look()
    assert lease is not None
    assert "option43" in caplog.text


def test_start_posts_what_is_there_and_stop_ends_it(tmp_path):
    path = lease_path(tmp_path, "eth0")
    write(path, BOUND)
    posted = []

    async def run():
        file = LeaseFile(path)
        file.start(posted.append)
        file.stop()
        file.stop()

    asyncio.run(run())
    assert posted == [LEASE]
