"""IPv6 of an interface, from the kernel's table and the routers' word; files in a folder only."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtu.core.ip6 import Ip6, parse_ip6
from dtu.drivers.net.ip6_watch import Ip6Watch

# As the kernel wrote it; the flags' meaning is in linux/if_addr.h.
TABLE = """fd770000000000005011a8fffe77178a 02 40 00 00       v0
fe800000000000005011a8fffe77178a 02 40 20 80       v0
00000000000000000000000000000001 01 80 10 80       lo
fd770000000000000000000000000099 03 40 00 80     eth1
"""
ROUTER = "interface=v0\ndns=fd77::1 fe80::1\ndomain=roamdesk.lab\n"


def test_addresses_name_servers_and_domain():
    assert parse_ip6("v0", TABLE, ROUTER) == Ip6(
        "v0",
        ("fd77::5011:a8ff:fe77:178a",),
        "fe80::5011:a8ff:fe77:178a%v0",
        ("fd77::1", "fe80::1%v0"),
        "roamdesk.lab",
    )


def test_an_interface_without_ipv6():
    assert parse_ip6("eth9", TABLE, "") == Ip6("eth9")


@pytest.mark.parametrize("flags", ["40", "c0", "08", "20"])
def test_addresses_that_cannot_be_used_are_left_out(flags):
    table = f"fd770000000000000000000000000005 02 40 00 {flags} v0\n"
    assert parse_ip6("v0", table, "").addresses == ()


@pytest.mark.parametrize("flags", ["00", "01", "80"])
def test_temporary_and_permanent_addresses_can(flags):
    table = f"fd770000000000000000000000000005 02 40 00 {flags} v0\n"
    assert parse_ip6("v0", table, "").addresses == ("fd77::5",)


@pytest.mark.parametrize(
    ("routers", "dns", "domain"),
    [
        ("dns=10.0.0.1 nonsense fd77::1\ndomain=-x\n", ("fd77::1",), ""),
        ("dns\ndomain=a b\n", (), ""),
        ("dns=fd77::1\ndns=\n", (), ""),
        ("x" * 9999, (), ""),
        ("dns=" + "fd77::1 " * 400, ("fd77::1",) * 32, ""),
    ],
)
def test_a_routers_word_is_checked_and_bounded(routers, dns, domain):
    told = parse_ip6("v0", "", routers)
    assert (told.dns, told.domain) == (dns, domain)


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_text_is_read(table, routers):
    for text in (table, f"{table} v0", TABLE + table):
        found = parse_ip6("v0", text, routers)
        assert all(ip_address(each).version == 6 for each in (*found.addresses, *found.dns))


def test_each_look_finds_what_is_there_now(tmp_path):
    table, router = tmp_path / "if_inet6", tmp_path / "router-v0"
    watch = Ip6Watch("v0", router, table)
    assert watch.look() == Ip6("v0")
    table.write_text(TABLE)
    assert watch.look() == parse_ip6("v0", TABLE, "")
    router.write_text(ROUTER)
    assert watch.look() == parse_ip6("v0", TABLE, ROUTER)


def test_a_file_that_cannot_be_read_tells_nothing(tmp_path):
    (tmp_path / "router-v0").mkdir()
    assert Ip6Watch("v0", tmp_path / "router-v0", tmp_path / "none").look() == Ip6("v0")
