"""Each way of announcing alone makes a group: broadcast, multicast, unicast to seeds."""

import os

import pytest

from roamtools.bench.group import status, wait_trusted
from roamtools.lab.lab import Lab
from roamtools.lab.plan import server_address

pytestmark = pytest.mark.system

WAYS = {
    "broadcast": {"broadcast": True, "multicast": False},
    "multicast": {"broadcast": False, "multicast": True},
    "unicast": {"broadcast": False, "seeds": [str(server_address(n)) for n in (1, 2, 3)]},
}


@pytest.mark.parametrize("way", WAYS)
def test_servers_find_each_other(way):
    with Lab(f"way-{way[:4]}-{os.getpid()}") as lab:
        lab.up(servers=3, desks=0, tied=True, server_settings=WAYS[way])
        wait_trusted(lab)
        heard = status(lab, "server1")["heard_by"]
        others = {"broadcast", "multicast"} - {way}
        assert heard[way] > 0
        assert not others & heard.keys(), "the status shows which ways really work"


SIX = [str(server_address(n, ipv6_only=True)) for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("way", "settings"),
    [("multicast", {}), ("unicast", {"broadcast": False, "seeds": SIX})],
)
def test_servers_find_each_other_without_ipv4(way, settings):
    with Lab(f"six-{way[:4]}-{os.getpid()}") as lab:
        lab.up(servers=3, desks=0, tied=True, server_settings=settings, ipv6_only=True)
        wait_trusted(lab)
        told = status(lab, "server1")
        assert told["heard_by"][way] > 0
        assert told["interfaces"] == [f"eth0 {SIX[0]}"]
        (seen,) = told["topology"][0]["interfaces"]
        assert seen["ip6"] == f"{SIX[1]}/64"
        assert seen["lastpkt6"] >= 0


def test_the_classic_profile_is_in_force():
    """As in the patent: a host message every 20 s, the topology kept for 60 s."""
    with Lab(f"classic-{os.getpid()}") as lab:
        lab.up(servers=2, desks=1, tied=True, server_settings={"profile": "classic"})
        wait_trusted(lab)
        with lab.trace("desk1") as trace:
            lab.insert("desk1", "A")
            assert trace.wait("first_frame", 20)["session"]
