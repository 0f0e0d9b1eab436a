"""The bytes that have come and are not used yet. What they mean is not here."""

from collections.abc import Generator

Need = Generator[int, bytes, None]
"""A parser in steps. It yields how many bytes it needs next and is sent exactly these; or it yields
-n and goes on when n bytes have come, which it then takes from the reader itself; or it yields 0,
needs nothing and lets others have their turn if it has worked enough."""

Steps = Generator[int, bytes, None]
"""The rest of a rectangle whose bytes are all here: yields 0 only."""


_SMALL_BYTES = 4096


class ShortError(Exception):
    """More bytes are needed than have come: `end` counts from the first byte of the reader."""

    def __init__(self, end: int) -> None:
        super().__init__(end)
        self.end = end


class Reader:
    """Bytes and the place in them; who gets `ShortError` puts the place back and waits.

    What comes is only put to the rest, by a copy of both, when `gather` is called: who does so when
    enough has come for a step copies each byte a few times at most, however small the pieces are.
    """

    __slots__ = ("_coming", "_fed", "_later", "at", "data")

    def __init__(self) -> None:
        self.data = b""
        self.at = 0
        self._coming: list[bytes | bytearray] = []
        self._later = 0
        self._fed = 0

    def __len__(self) -> int:
        """Bytes that have not been taken."""
        return len(self.data) - self.at + self._later

    def feed(self, data: bytes) -> None:
        """Keep what has come; small pieces together, as each by itself takes 33 bytes more."""
        if len(data) >= _SMALL_BYTES:
            self._coming.append(data)
        elif self._coming and isinstance(self._coming[-1], bytearray):
            self._coming[-1] += data
        else:
            self._coming.append(bytearray(data))
        self._later += len(data)
        self._fed += len(data)

    @property
    def taken(self) -> int:
        """Bytes that have been taken."""
        return self._fed - len(self)

    def gather(self) -> None:
        """Make all that has come ready to be taken."""
        if self._later:
            if self.at < len(self.data):
                self._coming.insert(0, self.data[self.at :])
            first = self._coming[0]
            alone = len(self._coming) == 1 and isinstance(first, bytes)
            self.data = bytes(first) if alone else b"".join(self._coming)
            self.at = 0
            self._coming = []
            self._later = 0

    def byte(self) -> int:
        """Take one byte as a number."""
        at = self.at
        if at >= len(self.data):
            raise ShortError(at + 1)
        self.at = at + 1
        return self.data[at]

    def take(self, size: int) -> bytes:
        """Take so many bytes."""
        at = self.at
        end = at + size
        if end > len(self.data):
            raise ShortError(end)
        self.at = end
        return self.data[at:end]
