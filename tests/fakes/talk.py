"""Helpers of the group manager's tests: group managers that talk on a Lan, and single datagrams."""

from ipaddress import IPv4Address

from fakes.lan import GROUP_PORT, SECRETS, Lan, events, interface
from roamwire.datagrams import Host, encode_datagram
from sessionhost.core.group_events import TokenAsked


def group(*names, **options):
    """Group managers on one network that have come to know each other; events are taken."""
    lan = Lan()
    found = [lan.manager(name, **options) for name in names]
    lan.run(3.0)
    for each in found:
        events(each)
    lan.sent.clear()
    return (lan, *found)


def of(kind, machine):
    return [event for event in events(machine) if isinstance(event, kind)]


def answer_all(lan, claims=(), nonce="n", names=None):
    """Let every asked server answer; returns who asked."""
    asked = []
    for node in lan.nodes.values():
        if node.up and (names is None or node.name in names):
            for event in of(TokenAsked, node.machine):
                node.machine.answer(event, claims, nonce, pending=False, home="")
                asked.append((node.name, event))
    lan.deliver()
    return asked


def signed(message, secrets=SECRETS):
    return secrets.sign(encode_datagram(message))


def host(name, address="10.0.0.66", boot="b", seq=1, **more):
    return Host(
        name, IPv4Address(address), 0, boot=boot, seq=seq, interfaces=(interface(address),), **more
    )


def feed(machine, data, source="10.0.0.66", now=1000.0, way="unicast"):
    machine.receive_datagram(data, (source, GROUP_PORT), "eth0", now, way)
