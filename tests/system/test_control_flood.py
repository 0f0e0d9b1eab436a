"""What one neighbour can do to hostd's and displayd's listening sockets: not keep others out."""

import asyncio
import socket
import ssl

import pytest
from server_box import Authority

from sessionhost.adapters import guarded_server
from sessionhost.adapters.control_server import LINES_AT_ONCE, LINES_PER_S, ControlServer
from sessionhost.adapters.guarded_server import MAX_PENDING_OF_ADDRESS, GuardedServer
from sessionhost.adapters.listening import listen

pytestmark = pytest.mark.system


class Heard:
    """A handler that counts."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.lines = 0

    def link_opened(self, link, dtu, address):
        self.opened.append(dtu)

    def line_received(self, link, line):
        self.lines += 1

    def link_closed(self, link):
        pass


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def server_tls(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_verify_locations(authority.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(*authority.issue("server", "server1"))
    return context


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


async def until(holds, seconds=10.0):
    for _ in range(int(seconds * 100)):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"not within {seconds} s")


def test_connections_that_say_nothing_are_bounded_and_others_get_in(authority):
    async def run():
        heard = Heard()
        port = free_port()
        control = ControlServer(server_tls(authority), heard)
        control.start(port)
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(240)]
        server = control._server
        await until(lambda: server.refused["pending"] >= 240 - MAX_PENDING_OF_ADDRESS)
        # Another neighbour: IPv6 loopback is another address.
        context = authority.client_context("desk1")
        async with asyncio.timeout(5):
            _, writer = await asyncio.open_connection("::1", port, ssl=context, server_hostname="")
            await until(lambda: heard.opened == ["desk1"])
        writer.close()
        for link in silent:
            link.close()
        await control.close(0.1)

    asyncio.run(run())


def test_a_terminal_that_talks_without_end_is_read_at_its_pace(authority):
    async def run():
        heard = Heard()
        port = free_port()
        control = ControlServer(server_tls(authority), heard)
        control.start(port)
        context = authority.client_context("desk1")
        _, writer = await asyncio.open_connection("::1", port, ssl=context, server_hostname="")
        began = asyncio.get_running_loop().time()
        writer.write(b"keepalive n=1\n" * 400)
        await until(lambda: heard.lines >= LINES_AT_ONCE)
        await asyncio.sleep(1.0)
        passed = asyncio.get_running_loop().time() - began
        assert heard.lines <= LINES_AT_ONCE + LINES_PER_S * passed + 1
        await until(lambda: heard.lines >= LINES_AT_ONCE + LINES_PER_S)
        writer.close()
        await control.close(0.1)

    asyncio.run(run())


def test_it_rests_when_no_descriptor_is_left_and_goes_on(authority, monkeypatch):
    async def run():
        listener = listen(free_port())
        served = []

        class Served(asyncio.Protocol):
            def connection_made(self, transport):
                served.append(transport)
                transport.abort()

        server = GuardedServer(listener, server_tls(authority), Served, 5.0)
        accept = socket.socket.accept
        failures = iter([True, False])

        def scarce(self):
            if next(failures, False):
                raise OSError(24, "too many open files")
            return accept(self)

        monkeypatch.setattr(guarded_server.socket.socket, "accept", scarce)
        server.start()
        address = ("::1", listener.getsockname()[1])
        context = authority.client_context("desk1")
        await asyncio.open_connection(*address, ssl=context, server_hostname="")
        await until(lambda: served)
        assert server.refused["descriptors"] == 1
        server.close()

    asyncio.run(run())
