"""JPEGs of one read, decoded together, on several cores if there are. Threads are the caller's.

Order holds: whoever is about to touch pixels of a JPEG that waits must `settle` first.
"""

from collections import deque
from collections.abc import Callable

from dtu.core.rfb.events import Rect
from dtu.core.rfb.framebuffer import Framebuffer
from dtu.core.rfb.turbojpeg import Job, JpegDecoder, JpegReader
from roamwire.errors import RemoteProtocolError

Crew = Callable[[Callable[[], None]], None]
"""Calls a function on several threads at once, and returns when all calls have."""

_MOST_WAITING = 64
"""More are not looked through for each rectangle that follows."""

_CREW_PIXELS = 100_000
"""Fewer are decoded in 0.6 ms, in which no thread would be of help."""


class Jpegs:
    """Decodes JPEGs into framebuffers when it is called to settle, with the crew if there is one.

    Waiting is of use on one core too: what parses the next rectangle would find the processor's
    caches full of the last JPEG.
    """

    def __init__(self, crew: Crew | None) -> None:
        self._crew = crew
        self._reader = JpegReader()
        self._decoders = [JpegDecoder()]
        self._jobs: deque[Job] = deque()
        self._rects: list[Rect] = []
        self._bottom = 0
        self._pixels = 0
        self._errors: list[RemoteProtocolError] = []

    def add(self, framebuffer: Framebuffer, rect: Rect, data: bytes) -> None:
        """Let one wait; raises RemoteProtocolError if it cannot be one of this size."""
        if len(self._rects) == _MOST_WAITING:
            self.settle()
        pitch = framebuffer.width * 4
        self._jobs.append(self._reader.job(data, framebuffer.address, pitch, rect))
        self._rects.append(rect)
        self._bottom = max(self._bottom, rect.y + rect.height)
        self._pixels += rect.width * rect.height

    def settle_under(self, rect: Rect) -> None:
        """Decode those that wait if one of them has pixels of this rectangle."""
        x, y, width, height = rect
        if y >= self._bottom:
            return
        right, bottom = x + width, y + height
        for left, top, wide, high in self._rects:
            if top < bottom and left < right and y < top + high and x < left + wide:
                self.settle()
                return

    def settle(self) -> None:
        """Decode all that wait; raises RemoteProtocolError for a bad one."""
        if not self._rects:
            return
        if self._crew is not None and self._pixels >= _CREW_PIXELS and len(self._rects) > 1:
            self._crew(self._work)
        else:
            self._work()
        self._rects.clear()
        self._bottom = self._pixels = 0
        if self._errors:
            raise self._errors[0]

    def _work(self) -> None:
        """One thread's part: take one after the other until none is left."""
        try:
            decoder = self._decoders.pop()
        except IndexError:
            decoder = JpegDecoder()
        jobs = self._jobs
        while True:
            try:
                decoder.decode(jobs.popleft())
            except IndexError:
                break
            except RemoteProtocolError as error:
                self._errors.append(error)
        self._decoders.append(decoder)
