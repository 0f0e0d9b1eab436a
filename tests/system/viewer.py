"""A plain viewer around the terminal's RFB client, for other makers' servers. Has no screen."""

import select
import socket
import time

from dtu.core.rfb import Failed, RfbClient

PATIENCE_S = 30.0


def free_port():
    """A TCP port that nobody had a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def connect(address):
    """A connection to a socket's path or a port, as soon as somebody listens."""
    unix = not isinstance(address, int)
    end = time.monotonic() + PATIENCE_S
    while True:
        connection = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        try:
            connection.connect(str(address) if unix else ("127.0.0.1", address))
            return connection
        except (ConnectionRefusedError, FileNotFoundError):
            connection.close()
            assert time.monotonic() < end, f"nobody listens on {address}"
            time.sleep(0.1)


class Viewer:
    """Connects, and reads until something holds; keeps all events."""

    def __init__(self, address, **options):
        self.client = RfbClient(**options)
        self.events = []
        self.closed = False
        self._socket = connect(address)

    def __enter__(self):
        self.until(lambda: self.client.painted, "a whole picture")
        return self

    def __exit__(self, *_):
        self._socket.close()

    @property
    def picture(self):
        """(height, width, 3) in BGR."""
        return self.client.framebuffer[:, :, :3]

    def until(self, holds, what):
        """Read until it holds, at most for `PATIENCE_S`."""
        end = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < end, f"not in time: {what}; {self.events[-5:]}"
            self.read()

    def read(self, seconds=0.1):
        """Send what is to be sent and take what comes within this time."""
        self._socket.sendall(self.client.data_to_send())
        if select.select([self._socket], [], [], seconds)[0]:
            data = self._socket.recv(1 << 18)
            self.closed = not data
            self.client.receive_data(data)
        while (event := self.client.next_event()) is not None:
            assert not isinstance(event, Failed), event
            self.events.append(event)

    def last(self, kind):
        """The last event of a kind, or None."""
        return next((event for event in reversed(self.events) if isinstance(event, kind)), None)

    def key(self, keysym, code=0):
        """Press and release."""
        for down in (True, False):
            self.client.send_extended_key(keysym, code, down)
            self.read(0.02)
