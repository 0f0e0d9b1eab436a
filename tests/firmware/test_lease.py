"""What the DHCP hook writes, read by dtu.core.lease; no DHCP server and no file here."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtu.core.lease import (
    MAX_ADDRESSES,
    MAX_LEASE_TEXT,
    Lease,
    NoLease,
    VendorOption,
    parse_lease,
    parse_option43,
    parse_server_list,
)
from roamwire.errors import RemoteProtocolError

# As udhcpc passed them from a real dnsmasq.
OPTION_43 = "23040a4d000d15080a4d000b0a4d000cff"
OPTION_224 = "31302e37372e302e31312c6465736b73657276657231"
BOUND = f"""event=bound
interface=eth0
address=10.77.0.176
mask=24
routers=10.77.0.1
dns=10.77.0.1 10.77.0.2
domain=roamdesk.lab
server=10.77.0.1
lease_s=3600
opt43={OPTION_43}
opt224={OPTION_224}
"""


def test_a_whole_lease():
    assert parse_lease(BOUND) == Lease(
        interface="eth0",
        address="10.77.0.176",
        prefix=24,
        routers=("10.77.0.1",),
        dns=("10.77.0.1", "10.77.0.2"),
        domain="roamdesk.lab",
        dhcp_server="10.77.0.1",
        lease_s=3600,
        auth_servers=("10.77.0.11", "10.77.0.12"),
        alt_servers=("10.77.0.13",),
        listed_servers=("10.77.0.11", "deskserver1"),
    )


def test_servers_come_once_each_auth_before_alt_before_listed():
    lease = parse_lease(BOUND)
    assert isinstance(lease, Lease)
    assert lease.servers == ("10.77.0.11", "10.77.0.12", "10.77.0.13", "deskserver1")


def test_a_lease_without_options_is_a_lease():
    lease = parse_lease("event=renew\ninterface=eth0\naddress=192.168.1.7\nmask=255.255.252.0\n")
    assert lease == Lease(interface="eth0", address="192.168.1.7", prefix=22)


@pytest.mark.parametrize("event", ["deconfig", "leasefail", "nak"])
def test_a_lost_lease(event):
    text = f"event={event}\ninterface=eth0\naddress=10.0.0.1\n"
    assert parse_lease(text) == NoLease("eth0", event)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("opt43=15040a4d", "sub-option 21 is cut off"),
        ("opt43=15", "sub-option 21 is cut off"),
        ("opt43=15030a4d00", "no list of IPv4"),
        ("opt43=1500", "no list of IPv4"),
        ("opt43=zz", "not hexadecimal"),
        ("opt224=ff", "not plain text"),
        ("opt224=3", "not hexadecimal"),
        ("opt224=33302e37372e30", "neither address nor name"),  # 30.77.0
        ("opt224=2d78", "neither address nor name"),  # -x
        ("routers=10.77.0.1 nobody", "'nobody' is no address"),
        ("dns=fe80::1", "is no address"),
        ("domain=not a domain", "is no domain"),
    ],
)
def test_a_bad_option_is_named_and_does_not_cost_the_lease(line, problem):
    key = line.partition("=")[0]
    kept = [old for old in BOUND.splitlines() if not old.startswith(f"{key}=")]
    lease = parse_lease("\n".join([*kept, line]))
    assert isinstance(lease, Lease)
    assert lease.address == "10.77.0.176"
    assert len(lease.problems) == 1
    assert problem in lease.problems[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "event=bound\ninterface=eth0\n",
        "event=bound\naddress=10.0.0.1\n",
        "event=bound\naddress=10.0.0.1\nmask=33\n",
        "event=bound\naddress=10.0.0.1\nmask=255.0.255.0\n",
        "event=bound\naddress=10.0.0.999\nmask=24\n",
        "event=party\naddress=10.0.0.1\nmask=24\n",
        "x" * (MAX_LEASE_TEXT + 1),
    ],
)
def test_no_usable_address_is_an_error_of_the_other_end(text):
    with pytest.raises(RemoteProtocolError):
        parse_lease(text)


def test_the_first_value_of_a_key_counts():
    lease = parse_lease("event=bound\naddress=10.0.0.1\naddress=6.6.6.6\nmask=8\nlease_s=x\n")
    assert lease == Lease(interface="", address="10.0.0.1", prefix=8)


def test_option43_skips_padding_and_what_it_does_not_know():
    data = bytes.fromhex("00 01 02 aabb 15 04 0a000001 00 15 04 0a000002 ff 23 04 0a000003")
    assert parse_option43(data) == VendorOption(auth_servers=("10.0.0.1", "10.0.0.2"))


def test_option43_of_nothing():
    assert parse_option43(b"") == VendorOption()


def test_option43_is_bounded():
    with pytest.raises(RemoteProtocolError):
        parse_option43(bytes([21, 4 * (MAX_ADDRESSES + 1)]) + bytes(4 * (MAX_ADDRESSES + 1)))


def test_server_list_takes_commas_blanks_names_and_ipv6():
    text = "10.0.0.1, 10.0.0.2 desk.example.org,2001:db8::1\0"
    assert parse_server_list(text) == ("10.0.0.1", "10.0.0.2", "desk.example.org", "2001:db8::1")


def test_server_list_is_bounded():
    with pytest.raises(RemoteProtocolError):
        parse_server_list(",".join(["10.0.0.1"] * (MAX_ADDRESSES + 1)))


@given(st.text(max_size=400))
def test_any_text_is_a_lease_or_an_error_of_the_other_end(text):
    try:
        parse_lease(f"event=bound\naddress=10.0.0.1\nmask=24\n{text}")
        parse_lease(text)
    except RemoteProtocolError:
        pass


@given(st.binary(max_size=300))
def test_any_option43_is_read_or_an_error_of_the_other_end(data):
    try:
        option = parse_option43(data)
    except RemoteProtocolError:
        return
    assert all(server.count(".") == 3 for server in option.auth_servers + option.alt_servers)
