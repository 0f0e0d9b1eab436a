"""What this server tells terminals of itself and of the group, at hello and when it changes."""

from collections.abc import Mapping

from roamwire.control import Hello, Servers, Welcome
from roamwire.version import VERSION
from sessionhost.core import timing
from sessionhost.core.actions import Outbox
from sessionhost.core.group import GroupManager
from sessionhost.core.links import Link


class Greeting:
    """Answers hello; `login` is the policy's word, which is told anew when it changes."""

    def __init__(
        self, group: GroupManager, links: Mapping[int, Link], outbox: Outbox, *, login: bool
    ) -> None:
        self._group = group
        self._links = links
        self._outbox = outbox
        self._login = login

    def hello(self, link: Link, line: Hello, now: float) -> None:
        """A terminal has said who it is."""
        link.hello = line
        self._welcome(link, now)

    def login_is(self, login: bool, now: float) -> None:
        """Whether people may sign in without a card, from now on; sessions are not touched."""
        if login != self._login:
            self._login = login
            for link in self._greeted():
                self._welcome(link, now)

    def tell_servers(self, now: float) -> None:
        """The group's servers have changed."""
        for link in self._greeted():
            self._outbox.send(link.link, Servers(self._group.servers_for(link.address, now)))

    def _greeted(self) -> list[Link]:
        return [each for each in self._links.values() if each.hello is not None]

    def _welcome(self, link: Link, now: float) -> None:
        servers = self._group.servers_for(link.address, now)
        host = self._group.standing.host
        welcome = Welcome(
            host, int(timing.KEEPALIVE_S * 1000), int(timing.LOST_S * 1000), servers, VERSION,
            self._login,
        )  # fmt: skip
        self._outbox.send(link.link, welcome)
