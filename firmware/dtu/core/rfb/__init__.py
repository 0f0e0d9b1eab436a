"""RFB 3.8 (RFC 6143), the client without I/O: bytes to pixels and events. Drawing is not here."""

from dtu.core.rfb.client import RfbClient
from dtu.core.rfb.events import (
    Bell,
    Connected,
    Cursor,
    CursorChanged,
    Failed,
    LedState,
    NameChanged,
    Rect,
    Resized,
    RfbEvent,
    Updated,
)

__all__ = [
    "Bell",
    "Connected",
    "Cursor",
    "CursorChanged",
    "Failed",
    "LedState",
    "NameChanged",
    "Rect",
    "Resized",
    "RfbClient",
    "RfbEvent",
    "Updated",
]
