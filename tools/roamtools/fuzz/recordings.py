"""Short recordings of a real Xtigervnc in each of its encodings. Spoiling them is not here."""

import select
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from dtu.core.rfb import Failed, RfbClient, requests
from roamtools.bench.decode_record import start_x, stop
from roamtools.fuzz.streams import Stream
from roamtools.lab.rpc import Refusal

WIDTH, HEIGHT = 400, 300
BYTES = 60_000
"""A screen with text and a window that scrolls, in each encoding."""

PATIENCE_S = 20.0

ENCODINGS = {
    "tight": (requests.TIGHT, requests.COPY_RECT, requests.RAW),
    "zrle": (requests.ZRLE, requests.COPY_RECT, requests.RAW),
    "hextile": (requests.HEXTILE, requests.RAW),
    "rre": (requests.RRE, requests.RAW),
    "raw": (requests.RAW,),
}


def record_all() -> list[Stream]:
    """One recording an encoding; raises Refusal if Xtigervnc or xterm do not work."""
    children: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory() as name:
        rfb = Path(name) / "rfb.sock"
        try:
            display = start_x(
                Path(name), children, WIDTH, HEIGHT, "-rfbunixpath", str(rfb), "-AlwaysShared=1"
            )
            text = "while :; do ls -l /usr/bin; sleep 0.2; done"
            command = [
                "xterm",
                "-display",
                display,
                "-geometry",
                "60x20+5+5",
                "-e",
                "sh",
                "-c",
                text,
            ]
            children.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
            return [_record(rfb, pictures) for pictures in ENCODINGS.values()]
        finally:
            stop(children)


def _record(rfb: Path, pictures: tuple[int, ...]) -> Stream:
    client = RfbClient(quality=5, pictures=pictures)
    data = b""
    handshake = 0
    deadline = time.monotonic() + PATIENCE_S
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(str(rfb))
        while len(data) < BYTES:
            if not select.select([server], [], [], deadline - time.monotonic())[0]:
                raise Refusal(f"the session sent only {len(data)} bytes in {PATIENCE_S:.0f} s")
            piece = server.recv(65536)
            data += piece
            client.receive_data(piece)
            if client.connected and not handshake:
                handshake = len(data)
            server.sendall(client.data_to_send())
            while (event := client.next_event()) is not None:
                if isinstance(event, Failed):
                    raise Refusal(f"the session broke the protocol: {event.error}")
    return Stream(data, handshake)
