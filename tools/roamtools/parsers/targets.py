"""What is fuzzed: a parser as a function of bytes, what it may answer, and bytes to begin with.

A target raises AssertionError, or what its parser should not have raised, if a promise is broken:
bad bytes are `RemoteProtocolError` (or the error that the parser names) and nothing else, and what
was understood can be written and understood again.
"""

import datetime
import hmac
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from dtu.app.config import SETTINGS as DTU_SETTINGS
from dtu.core import ip6, lease
from dtu.core.piv import keys, tlv
from dtu.core.piv.client import read_card
from dtu.core.piv.key_info import canonical_key_info
from dtu.core.rfb import RfbClient
from dtu.core.sound_guard import SoundGuard
from roamtools.lab.plan import project_root
from roamwire import enrolment, log_lines, tickets
from roamwire.control import encode_line, parse_line
from roamwire.datagrams import encode_datagram, parse_datagram
from roamwire.errors import LocalProtocolError, RemoteProtocolError
from roamwire.fields import decode_fields, encode_fields
from roamwire.identity import peer_identity
from roamwire.lines import LineReader
from roamwire.settings import SettingsError
from roamwire.signing import GroupSecrets, derive
from roamwire.tokens import Token
from sessionhost.adapters import card_verify
from sessionhost.adapters.certificates import PkiError, parse_request
from sessionhost.adapters.invitations import InvitationError, new_token, parse_token
from sessionhost.adapters.order_socket import parse_order
from sessionhost.app.config import SETTINGS as SERVER_SETTINGS
from sessionhost.core import audit
from sessionhost.core.policy import SETTINGS as POLICY_SETTINGS
from sessionhost.core.services import RecipeError, parse_recipe

SECRETS = GroupSecrets(bytes(range(32)), bytes(range(32, 64)), classic=True)

MAX_ROUNDS = 2000
"""Answers of a card before it counts as endless; a certificate of 3 KiB takes thirty."""

MAX_EVENTS = 4096
"""More than one read of the RFB client may leave; a loop that never ends is a finding."""


@dataclass(frozen=True)
class Target:
    """One parser; `seeds` are whole good inputs."""

    run: Callable[[bytes], object]
    seeds: Callable[[], list[bytes]]


def _vectors(name: str) -> list[bytes]:
    lines = (project_root() / "tests" / "vectors" / name).read_bytes().splitlines()
    return [line for line in lines if line and not line.startswith(b"#")]


def datagram(data: bytes) -> None:
    """What arrives on UDP 7009, behind its signature."""
    with suppress(RemoteProtocolError):
        message = parse_datagram(data)
        # What was taken may not fit any more once every default is written out.
        with suppress(LocalProtocolError):
            assert parse_datagram(encode_datagram(message)) == message


def enrolment_line(data: bytes) -> None:
    """A line of TCP 7011, where nobody has shown a certificate yet."""
    with suppress(RemoteProtocolError):
        message = enrolment.parse_line(data)
        with suppress(LocalProtocolError):
            assert enrolment.parse_line(enrolment.encode_line(message)) == message


def request(data: bytes) -> None:
    """A certificate request of a terminal, PKCS #10."""
    with suppress(PkiError):
        parse_request(data)


def invitation(data: bytes) -> None:
    """A one-time token as a person has copied it."""
    with suppress(InvitationError):
        found = parse_token(data.decode("latin-1"))
        assert parse_token(found.text) == found


def audit_log(data: bytes) -> None:
    """Lines of an audit log that somebody has changed: each is told, none stops the reading."""
    list(audit.verify(data.decode("utf-8", "replace").split("\n"), audit.Chain()))


def signed(data: bytes) -> None:
    """The split into body and signature; nothing here may be trusted by chance."""
    assert not SECRETS.verify(data).trusted


def line(data: bytes) -> None:
    """A line of TCP 7009 or the first one of TCP 7010."""
    with suppress(RemoteProtocolError):
        message = parse_line(data)
        with suppress(LocalProtocolError):
            assert parse_line(encode_line(message)) == message


def log_line(data: bytes) -> None:
    """A line of TCP 7009 between servers; none is a signed request by chance."""
    with suppress(RemoteProtocolError):
        message = log_lines.parse_log_line(data)
        with suppress(LocalProtocolError):
            assert log_lines.parse_log_line(log_lines.encode_log_line(message)) == message
    with suppress(RemoteProtocolError):
        log_lines.request_of(data, SECRETS, log_lines.ReadLog("", "", "", ""))
        raise AssertionError("a made-up request is taken for genuine")


def lines(data: bytes) -> None:
    """Bytes in pieces to lines; how they are cut must not matter."""
    whole, pieces = LineReader(), LineReader()
    with suppress(RemoteProtocolError):
        found = whole.feed(data)
        cut = [part for at in range(0, len(data), 7) for part in pieces.feed(data[at : at + 7])]
        assert found == cut
        assert whole.take_rest() == pieces.take_rest()


def fields(data: bytes) -> None:
    """Keys and values of every message."""
    with suppress(RemoteProtocolError):
        found = decode_fields(data.decode("latin-1"))
        with suppress(LocalProtocolError):
            assert decode_fields(encode_fields(found)) == found


def ticket(data: bytes) -> None:
    """A redirect ticket; none is genuine by chance."""
    try:
        tickets.verify(data.decode("latin-1"), SECRETS)
    except RemoteProtocolError:
        return
    raise AssertionError("a made-up ticket is taken for genuine")


def genuine_ticket(data: bytes) -> None:
    """A ticket of the group's own, but of another version: its tag is right, its parts are not."""
    body = data.decode("latin-1")
    tag = hmac.digest(derive(SECRETS.current, "ticket"), body.encode("utf-8"), "sha256").hex()
    with suppress(RemoteProtocolError):
        tickets.verify(f"{body}~{tag}", SECRETS)


def card_certificate(data: bytes) -> None:
    """A card's certificate, as far as the terminal reads it, and whole at the server."""
    found = None
    with suppress(ValueError):
        found = card_verify.card_key(card_verify.read_certificate(data))
    with suppress(tlv.TlvError):
        kind, info = keys.key_type(data), canonical_key_info(data)
        # Both ends have to see the same key, whose hash is the token, however it is encoded.
        assert kind is None or found is None or card_verify.public_bytes(found) == info


def card(data: bytes) -> None:
    """A card that answers with anything: reading it ends, with a value."""
    exchange = read_card()
    # Its answers, one behind the other with their lengths before them, again and again.
    answers: list[bytes] = []
    while data:
        answers.append(data[1 : 1 + data[0]])
        data = data[1 + data[0] :]
    try:
        next(exchange)
        for number in range(MAX_ROUNDS):
            exchange.send(answers[number % len(answers)] if answers else b"")
        raise AssertionError("a card can keep the terminal asking for ever")
    except StopIteration:
        pass


def policy(data: bytes) -> None:
    """A group's policy."""
    text = data.decode("utf-8", "replace")
    with suppress(SettingsError):
        values = POLICY_SETTINGS.parse(text, "policy.toml")
        assert POLICY_SETTINGS.parse(POLICY_SETTINGS.show(values), "policy.toml") == values


def token(data: bytes) -> None:
    """A token as text."""
    with suppress(RemoteProtocolError):
        found = Token.parse(data.decode("latin-1"))
        assert Token.parse(str(found)) == found


def order(data: bytes) -> None:
    """An order between the daemons of one server."""
    with suppress(RemoteProtocolError):
        parse_order(data)


def certificate(data: bytes) -> None:
    """The role in a peer's certificate, in whatever names a CA may have signed."""
    text = data.decode("latin-1")
    head, _, tail = text.partition("\n")
    names: Mapping[str, object] = {
        "subject": ((("commonName", head),),),
        "subjectAltName": tuple(("URI", uri) for uri in tail.split("\n")),
    }
    with suppress(RemoteProtocolError):
        assert peer_identity(names, "dtu").uri in tail.split("\n")


def dhcp_lease(data: bytes) -> None:
    """The file that udhcpc's hook writes, with whatever a DHCP server sent."""
    with suppress(RemoteProtocolError):
        lease.parse_lease(data.decode("utf-8", "replace"))


def option43(data: bytes) -> None:
    """Vendor options, as packed bytes."""
    with suppress(RemoteProtocolError):
        lease.parse_option43(data)


def routers(data: bytes) -> None:
    """The kernel's IPv6 table and what routers told."""
    table, _, told = data.decode("latin-1").partition("\0")
    ip6.parse_ip6("eth0", table, told)


def settings(data: bytes) -> None:
    """A settings file of a terminal and of a server."""
    text = data.decode("utf-8", "replace")
    for table in (DTU_SETTINGS, SERVER_SETTINGS):
        with suppress(SettingsError):
            values = table.parse(text, "dtu.toml")
            assert table.parse(table.show(values), "dtu.toml") == values


def recipe(data: bytes) -> None:
    """A session recipe."""
    with suppress(RecipeError):
        parse_recipe("desktop", data.decode("utf-8", "replace"))


def sound(data: bytes) -> None:
    """PulseAudio's frames on their way to the terminal's sound server, in pieces of any size."""
    whole, pieces = SoundGuard(), SoundGuard()
    with suppress(RemoteProtocolError):
        passed = whole.receive(data)
        assert len(passed) <= len(data)
        assert (
            b"".join(pieces.receive(data[at : at + 5]) for at in range(0, len(data), 5)) == passed
        )


def rfb(data: bytes) -> None:
    """A session's bytes from ServerInit on; whole pictures are `tools/fuzz`'s."""
    client = RfbClient()
    client.receive_data(b"RFB 003.008\n\x01\x01\0\0\0\0")
    client.receive_data(data)
    for _ in range(MAX_EVENTS):
        if client.next_event() is None:
            break
    else:
        raise AssertionError("events without end")
    client.data_to_send()


def _rfb_seeds() -> list[bytes]:
    head = b"\0\x20\0\x10" + bytes(16) + b"\0\0\0\1x"
    fill = b"\0\0\0\1" + b"\0\0\0\0\0\x20\0\x10" + b"\0\0\0\7" + b"\x80\1\2\3"
    copy = b"\0\0\0\1" + b"\0\0\0\0\0\4\0\4" + b"\0\0\0\1" + b"\0\1\0\1"
    return [head, head + fill, head + fill + copy, head + b"\2", head + b"\3\0\0\0\0\0\0\2hi"]


def _recipes() -> list[bytes]:
    return [path.read_bytes() for path in (project_root() / "server/etc/recipes").glob("*.toml")]


def _requests() -> list[bytes]:
    """One that is fit and one whose key is of another curve."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "desk1")])
    builder = x509.CertificateSigningRequestBuilder(name)
    keys_ = (ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP521R1()))
    return [builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER) for key in keys_]


def _invitations() -> list[bytes]:
    return [new_token("10.0.0.1", 7011, b"ca", bytes).text.encode("ascii")]


def _audits() -> list[bytes]:
    entry = '{"when":"w","host":"s1","n":1,"what":"insert","decision":"yes","prev":"","hash":"0"}'
    return [f"{entry}\n{entry}\n".encode(), b"{}\n[]\nnonsense"]


def _certificates() -> list[bytes]:
    """One of each kind of key; self-signed."""
    made = []
    for key in (
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP384R1()),
    ):
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "alice")])
        since = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
        builder = x509.CertificateBuilder(name, name, key.public_key(), 7, since, since)
        made.append(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER))
    return made


def _leases() -> list[bytes]:
    return [
        b"event=bound\ninterface=eth0\naddress=10.1.2.3\nmask=255.255.255.0\nrouters=10.1.2.1\n"
        b"dns=10.1.2.1 10.1.2.2\ndomain=example\nserver=10.1.2.1\nlease_s=3600\n"
        b"opt43=15040a010203ff\nopt224=31302e312e322e33\n",
        b"event=leasefail\ninterface=eth0\n",
    ]


def _sounds() -> list[bytes]:
    def command(number: int) -> bytes:
        payload = b"L" + number.to_bytes(4, "big") + b"L\0\0\0\1" + b"L\0\0\0\x23"
        return len(payload).to_bytes(4, "big") + b"\xff" * 4 + bytes(12) + payload

    return [command(8), command(3) + b"\0\0\0\4" + bytes(16) + b"abcd"]


TARGETS: dict[str, Target] = {
    "datagram": Target(datagram, lambda: [*_vectors("datagrams.txt"), *_vectors("host_mud.txt")]),
    "enrolment": Target(
        enrolment_line,
        lambda: [b"enrol name=desk1 csr=AAAA code=1", b"pending poll_ms=500", b"join id=0 claim=1"],
    ),
    "request": Target(request, _requests),
    "invitation": Target(invitation, _invitations),
    "audit": Target(audit_log, _audits),
    "signed": Target(signed, lambda: [*_vectors("datagrams.txt"), b"host=a sig=" + b"0" * 64]),
    "line": Target(line, lambda: _vectors("lines.txt")),
    "log_line": Target(
        log_line,
        lambda: [
            b"readlog nonce=00ff host=s1 to=s2 by=root since=2026-11-24 sig=" + b"0" * 64,
            b"prove nonce=00ff",
            b"logfollows size=7",
            b"nolog text=busy",
        ],
    ),
    "lines": Target(lines, lambda: [b"\n".join(_vectors("lines.txt")[:5])]),
    "fields": Target(fields, lambda: [b"a=1 b=%20 c=", *_vectors("lines.txt")]),
    "ticket": Target(ticket, lambda: [b"2~s1~desk1~" + b"0" * 64 + b"~s2~n~1~~~~" + b"f" * 64]),
    "genuine_ticket": Target(
        genuine_ticket, lambda: [b"2~s1~desk1~" + b"0" * 64 + b"~s2~n~1~00a1~9e+9a~alice"]
    ),
    "card_certificate": Target(card_certificate, _certificates),
    "card": Target(card, lambda: [bytes.fromhex("086106 4f04 0000 9000"), b"\2\x6a\x82"]),
    "policy": Target(policy, lambda: [b'piv = "chained"\nuid = "off"\n', b"login = true\n"]),
    "token": Target(token, lambda: [b"uid:04a1b2c3d4e5f6", b"piv:" + b"0" * 40, b"pseudo:desk1"]),
    "order": Target(order, lambda: [b"start session=a user=b token=uid:1 recipe=d width=1\n"]),
    "certificate": Target(certificate, lambda: [b"desk1\nroamdesk://dtu/desk1"]),
    "dhcp_lease": Target(dhcp_lease, _leases),
    "option43": Target(option43, lambda: [bytes.fromhex("15080a0102030a010204ff")]),
    "routers": Target(
        routers,
        lambda: [
            b"20010db8000000000000000000000001 02 40 00 80 eth0\n"
            b"fe800000000000000000000000000001 02 40 20 80 eth0\0dns=2001:db8::1\ndomain=example\n"
        ],
    ),
    "settings": Target(
        settings, lambda: [b'host = "s1"\nseeds = ["10.0.0.1"]\n', b"mdns = true\n"]
    ),
    "recipe": Target(recipe, _recipes),
    "sound": Target(sound, _sounds),
    "rfb": Target(rfb, _rfb_seeds),
}
