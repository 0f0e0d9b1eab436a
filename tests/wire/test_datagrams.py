"""Datagrams: the patent's host message, our own ones, and everything that is wrong with one."""

import contextlib
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.messages import DATAGRAMS, messages
from roamwire.datagrams import (
    Block,
    BlockEntry,
    Claim,
    Host,
    Interface,
    ServerQ,
    TokenQ,
    TokenR,
    encode_datagram,
    fitting,
    fitting_entries,
    parse_datagram,
    renumbered,
)
from roamwire.errors import LocalProtocolError, RemoteProtocolError
from roamwire.limits import (
    MAX_BLOCKS_A_PAGE,
    MAX_CLAIMS,
    MAX_DATAGRAM_BYTES,
    MAX_INTERFACES,
    MAX_STAMP,
)
from roamwire.signing import GroupSecrets

VECTORS = Path(__file__).parent.parent / "vectors"
MUD = (VECTORS / "host_mud.txt").read_bytes()
GOLDEN = (VECTORS / "datagrams.txt").read_text(encoding="ascii").splitlines()
ONE = "interface=e0 ip=0a000001 mask=ffffff00 bcast=0a0000ff"
HEAD = "host=s1 addr=0a000001 time=1"


def address(text):
    return IPv4Address(text)


def test_the_patents_host_message_prints_back_byte_for_byte():
    assert encode_datagram(parse_datagram(MUD)) == MUD


def test_the_patents_host_message_is_understood():
    mud = parse_datagram(MUD)
    assert (mud.host, str(mud.addr), mud.time) == ("mud", "129.144.127.5", 950739941)
    assert (mud.flags, mud.cpus, mud.clock) == (4, 2, 248)
    assert mud.interfaces == (
        Interface(
            "hme0", address("129.144.127.5"), address("255.255.255.0"), address("129.144.127.255")
        ),
        Interface(
            "ge0", address("192.168.128.3"), address("255.255.255.0"), address("192.168.128.255")
        ),
    )
    assert (mud.boot, mud.seq, mud.drain) == ("", 0, False)


@pytest.mark.parametrize("text", GOLDEN)
def test_a_golden_datagram_parses_and_prints_back(text):
    assert encode_datagram(parse_datagram(text.encode())) == text.encode()


def test_every_message_has_a_golden_datagram():
    assert {type(parse_datagram(text.encode())) for text in GOLDEN} == set(DATAGRAMS)


@pytest.mark.parametrize("kind", DATAGRAMS)
@given(data=st.data())
def test_a_datagram_comes_back_as_it_was(kind, data):
    message = data.draw(messages(kind))
    try:
        encoded = encode_datagram(message)
    except LocalProtocolError:
        return  # too long for one frame: its own tests are below
    assert parse_datagram(encoded) == message


def test_a_page_of_blocks_with_the_longest_names_fits_with_its_signature():
    long = BlockEntry("t" + "0" * 40, True, MAX_STAMP, "h" * 63)
    page = fitting_entries([long] * 30)
    assert len(page) == 7
    block = Block("9" * 22, "h" * 63, "b" * 16, 2**63 - 1, "a" * 16, True, page)
    assert parse_datagram(encode_datagram(block)) == block
    assert len(GroupSecrets(b"s" * 16).sign(encode_datagram(block))) <= MAX_DATAGRAM_BYTES
    short = BlockEntry("t" + "0" * 40, False, 1, "s")
    assert 12 < len(fitting_entries([short] * 30)) <= MAX_BLOCKS_A_PAGE


@settings(max_examples=300)
@given(st.one_of(st.binary(max_size=1500), st.text(max_size=300).map(str.encode)))
def test_any_bytes_are_a_datagram_or_a_remote_error(data):
    with contextlib.suppress(RemoteProtocolError):
        message = parse_datagram(data)
        assert parse_datagram(encode_datagram(message)) == message


@given(st.sampled_from([MUD, *(text.encode() for text in GOLDEN)]), st.data())
def test_a_damaged_datagram_is_a_datagram_or_a_remote_error(golden, data):
    raw = bytearray(golden)
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    del raw[data.draw(st.integers(0, len(raw))) :]
    with contextlib.suppress(RemoteProtocolError):
        message = parse_datagram(bytes(raw))
        assert parse_datagram(encode_datagram(message)) == message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "verb"),
        ("seq=1 host=s1", "verb"),
        ("HOST=s1 addr=0a000001 time=1 numifs=0", "verb"),
        ("host", "syntax"),
        (f"{HEAD}", "value"),
        (f"{HEAD} numifs=1", "value"),
        (f"{HEAD} numifs=0 {ONE}", "value"),
        (f"{HEAD} numifs=2 {ONE}", "value"),
        ("host=s1 time=1 numifs=0", "missing"),
        ("host=s1 addr=0a000001 numifs=0", "missing"),
        (f"{HEAD} numifs=1 interface=e0 ip=0a000001 mask=ffffff00", "missing"),
        (f"{HEAD} numifs=0 numifs=0", "repeated"),
        (f"{HEAD} numifs=1 {ONE} ip=0a000002", "repeated"),
        ("host=s1 addr=a000001 time=1 numifs=0", "value"),
        ("host=s1 addr=0A000001 time=1 numifs=0", "value"),
        ("host=s1 addr=10.0.0.1 time=1 numifs=0", "value"),
        (f"{HEAD} numifs=0 drain=yes", "value"),
        (f"{HEAD} numifs=0 port=0", "value"),
        (f"{HEAD} numifs=0 host=%00", "repeated"),
        ("host=a%00b addr=0a000001 time=1 numifs=0", "binary"),
        (f"{HEAD} numifs=1 {ONE.replace('ffffff00', 'ff00ff00')}", "value"),
        (f"{HEAD} numifs=1 {ONE.replace('ffffff00', 'ffffffff00')}", "value"),
        (f"{HEAD} numifs=1 {ONE} ip6=nonsense", "value"),
        ("serverQ=a%FF", "syntax"),
        ("serverQ=" + "a" * 65, "oversize"),
        ("serverR=a host=s1 addr=0a000001 port=99999", "value"),
        ("tokenQ=q host=s1 boot=b", "missing"),
        ("tokenQ=q host=s1 boot=b seq=1 token=" + "0" * 65, "oversize"),
        ("tokenR=q host=s1 boot=b seq=1 asked=c session=x age=-1 epoch=1", "value"),
        ("tokenR=q host=s1 boot=b seq=1 asked=c session=x age=1 epoch=-1", "value"),
        ("tokenR=q host=s1 boot=b seq=1 asked=c session=x age=1", "missing"),
        ("tokenR=q host=s1 boot=b seq=1 asked=c session=x age=1 epoch=1 age=1", "repeated"),
        (
            "tokenR=q host=s1 boot=b seq=1 asked=c" + " session=x age=1 epoch=1" * (MAX_CLAIMS + 1),
            "oversize",
        ),
        ("block=1.0 host=s1 boot=b seq=1 entry=zz blocked=1 stamp=1 by=s1", "value"),
        (f"block=1.0 host=s1 boot=b seq=1 entry=t{'0' * 40} blocked=1 stamp=0 by=s1", "value"),
        (f"block=1.0 host=s1 boot=b seq=1 entry=t{'0' * 40} blocked=1 by=s1", "missing"),
        ("block=1.0 host=s1 boot=b seq=1" + f" entry=t{'0' * 40} blocked=1" * 30, "oversize"),
        (f"{HEAD} numifs=33" + " interface=e" * (MAX_INTERFACES + 1), "oversize"),
    ],
)
def test_what_is_wrong_with_a_datagram_has_its_word(text, reason):
    with pytest.raises(RemoteProtocolError) as caught:
        parse_datagram(text.encode())
    assert caught.value.reason == reason


@pytest.mark.parametrize("cut", range(1, len(MUD), 7))
def test_no_part_of_a_host_message_passes_for_the_whole(cut):
    try:
        part = parse_datagram(MUD[:cut])
    except RemoteProtocolError:
        return
    assert part != parse_datagram(MUD)


def test_unknown_fields_are_ignored_everywhere():
    told = parse_datagram(f"{HEAD} numifs=1 weather=fine {ONE} speed=1000".encode())
    assert told == parse_datagram(f"{HEAD} numifs=1 {ONE}".encode())


def test_the_length_is_bounded_both_ways():
    with pytest.raises(RemoteProtocolError, match="oversize"):
        parse_datagram(b"serverQ=a x=" + b"x" * MAX_DATAGRAM_BYTES)
    with pytest.raises(LocalProtocolError):
        encode_datagram(ServerQ("a" * MAX_DATAGRAM_BYTES))


def test_more_interfaces_than_allowed_are_our_bug():
    one = parse_datagram(f"{HEAD} numifs=1 {ONE}".encode()).interfaces[0]
    with pytest.raises(LocalProtocolError):
        encode_datagram(Host("s1", one.ip, 1, interfaces=(one,) * (MAX_INTERFACES + 1)))


def test_more_claims_than_allowed_are_cut_when_sent():
    claims = tuple(Claim(f"s{n}", n, 1) for n in range(MAX_CLAIMS + 3))
    sent = encode_datagram(TokenR("q", "s1", "b", 1, "c", claims=claims))
    assert parse_datagram(sent).claims == claims[:MAX_CLAIMS]


@pytest.mark.parametrize(
    ("text", "inside"),
    [("10.0.0.1", True), ("10.0.0.255", True), ("10.0.1.0", False), ("192.168.0.1", False)],
)
def test_an_interface_knows_its_subnet(text, inside):
    one = parse_datagram(f"{HEAD} numifs=1 {ONE}".encode()).interfaces[0]
    assert one.contains(IPv4Address(text)) is inside


def test_a_mask_of_zero_is_a_mask():
    told = parse_datagram(f"{HEAD} numifs=1 {ONE.replace('ffffff00', '00000000')}".encode())
    assert told.interfaces[0].contains(IPv4Address("8.8.8.8"))


def test_renumbering_changes_the_numbers_only():
    message = TokenQ("q", "s1", "", 0, "00", pending=True)
    assert renumbered(message, "b", 9) == TokenQ("q", "s1", "b", 9, "00", pending=True)


def wide(number):
    """An interface whose fields are as long as they get."""
    everywhere = address("255.255.255.255")
    longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"
    return Interface(f"interface-name{number:02}", everywhere, everywhere, everywhere, longest)


@pytest.mark.parametrize("count", [0, 1, 5, 33, 200])
@pytest.mark.parametrize("wordy", [False, True])
def test_a_host_message_with_what_fits_is_never_too_long(count, wordy):
    one = parse_datagram(f"{HEAD} numifs=1 {ONE}".encode()).interfaces[0]
    found = [wide(number) if wordy else one for number in range(count)]
    most = 2**63 - 1
    kept = fitting(found)
    message = Host(
        "h" * 63, one.ip, 2**33, 99, 999, most, "b" * 16, most, 2**31, 2**31, 2**31, "p" * 16,
        True, 120_000, 65535, "9" * 22, kept,
    )  # fmt: skip
    assert parse_datagram(encode_datagram(message)) == message
    signed = GroupSecrets(b"s" * 16).sign(encode_datagram(message))
    assert len(signed) <= MAX_DATAGRAM_BYTES
    names = [each.interface for each in found]
    assert [each.interface for each in kept] == names[: len(kept)]
    assert len(kept) >= min(count, 7 if wordy else 16)
    assert len(kept) <= MAX_INTERFACES
