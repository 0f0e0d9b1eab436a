"""Which IPv6 address of an interface a server announces, from the kernel's table."""

import pytest

from sessionhost.adapters.interfaces import _global_ip6

MANUAL = "fd770000000000000000000000000011 02 40 00 80     eth0\n"
SLAAC = "fd770000000000000077000000000101 02 40 00 00     eth0\n"
TEMPORARY = "fd77000000000000aaaa000000000001 02 40 00 01     eth0\n"
LINK_LOCAL = "fe800000000000000077000000000101 02 40 20 80     eth0\n"
OTHER = "20010db8000000000000000000000005 03 38 00 80     eth1\n"


@pytest.mark.parametrize(
    ("table", "found"),
    [
        (SLAAC + MANUAL + TEMPORARY, {"eth0": "fd77::11/64"}),
        (TEMPORARY + SLAAC, {"eth0": "fd77::77:0:0:101/64"}),
        (TEMPORARY, {"eth0": "fd77::aaaa:0:0:1/64"}),
        (LINK_LOCAL, {}),
        (MANUAL + OTHER, {"eth0": "fd77::11/64", "eth1": "2001:db8::5/56"}),
        ("", {}),
    ],
)
def test_the_most_lasting_global_address_is_announced(table, found):
    assert _global_ip6(table) == found


@pytest.mark.parametrize("flags", ["c0", "88", "a0"])
def test_an_address_that_cannot_be_used_is_not(flags):
    assert _global_ip6(MANUAL.replace(" 80 ", f" {flags} ")) == {}
