"""Cuts a byte stream into bounded lines. What a line means is not here."""

from roamwire.errors import RemoteProtocolError
from roamwire.limits import MAX_LINE_BYTES


class LineReader:
    """Feed it bytes as they come; take whole lines without their end."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that these bytes complete; raises RemoteProtocolError if one grows too long."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES or any(len(line) > MAX_LINE_BYTES for line in lines):
            self._rest = b""
            raise RemoteProtocolError("oversize", f"a line over {MAX_LINE_BYTES} bytes")
        return lines

    def take_rest(self) -> bytes:
        """Bytes after the last whole line, no longer held then (for a change of protocol)."""
        rest, self._rest = self._rest, b""
        return rest
