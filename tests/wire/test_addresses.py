"""Addresses of both families in messages: 8 hexadecimal digits, or 32."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roamwire.addresses import GROUP6, NO_ADDRESS, address_of, ip6_of
from roamwire.datagrams import (
    Host,
    Interface,
    ServerR,
    TokenQ,
    encode_datagram,
    fitting,
    parse_datagram,
)
from roamwire.errors import RemoteProtocolError

SIX = IPv6Address("fd77::11")
BARE = Interface("eth0", NO_ADDRESS, NO_ADDRESS, NO_ADDRESS, "fd77::11/64")
BOTH = Interface(
    "eth0", IPv4Address("10.0.0.1"), IPv4Address("255.255.255.0"), IPv4Address("10.0.0.255"),
    "fd77::11/64",
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.0.0.1", IPv4Address("10.0.0.1")),
        ("::ffff:10.0.0.1", IPv4Address("10.0.0.1")),
        ("fd77::11", SIX),
        ("fe80::1%eth0", IPv6Address("fe80::1%eth0")),
    ],
)
def test_an_address_of_a_socket(text, address):
    assert address_of(text) == address


@pytest.mark.parametrize("text", ["", "nonsense", "10.0.0", "fd77::/64", "1" * 200])
def test_what_is_none(text):
    with pytest.raises(RemoteProtocolError):
        address_of(text)


def test_the_multicast_group_stays_on_the_link():
    group = IPv6Address(GROUP6)
    assert group.is_multicast
    assert group.packed[1] == 0x12, "transient, scope link-local (RFC 4291 section 2.7)"


@pytest.mark.parametrize("address", [SIX, IPv4Address("10.0.0.7")])
def test_answers_and_questions_carry_either_family(address):
    for message in (ServerR("n", "s1", address), TokenQ("q", "s1", "b", 1, "d", address)):
        assert parse_datagram(encode_datagram(message)) == message


def test_ipv4_is_as_short_as_in_the_patent():
    assert b" addr=0a000007" in encode_datagram(ServerR("n", "s1", IPv4Address("10.0.0.7")))


@pytest.mark.parametrize("digits", ["0a00000", "fd77" * 7, "FD77" * 8, "fd77::11", ""])
def test_no_other_number_of_digits(digits):
    with pytest.raises(RemoteProtocolError):
        parse_datagram(f"serverR=n host=s1 addr={digits}".encode())


def test_a_server_without_ipv4_has_zeroes_where_the_patent_has_addresses():
    message = Host("s1", NO_ADDRESS, 1, interfaces=(BARE,))
    data = encode_datagram(message)
    assert b"ip=00000000 mask=00000000 bcast=00000000 ip6=fd77::11/64" in data
    assert parse_datagram(data) == message


def test_an_interface_without_ipv4_holds_no_ipv4_address():
    assert not BARE.contains(IPv4Address("10.0.0.9"))
    assert not BARE.contains(NO_ADDRESS)
    assert BARE.contains(IPv6Address("fd77::99"))
    assert not BARE.contains(IPv6Address("fd78::99"))
    assert (BARE.address(4), BARE.address(6)) == (None, SIX)
    assert BARE.addresses == ("fd77::11",)


def test_an_interface_with_both():
    assert BOTH.contains(IPv4Address("10.0.0.9"))
    assert BOTH.contains(IPv6Address("fd77::99"))
    assert BOTH.addresses == ("10.0.0.1", "fd77::11")
    assert not Interface("e", BOTH.ip, BOTH.mask, BOTH.bcast).contains(SIX)


def test_where_room_is_short_ipv6_goes_unless_it_is_all_there_is():
    kept = fitting([BARE] + [BOTH] * 20)
    assert kept[0] == BARE
    assert {each.ip6 for each in kept[1:]} == {""}


@given(st.text(max_size=60))
def test_any_text_is_an_ip6_or_an_error_of_the_other_end(text):
    try:
        ip6_of(text)
    except RemoteProtocolError:
        pass
