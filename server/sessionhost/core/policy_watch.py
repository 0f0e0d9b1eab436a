"""Whether the group's servers have one policy: told once for each that differs. Judges none."""

from collections.abc import Iterator

from roamwire.limits import MAX_HOSTS
from sessionhost.core.group import GroupManager


class PolicyWatch:
    """Notes what was told already."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def differing(self, group: GroupManager) -> dict[str, str]:
        """Trusted live servers with another policy, and its hash; older ones tell none."""
        own = group.standing.policy
        others = {each.host: each.message.policy for each in group.topology.live()}
        return {host: policy for host, policy in others.items() if policy and policy != own}

    def news(self, group: GroupManager) -> Iterator[str]:
        """A sentence for each difference that is new, and for each that is over."""
        found = self.differing(group) if group.standing.policy else {}
        for host, policy in found.items():
            if self._told.get(host) != policy and len(self._told) < MAX_HOSTS:
                yield (
                    f"{host} has policy {policy}, we have {group.standing.policy}: export the "
                    "group's folder to every server and reload their hostd"
                )
        live = {each.host for each in group.topology.live()}
        for host in self._told:
            if host in live and host not in found:
                yield f"{host} has our policy again"
        gone = {host: policy for host, policy in self._told.items() if host not in live}
        self._told = {**gone, **found}
