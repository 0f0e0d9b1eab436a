"""Bad input on a running lab: each gets clear words, the daemons go on, nothing is lost."""

import os
import sys
import time

import pytest

from roamtools.demo.desk import Desk, wait_until
from roamtools.lab.lab import Lab
from roamtools.lab.rpc import Refusal
from roamwire.datagrams import parse_datagram

pytestmark = pytest.mark.system

GROUP_PORT = 7009


@pytest.fixture(scope="module")
def lab():
    with Lab(f"bad-{os.getpid()}") as lab:
        lab.up(servers=2, desks=1, tied=True)
        wait_until("desk1 is connected", lambda: lab.desk_state("desk1")["state"] == "connected")
        yield lab


@pytest.fixture
def desk(lab, tmp_path):
    desk = Desk(lab, "desk1", tmp_path)
    yield desk
    if lab.card("desk1"):
        lab.remove("desk1")
    wait_until("desk1 asks for a card", lambda: desk.state()["code"] == 21)


def server_status(lab, server):
    nodes = {node["name"]: node for node in lab.status(deep=True)["nodes"]}
    return nodes[server]["tells"]


def send_from(lab, node, script):
    done = lab.run(node, ["/usr/bin/python3", "-c", script])
    assert done.returncode == 0, done.stderr


def test_datagrams_of_every_bad_kind_are_counted_and_the_group_stays(lab, desk):
    before = server_status(lab, "server1")
    address = lab.node("server1")["address"]
    script = f"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
bad = [b"", b"\\0\\1\\2\\xff" * 50, b"host=x" + b"a" * 2000, b"host=x addr=zz time=1 numifs=0",
       b"tokenQ=1 host=server2 boot=b seq=1 token=00", b"nonsense", b"host=h", b"sig=",
       b"serverR=1 host=h addr=0a4d0001", b"host=y addr=0a4d0001 time=1 numifs=9 sig=" + b"0" * 64]
for data in bad * 20:
    s.sendto(data, ({address!r}, {GROUP_PORT}))
"""
    send_from(lab, "desk1", script)
    wait_until(
        "what is bad is counted",
        lambda: (
            sum(server_status(lab, "server1")["dropped"].values())
            >= sum(before["dropped"].values()) + 120
        ),
    )
    after = server_status(lab, "server1")
    assert after["boot"] == before["boot"], "hostd was restarted"
    assert {"binary", "oversize", "syntax", "untrusted", "misdirected"} <= after["dropped"].keys()
    assert not any(host["trusted"] for host in after["topology"] if host["host"] in ("x", "y", "h"))
    assert desk.insert("A")


def test_a_recorded_host_message_moves_nothing(lab):
    """A true, signed host message of server2, sent again by somebody else."""
    script = f"""
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", {GROUP_PORT}))
s.settimeout(5)
while True:
    data, source = s.recvfrom(2000)
    if data.startswith(b"host=server2"):
        sys.stdout.buffer.write(data)
        break
"""
    done = lab.run("desk1", ["/usr/bin/python3", "-c", script])
    assert done.returncode == 0, done.stderr
    recorded = done.stdout
    assert parse_datagram(recorded.rpartition(" sig=")[0].encode()).host == "server2"
    before = server_status(lab, "server1")["dropped"].get("replay", 0)
    address = lab.node("server1")["address"]
    send_from(
        lab,
        "desk1",
        "import socket\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        f"for _ in range(30): s.sendto({recorded.encode()!r}, ({address!r}, {GROUP_PORT}))",
    )
    wait_until(
        "the replays are counted",
        lambda: server_status(lab, "server1")["dropped"].get("replay", 0) >= before + 30,
    )
    view = {host["host"]: host for host in server_status(lab, "server1")["topology"]}
    assert view["server2"]["trusted"]
    assert view["server2"]["addr"] == "0a4d000c", "the recording did not move server2"


def test_garbage_on_the_tcp_ports_hurts_nobody(lab, desk):
    address = lab.node("server1")["address"]
    script = f"""
import socket
for port in (7009, 7010):
    for data in (b"", b"\\0" * 100000, b"GET / HTTP/1.0\\r\\n\\r\\n", b"hello dtu=x\\n" * 1000):
        s = socket.create_connection(({address!r}, port), 3)
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        s.close()
"""
    boots = server_status(lab, "server1")["boot"]
    send_from(lab, "desk1", script)
    assert desk.insert("A")
    assert server_status(lab, "server1")["boot"] == boots


@pytest.mark.parametrize(("mode", "code"), [("mute", 22), ("foreign", 23)])
def test_a_card_that_gives_no_number_is_named_on_screen(lab, desk, mode, code):
    lab.insert("desk1", "A", mode=mode)
    wait_until(f"words {code}", lambda: desk.state()["code"] == code)
    assert desk.state()["state"] == "connected"


def test_a_card_pulled_in_the_middle_of_reading(lab, desk):
    lab.insert("desk1", "A", mode="pulled")
    wait_until("the screen asks again", lambda: desk.state()["code"] in (21, 24))
    if lab.card("desk1"):
        lab.remove("desk1")
    assert desk.insert("A")


def test_card_bounce_ends_blank(lab, desk):
    """Remove, insert, remove within a second (CERT VU#100780)."""
    desk.insert("A")
    lab.remove("desk1")
    lab.insert("desk1", "A", hurried=True)
    lab.remove("desk1")
    wait_until("the screen asks for a card", lambda: desk.state()["code"] == 21)
    time.sleep(1.5)
    assert desk.state()["session"] == ""


def test_pcscd_stops_and_comes_back_with_the_session(lab, desk):
    session = desk.insert("A")
    lab.stop_process("desk1", "pcscd")
    wait_until("the screen names it", lambda: desk.state()["code"] == 26)
    assert desk.state()["session"] == "", "no reader, no session on the screen"
    lab.start_process("desk1", "pcscd")
    # A virtual reader loses its card with pcscd; a real one would keep it.
    wait_until("the screen asks for a card", lambda: desk.state()["code"] == 21)
    assert desk.insert("A") == session


def test_an_unregistered_card_is_told_so(lab, desk):
    lab.insert("desk1", "04deadbeef00ff")
    wait_until("words 31", lambda: desk.state()["code"] == 31)
    assert desk.state()["state"] == "connected"


def test_a_port_in_use_is_named(lab):
    done = lab.run(
        "server1",
        [sys.executable, "-m", "sessionhost.app.hostd", "--config", "/etc/roamdesk/server.toml"],
        user="roamdesk",
    )
    assert done.returncode == 1
    assert "is in use" in done.stderr or "listens on" in done.stderr


def test_an_unknown_setting_is_refused_with_the_right_name(lab):
    name = lab.add_server(settings={"brodcast": True}, wait=False)
    wait_until("hostd has looked at it", lambda: "brodcast" in lab.logs(name, "hostd"))
    with pytest.raises(Refusal, match=r"does not listen(?s:.*)brodcast.*broadcast"):
        lab.wait_ready(name, timeout_s=0.5)


def test_without_a_dhcp_server_the_desk_says_so_and_goes_on_when_it_comes(tmp_path):
    with Lab(f"nodhcp-{os.getpid()}") as lab:
        lab.up(servers=1, desks=1, tied=True, dhcp=False)
        desk = Desk(lab, "desk1", tmp_path)
        wait_until("words 12", lambda: desk.state()["code"] == 12, 40)
        lab.dhcp(True)
        wait_until("desk1 is connected", lambda: desk.state()["state"] == "connected", 40)


def test_an_interface_that_comes_and_goes_is_announced(lab):
    lab.run("server1", ["ip", "link", "add", "extra0", "type", "veth", "peer", "extra1"])
    lab.run("server1", ["ip", "addr", "add", "10.99.0.1/24", "dev", "extra0"])
    for end in ("extra0", "extra1"):
        lab.run("server1", ["ip", "link", "set", end, "up"])

    def interfaces():
        hosts = {h["host"]: h for h in server_status(lab, "server2")["topology"]}
        return {each["interface"] for each in hosts["server1"]["interfaces"]}

    wait_until("server2 sees the new interface", lambda: "extra0" in interfaces(), 5)
    (own,) = [
        each
        for host in server_status(lab, "server2")["topology"]
        for each in host["interfaces"]
        if each["interface"] == "extra0"
    ]
    assert own["bcast"] == "0a6300ff", "set without a broadcast address, announced with one"
    lab.run("server1", ["ip", "link", "del", "extra0"])
    wait_until("server2 sees that it is gone", lambda: "extra0" not in interfaces(), 5)


def test_loopback_is_not_announced(lab):
    assert not any(text.startswith("lo ") for text in server_status(lab, "server1")["interfaces"])
