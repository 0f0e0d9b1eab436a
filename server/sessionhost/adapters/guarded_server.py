"""Accepts TLS connections so that one neighbour cannot keep the others out. Reads nothing.

What is bounded here is what costs us before anybody has shown a certificate: connections whose
handshake is not done, and how many handshakes an address may begin. Beyond that a connection is
closed as soon as it is accepted, which takes some 30 microseconds.
"""

import asyncio
import errno
import logging
import socket
import ssl
from collections import Counter, OrderedDict
from collections.abc import Callable

MAX_PENDING = 1024
"""Handshakes under way; each holds a descriptor and some 50 kB until it is done or times out."""

MAX_PENDING_OF_ADDRESS = 128
"""A terminal begins two, for control and display; a floor of them may stand behind one router."""

HANDSHAKES_AT_ONCE = 256
HANDSHAKES_PER_S = 64.0
"""Of one address. A handshake takes a millisecond of a processor, so this is 6 % of it."""

MAX_ADDRESSES = 4096
"""Whose pace is remembered; the one that was silent longest is forgotten first."""

ACCEPT_BATCH = 64
"""Connections taken at a time, so that the loop's other work gets its turn."""

NO_DESCRIPTOR_S = 0.1
"""When descriptors are used up: some are given back by then."""

log = logging.getLogger(__name__)


class Pace:
    """How many handshakes each address may still begin. `now` is monotonic, in seconds."""

    def __init__(self) -> None:
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, address: str, now: float) -> bool:
        """Takes one from the address's allowance; False if there is none left."""
        left, at = self._left.pop(address, (float(HANDSHAKES_AT_ONCE), now))
        left = min(HANDSHAKES_AT_ONCE, left + (now - at) * HANDSHAKES_PER_S)
        allowed = left >= 1.0
        self._left[address] = (left - allowed, now)
        if len(self._left) > MAX_ADDRESSES:
            self._left.popitem(last=False)
        return allowed


class GuardedServer:
    """A listening socket with TLS; `factory` makes the protocol of each connection.

    `tls` is used for the next handshake and may be replaced at any time.
    """

    def __init__(
        self,
        listener: socket.socket,
        tls: ssl.SSLContext,
        factory: Callable[[], asyncio.Protocol],
        handshake_s: float,
    ) -> None:
        self.refused: Counter[str] = Counter()
        self._listener = listener
        self.tls = tls
        self._factory = factory
        self._handshake_s = handshake_s
        self._pace = Pace()
        self._pending: Counter[str] = Counter()
        self._handshakes: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to accept."""
        self._listener.setblocking(False)
        asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def close(self) -> None:
        """Accept no more; connections whose handshake is done are left alone."""
        asyncio.get_running_loop().remove_reader(self._listener)
        if self._timer is not None:
            self._timer.cancel()
        self._listener.close()
        for task in self._handshakes:
            task.cancel()

    def _accept(self) -> None:
        for _ in range(ACCEPT_BATCH):
            try:
                connection, source = self._listener.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE):
                    raise
                self._rest()
                return
            self._judge(connection, str(source[0]))

    def _rest(self) -> None:
        """No descriptor is left: without a pause the loop would turn around this alone."""
        self._refuse("descriptors", "all addresses")
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener)
        self._timer = loop.call_later(NO_DESCRIPTOR_S, self.start)

    def _judge(self, connection: socket.socket, address: str) -> None:
        loop = asyncio.get_running_loop()
        if self._pending[address] >= MAX_PENDING_OF_ADDRESS or len(self._handshakes) >= MAX_PENDING:
            self._refuse("pending", address)
            connection.close()
        elif not self._pace.allows(address, loop.time()):
            self._refuse("pace", address)
            connection.close()
        else:
            self._pending[address] += 1
            task = loop.create_task(self._shake_hands(connection, address))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    def _refuse(self, why: str, address: str) -> None:
        self.refused[why] += 1
        if self.refused[why].bit_count() == 1:  # told at 1, 2, 4, 8 ...: a flood must not fill logs
            log.warning("connections refused (%s): %d, now %s", why, self.refused[why], address)

    async def _shake_hands(self, connection: socket.socket, address: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.connect_accepted_socket(
                self._factory,
                connection,
                ssl=self.tls,
                ssl_handshake_timeout=self._handshake_s,
            )
        except OSError as error:  # timeouts and TLS errors are some too
            log.debug("no TLS with %s: %s", address, error)
            connection.close()
        except asyncio.CancelledError:
            connection.close()
            raise
        finally:
            self._pending[address] -= 1
            if not self._pending[address]:
                del self._pending[address]
