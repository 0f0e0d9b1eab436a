"""The RFB 3.8 client machine: bytes in, bytes and events out. Sockets and drawing are not here.

Section numbers are those of RFC 6143.
"""

import struct
from collections import deque
from collections.abc import Generator, Sequence

from dtu.core.rfb import requests
from dtu.core.rfb.cursor import read_cursor, read_cursor_with_alpha
from dtu.core.rfb.events import (
    Bell,
    Bytes,
    Connected,
    CursorChanged,
    Failed,
    LedState,
    NameChanged,
    Rect,
    Resized,
    RfbEvent,
    Updated,
    bounding_box,
)
from dtu.core.rfb.framebuffer import Framebuffer, check_size
from dtu.core.rfb.jpegs import Crew
from dtu.core.rfb.layout import SCREEN_BYTES, Screen, check_layout, parse_screens, wish
from dtu.core.rfb.limits import (
    MAX_BATCH_EVENTS,
    MAX_CUT_TEXT_BYTES,
    MAX_FENCE_BYTES,
    MAX_NAME_BYTES,
    MAX_PIECE_BYTES,
    MAX_SCREENS,
    MAX_UPDATE_RECTS,
)
from dtu.core.rfb.lossy import LossyTiles
from dtu.core.rfb.plain import decode_hextile, decode_raw, decode_rre
from dtu.core.rfb.reader import Need, Reader, ShortError, Steps
from dtu.core.rfb.tight import TightDecoder
from dtu.core.rfb.work import EVENT_WORK, MESSAGE_WORK, RECT_WORK, RESIZE_WORK, Work
from dtu.core.rfb.zrle import ZrleDecoder
from roamwire.errors import LocalProtocolError, RemoteProtocolError

UNBOUND = 1 << 62
"""Work of a turn that ends when the bytes do."""

_RECT = struct.Struct(">HHHHi")
"""How each rectangle begins: place, size, encoding."""


class RfbClient:
    """One connection to one session.

    Feed `receive_data`, then fetch `next_event` until None and send `data_to_send`. With a
    `layout` the session is asked, once it says that it can be, to have these screens: their
    places in pixels of one framebuffer. `pictures` are the encodings to ask for, best first. With
    `turn_work`, see `work`, each call decodes about so much at most; while `unfinished` call
    `go_on`, and better feed nothing. A `crew` decodes the JPEGs of one call on several cores.
    """

    def __init__(
        self,
        layout: Sequence[Rect] = (),
        quality: int | None = 8,
        compression: int = 1,
        pictures: Sequence[int] = requests.PICTURES,
        turn_work: int = UNBOUND,
        crew: Crew | None = None,
    ) -> None:
        if layout:
            check_layout(layout)
        self._layout = tuple(layout)
        self._pictures = tuple(pictures)
        self._set_encodings = requests.set_encodings(self._pictures, quality, compression)
        self._turn_work = turn_work
        self._work = Work()
        self._tight = TightDecoder(crew)
        self._zrle = ZrleDecoder()
        self._framebuffer: Framebuffer | None = None
        self._screens: tuple[Screen, ...] | None = None
        self._events: deque[RfbEvent] = deque()
        self._output: list[bytes] = []
        self._reader = Reader()
        self._short = 0
        self._resized = False
        self._failed = False
        self._taken = 0
        self._extended_keys = False
        self._more_buttons = False
        self._continuous = False
        self._parser = self._run()
        self._needed = next(self._parser)

    # -- what the owner calls

    def receive_data(self, data: bytes) -> None:
        """Take what the server sent, in any pieces; trouble comes out as a `Failed` event."""
        if not self._failed:
            self._reader.feed(data)
            self.go_on()

    def go_on(self) -> None:
        """Decode what has come, until it is used up or the turn's work is done."""
        reader, work = self._reader, self._work
        work.left = self._turn_work
        try:
            while work.left > 0 and len(reader) >= abs(self._needed):
                reader.gather()
                step = reader.take(self._needed) if self._needed > 0 else b""
                self._needed = self._parser.send(step)
            self._tight.jpegs.settle()
        except RemoteProtocolError as error:
            self._failed = True
            self._taken = reader.taken
            self._reader = Reader()
            self._events.append(Failed(error))

    def close(self) -> None:
        """Read nothing any more; what the parser keeps alive, this object and its pixels, goes."""
        self._failed = True
        self._parser.close()

    @property
    def unfinished(self) -> bool:
        """True if `go_on` has something to do before more bytes come."""
        return not self._failed and len(self._reader) >= abs(self._needed)

    def data_to_send(self) -> bytes:
        """What must go to the server now; empty if nothing."""
        data = b"".join(self._output)
        self._output.clear()
        return data

    def next_event(self) -> RfbEvent | None:
        """The oldest event not fetched yet."""
        return self._events.popleft() if self._events else None

    @property
    def needed(self) -> int:
        """Bytes that complete the next step; feeding just these shows where messages end."""
        return max(abs(self._needed) - len(self._reader), 0)

    @property
    def taken(self) -> int:
        """Bytes that were decoded; those of what the client has failed at are among them."""
        return self._taken if self._failed else self._reader.taken

    @property
    def connected(self) -> bool:
        """True from `Connected` to `Failed`."""
        return self._framebuffer is not None and not self._failed

    @property
    def framebuffer(self) -> Bytes:
        """(height, width, 4) uint8 in BGRX; replaced by another array at `Resized`."""
        return self._buffer.array

    @property
    def painted(self) -> bool:
        """True when each pixel of the framebuffer has come from the server."""
        return self._framebuffer is not None and self._framebuffer.painted

    def send_key(self, keysym: int, down: bool) -> None:
        """Press or release a key, by its X keysym (section 7.5.4)."""
        self._send(requests.key_event(keysym, down))

    def send_extended_key(self, keysym: int, code: int, down: bool) -> None:
        """Press or release a key by its scan code, which every keyboard layout understands.

        `code` is XT set 1, with 0xe0 in the high byte where the key has that prefix. A server that
        does not take scan codes, or a code of 0, gets the keysym alone; if that is 0 too, nothing.
        """
        if self._extended_keys and code:
            self._send(requests.extended_key_event(keysym, code, down))
        elif keysym:
            self.send_key(keysym, down)

    def send_pointer(self, x: int, y: int, buttons: int) -> None:
        """Move the pointer (framebuffer pixels) and set its buttons (section 7.5.5)."""
        self._send(requests.pointer_event(x, y, buttons, self._more_buttons))

    @property
    def lossy(self) -> LossyTiles:
        """What has come by JPEG; replaced by another at `Resized`."""
        return self._buffer.lossy

    def set_quality(self, quality: int | None, compression: int) -> None:
        """JPEG quality and zlib effort, 0 to 9, from now on; None: no JPEG at all."""
        self._send(requests.set_encodings(self._pictures, quality, compression))

    def ask_again(self, rects: Sequence[Rect]) -> None:
        """Ask for all of these parts, although they have not changed."""
        for rect in rects:
            self._send(requests.update_request(*rect, incremental=False))

    def set_layout(self, layout: Sequence[Rect]) -> bool:
        """Ask for other screens; False if the server has not said (yet) that it can be asked.

        What is wanted is remembered: a server that says so later is asked then.
        """
        width, height = check_layout(layout)
        self._layout = tuple(layout)
        if self._screens is None or not self.connected:
            return False
        self._send(requests.set_desktop_size(width, height, wish(layout, self._screens)))
        return True

    # -- state

    @property
    def _buffer(self) -> Framebuffer:
        if self._framebuffer is None:
            raise LocalProtocolError("the RFB handshake is not done")
        return self._framebuffer

    def _send(self, data: bytes) -> None:
        if not self.connected:
            raise LocalProtocolError("sending without an RFB connection")
        self._output.append(data)

    def _emit(self, event: RfbEvent) -> None:
        if len(self._events) >= MAX_BATCH_EVENTS:
            raise RemoteProtocolError("event-flood", f"{len(self._events)} events in one read")
        self._work.left -= EVENT_WORK
        self._events.append(event)

    def _run(self) -> Need:
        yield from self._handshake()
        while True:
            message = (yield 1)[0]
            self._work.left -= MESSAGE_WORK
            if message == 0:
                yield from self._update()
            elif message == 1:
                _, count = struct.unpack(">HH", (yield 5)[1:])
                yield from _skip(count * 6)
            elif message == 2:
                self._emit(Bell())
            elif message == 3:
                yield from self._cut_text()
            elif message == 248:
                yield from self._fence()
            elif message == 150:
                self._end_of_continuous_updates()
            else:
                raise RemoteProtocolError("message", f"type {message}")

    # -- handshake, section 7.1 to 7.3

    def _handshake(self) -> Need:
        version = yield 12
        if not (version[:8] == b"RFB 003." and version[8:11].isdigit()):
            raise RemoteProtocolError("version", repr(version))
        # 3.3, 3.7 and 3.8 are the versions; others are one of these under a name of their own.
        number = int(version[8:11])
        minor = 8 if number >= 8 else 7 if number == 7 else 3
        self._output.append(b"RFB 003.%03d\n" % minor)
        if minor == 3:
            kinds = (yield 4)[3:]
        else:
            kinds = yield (yield 1)[0]
        if not kinds or kinds == b"\0":
            yield from self._refused()
        if requests.SECURITY_NONE not in kinds:
            raise RemoteProtocolError("security", f"the server offers only {list(kinds)}")
        if minor > 3:
            self._output.append(requests.SECURITY_NONE)
        if minor == 8 and int.from_bytes((yield 4), "big") != 0:
            yield from self._refused()
        self._output.append(requests.EXCLUSIVE)
        width, height, length = struct.unpack(">HH16xI", (yield 24))
        name = yield from _text(length)
        self._framebuffer = Framebuffer(width, height, work=self._work)
        self._output += (requests.set_pixel_format(), self._set_encodings)
        self._output.append(requests.update_request(0, 0, width, height, False))
        self._emit(Connected(width, height, name))

    def _refused(self) -> Need:
        reason = yield from _text(int.from_bytes((yield 4), "big"))
        raise RemoteProtocolError("refused", reason)

    # -- framebuffer updates, section 7.6.1

    def _update(self) -> Need:
        (count,) = struct.unpack(">xH", (yield 3))
        rects: list[Rect] = []
        same: list[Rect] = []
        self._resized = False
        reader, work = self._reader, self._work
        for _ in range(count):
            if work.left <= 0:
                yield 0
            if len(reader.data) - reader.at < 12:
                yield -12
            *place, encoding = _RECT.unpack_from(reader.data, reader.at)
            reader.at += 12
            # A quarter of what Rect() takes.
            rect = tuple.__new__(Rect, place)
            if encoding == requests.TIGHT:
                self._buffer.check_rect(rect)
                while not self._quick_tight(rect):
                    yield self._short
                if self._tight.rest is not None:
                    yield from self._slow_tight(self._tight.rest)
                if self._tight.same and len(same) < MAX_UPDATE_RECTS:
                    same.append(rect)
                else:
                    _add(rects, rect)
            elif encoding in requests.PICTURES:
                self._buffer.check_rect(rect)
                self._tight.jpegs.settle()
                yield from self._picture(rect, encoding)
                work.left -= RECT_WORK
                _add(rects, rect)
            elif encoding == requests.LAST_RECT:
                break
            else:
                work.left -= RECT_WORK
                yield from self._extension(rect, encoding)
        self._ask_for_more()
        self._buffer.lossy.number += 1
        self._emit(Updated(tuple(rects), tuple(same)))

    def _ask_for_more(self) -> None:
        """Nothing to ask for while the server sends by itself, unless all pixels are new."""
        buffer = self._buffer
        if self._continuous and self._resized:
            self._output.append(requests.continuous_updates(buffer.width, buffer.height))
        if self._resized or not self._continuous:
            self._output.append(
                requests.update_request(0, 0, buffer.width, buffer.height, not self._resized)
            )

    def _extension(self, rect: Rect, encoding: int) -> Need:
        """A rectangle that carries no pixels of the framebuffer."""
        if encoding == requests.CURSOR:
            self._emit(CursorChanged((yield from read_cursor(rect))))
        elif encoding == requests.CURSOR_WITH_ALPHA:
            self._emit(CursorChanged((yield from read_cursor_with_alpha(rect))))
        elif encoding == requests.DESKTOP_SIZE:
            self._resize(rect.width, rect.height)
        elif encoding == requests.EXTENDED_DESKTOP_SIZE:
            yield from self._extended_desktop_size(rect)
        elif encoding == requests.DESKTOP_NAME:
            length = int.from_bytes((yield 4), "big")
            self._emit(NameChanged((yield from _text(length))))
        elif encoding == requests.EXTENDED_KEYS:
            self._extended_keys = True
        elif encoding == requests.MORE_BUTTONS:
            self._more_buttons = True
        elif encoding == requests.QEMU_LEDS:
            self._leds((yield 1))
        elif encoding == requests.VMWARE_LEDS:
            self._leds((yield 4))
        else:
            raise RemoteProtocolError("encoding", str(encoding))

    def _leds(self, data: bytes) -> None:
        lamps = data[-1]
        self._emit(LedState(bool(lamps & 1), bool(lamps & 2), bool(lamps & 4)))

    def _quick_tight(self, rect: Rect) -> bool:
        """Decode a rectangle that is here whole; False if it is not, then nothing has changed.

        Most are, and a page has hundreds: a step of the parser costs as much as a small fill.
        """
        reader, buffer = self._reader, self._buffer
        start = reader.at
        try:
            self._tight.decode(buffer, rect, reader)
        except ShortError as short:
            reader.at = start
            self._short = start - short.end
            return False
        buffer.mark_painted(rect)
        return True

    def _slow_tight(self, rest: Steps) -> Steps:
        self._tight.rest = None
        yield from rest

    def _picture(self, rect: Rect, encoding: int) -> Need:
        buffer = self._buffer
        if encoding == requests.COPY_RECT:
            source_x, source_y = struct.unpack(">HH", (yield 4))
            yield from buffer.copy(source_x, source_y, rect)
        elif encoding == requests.ZRLE:
            yield from self._zrle.decode(buffer, rect)
        elif encoding == requests.HEXTILE:
            yield from decode_hextile(buffer, rect, self._reader)
        elif encoding == requests.RRE:
            yield from decode_rre(buffer, rect)
        else:
            yield from decode_raw(buffer, rect)
        buffer.mark_painted(rect)

    def _resize(self, width: int, height: int) -> None:
        buffer = self._buffer
        if (width, height) == (buffer.width, buffer.height):
            return
        check_size(width, height)  # before the old one is gone: it is still to be shown
        number = buffer.lossy.number
        self._tight.jpegs.settle()
        # Two of them at once could be more than there is.
        del buffer
        self._framebuffer = None
        self._work.left -= RESIZE_WORK
        self._framebuffer = Framebuffer(width, height, number, self._work)
        self._resized = True
        self._emit(Resized(width, height))

    def _extended_desktop_size(self, rect: Rect) -> Need:
        """TigerVNC's: x says who asked (1: we), y is the result (0: done)."""
        count = (yield 4)[0]
        if count > MAX_SCREENS:
            raise RemoteProtocolError("screens", str(count))
        screens = parse_screens((yield count * SCREEN_BYTES))
        first_time = self._screens is None
        self._screens = screens
        refused = rect.x == 1 and rect.y != 0
        if not refused:
            self._resize(rect.width, rect.height)
        if first_time and self._layout and tuple(s.place for s in screens) != self._layout:
            self.set_layout(self._layout)

    def _fence(self) -> Need:
        """The server waits for a request's payload to come back; our own requests are none."""
        flags, length = struct.unpack(">3xIB", (yield 8))
        if length > MAX_FENCE_BYTES:
            raise RemoteProtocolError("fence", f"{length} bytes")
        payload = yield length
        if flags & requests.FENCE_REQUEST:
            self._output.append(requests.fence(flags & requests.FENCE_ORDER, payload))

    def _end_of_continuous_updates(self) -> None:
        """The first one offers them; a later one ends them, then what changed is asked for."""
        buffer = self._buffer
        self._continuous = not self._continuous
        if self._continuous:
            self._output.append(requests.continuous_updates(buffer.width, buffer.height))
        else:
            self._output.append(requests.update_request(0, 0, buffer.width, buffer.height, True))

    def _cut_text(self) -> Need:
        """ServerCutText, section 7.6.4: the clipboard does not leave the session."""
        (length,) = struct.unpack(">3xI", (yield 7))
        if length > MAX_CUT_TEXT_BYTES:
            raise RemoteProtocolError("cut-text", f"{length} bytes")
        yield from _skip(length)


def _add(rects: list[Rect], rect: Rect) -> None:
    """Tell of one more; very many become the one that holds them all, as each costs its owner."""
    if len(rects) == MAX_UPDATE_RECTS:
        rects[:] = [bounding_box(rects)]
    rects.append(rect)


def _skip(count: int) -> Need:
    while count > 0:
        count -= len((yield min(count, MAX_PIECE_BYTES)))


def _text(length: int) -> Generator[int, bytes, str]:
    if length > MAX_NAME_BYTES:
        raise RemoteProtocolError("text-length", f"{length} bytes")
    return (yield length).decode("utf-8", "replace")
