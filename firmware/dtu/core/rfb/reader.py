"""The bytes that have come and are not used yet. What they mean is not here."""

from collections.abc import Generator

Need = Generator[int, bytes, None]
"""A parser in steps. It yields how many bytes it needs next and is sent exactly these; or it yields
-n and goes on when n bytes have come, which it then takes from the reader itself."""


class ShortError(Exception):
    """More bytes are needed than have come: `end` counts from the first byte of the reader."""

    def __init__(self, end: int) -> None:
        super().__init__(end)
        self.end = end


class Reader:
    """A buffer and the place in it; who gets `ShortError` puts the place back and waits."""

    __slots__ = ("at", "data")

    def __init__(self) -> None:
        self.data = bytearray()
        self.at = 0

    def __len__(self) -> int:
        """Bytes that have not been taken."""
        return len(self.data) - self.at

    def byte(self) -> int:
        """Take one byte as a number."""
        at = self.at
        if at >= len(self.data):
            raise ShortError(at + 1)
        self.at = at + 1
        return self.data[at]

    def take(self, size: int) -> bytes:
        """Take so many bytes."""
        end = self.at + size
        if end > len(self.data):
            raise ShortError(end)
        with memoryview(self.data) as view:
            taken = bytes(view[self.at : end])
        self.at = end
        return taken

    def drop(self) -> None:
        """Forget what was taken."""
        del self.data[: self.at]
        self.at = 0
