"""The codec on its own: columns it cannot have, and values between text and number."""

from dataclasses import dataclass
from ipaddress import IPv4Address

import pytest

from roamwire import codec
from roamwire.errors import LocalProtocolError, RemoteProtocolError


@dataclass(frozen=True)
class Odd:
    """A message with a field that has no wire form."""

    weight: float


@dataclass(frozen=True)
class Small:
    """A message with one required and one optional field."""

    name: str
    port: int = codec.port(7009)


def test_a_field_without_a_wire_form_is_our_bug():
    with pytest.raises(LocalProtocolError, match="no wire form"):
        codec.columns(Odd)


def test_defaults_are_left_out_and_filled_in():
    assert codec.to_fields(Small("a")) == [("name", "a")]
    assert Small(**codec.values_of(Small, {"name": "a"})) == Small("a")
    assert codec.to_fields(Small("a", 80)) == [("name", "a"), ("port", "80")]


@pytest.mark.parametrize("text", ["", "0", "65536", "-1", "1e3", "0x50", " 80", "80 "])
def test_what_is_no_port(text):
    with pytest.raises(RemoteProtocolError) as caught:
        codec.decode_port(text)
    assert caught.value.reason == "value"


@pytest.mark.parametrize(
    ("text", "address"), [("00000000", "0.0.0.0"), ("c0a88003", "192.168.128.3")]
)
def test_addresses_are_eight_hex_digits(text, address):
    assert codec.hex_to_address(text) == IPv4Address(address)
    assert codec.address_to_hex(IPv4Address(address)) == text
