"""Makes a lab's groups, identities and registry with `roamctl`, as an administrator would."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from roamtools.lab import plan
from roamtools.lab.rpc import Refusal

GROUP, WRONG_GROUP = "group", "wrong-group"
HOST_USER, _, ENROL_USER = plan.DAEMON_USERS


def roamctl(*arguments: str | Path) -> None:
    """Run it as an administrator would; Refusal with its words if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "sessionhost.app.roamctl", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,  # Ctrl-C is for us, who then end it
    )
    if done.returncode:
        what = " ".join(map(str, arguments[:2]))
        raise Refusal(f"roamctl {what}: {done.stderr.strip() or done.stdout.strip()}")


class Credentials:
    """The lab's own certificate authority, under the lab's directory."""

    def __init__(self, lab_dir: Path) -> None:
        self._dir = lab_dir / "credentials"

    @property
    def group_dir(self) -> Path:
        """The group's folder, which only its administrator has."""
        return self._dir / GROUP

    def create(self, policy: str = "") -> None:
        """The group with its policy, and a registry with the lab's cards; some 2 s."""
        self._dir.mkdir(mode=0o700)
        roamctl("group", "create", "--dir", self._dir / GROUP, "--name", plan.GROUP_NAME)
        if policy:
            (self.group_dir / "policy.toml").write_text(policy)
        for card in plan.CARDS.values():
            roamctl(
                *("token", "add", card.token, card.owner),
                *("--registry", self._dir / "registry.sqlite"),
            )

    def create_wrong_group(self) -> None:
        """Another group, for a server that has the right CA and the wrong secret."""
        if not (self._dir / WRONG_GROUP).exists():
            roamctl("group", "create", "--dir", self._dir / WRONG_GROUP, "--name", "other")

    def equip_server(self, name: str, node_dir: Path, wrong_secret: bool) -> None:
        """Certificate, group secret and registry, where server.toml says they are."""
        issued = self._dir / name
        roamctl("server", "issue", name, "--group", self.group_dir, "--out", issued, "--force")
        target = node_dir / "etc" / "roamdesk"
        # Both network daemons show the certificate, hostd alone signs for the group.
        key = [issued / "server.crt", issued / "server.key"]
        _install(key, target, 0, plan.KEY_READERS_GID, 0o640)
        secret = issued / "group" / "secret"
        if wrong_secret:
            self.create_wrong_group()
            secret = self._dir / WRONG_GROUP / "secret"
        secrets = [secret, issued / "group" / "audit.key"]
        if (previous := issued / "group" / "secret.previous").exists():
            secrets.append(previous)
        public = [issued / "group" / name for name in ("ca.crt", "desk-ca.crt", "policy.toml")]
        _install([*public, *secrets], target / "group", HOST_USER.uid, HOST_USER.uid, 0o600)
        desk_ca = [issued / "group" / "desk-ca.key"]
        _install(desk_ca, target / "group", ENROL_USER.uid, ENROL_USER.uid, 0o600)
        registry = node_dir / "state" / "registry.sqlite"
        if not registry.exists():
            shutil.copy(self._dir / "registry.sqlite", registry)
            os.chown(registry, HOST_USER.uid, HOST_USER.uid)
            os.chown(registry.parent, HOST_USER.uid, HOST_USER.uid)

    def equip_desk(self, name: str, node_dir: Path, enrols: bool) -> None:
        """Certificate and the CA's certificate, nothing of the group's secret.

        One that `enrols` has what an image has: the CA's certificate alone.
        """
        target = node_dir / "etc" / "roamdesk"
        if enrols:
            _install([self.group_dir / "ca.crt"], target, 0, 0, 0o600)
            return
        issued = self._dir / name
        roamctl("dtu", "issue", name, "--group", self.group_dir, "--out", issued)
        files = [issued / "ca.crt", issued / "dtu.crt", issued / "dtu.key"]
        _install(files, target, 0, 0, 0o600)


def _install(files: Sequence[Path], target: Path, owner: int, group: int, mode: int) -> None:
    """Copy files into a directory; certificates are for everybody, for the others `mode` says."""
    target.mkdir(parents=True, exist_ok=True)
    target.chmod(0o755)
    for file in files:
        place = target / file.name
        shutil.copy(file, place)
        place.chmod(0o644 if file.suffix in (".crt", ".toml") else mode)
        os.chown(place, owner, group)
