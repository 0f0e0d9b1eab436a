"""The files that a node has for itself: accounts, names, PAM, reader; its keys are not here."""

import os
from pathlib import Path

from roamtools.lab import plan
from roamtools.lab.daemons import READER_CONFIG


def make_node_files(node_dir: Path, name: str, kind: str, ipv6_only: bool) -> None:
    """Make a node's directory with etc, state and logs."""
    for path in (node_dir, *(node_dir / part for part in ("etc", "state", "logs"))):
        path.mkdir(parents=True, mode=0o755)
        path.chmod(0o755)
    etc = node_dir / "etc"
    (etc / "roamdesk").mkdir()
    (etc / "hostname").write_text(f"{name}\n")
    (etc / "hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {name}\n")
    names = plan.SWITCH_ADDRESS6 if ipv6_only else plan.SWITCH_ADDRESS
    (etc / "resolv.conf").write_text(f"nameserver {names}\n" * (kind == "server"))
    (etc / "passwd").write_text(plan.passwd_file())
    (etc / "group").write_text(plan.group_file())
    shadow = etc / "shadow"
    shadow.touch(mode=0o640)
    shadow.write_text(plan.shadow_file())
    os.chown(shadow, 0, 42)
    if kind == "server":
        _copy_pam_services(etc / "pam.d")
    else:
        (etc / "reader.conf.d").mkdir()
        (etc / "reader.conf.d" / "vpcd").write_text(READER_CONFIG)
    for path in etc.rglob("*"):
        if path != shadow:
            path.chmod(0o755 if path.is_dir() else 0o644)


def _copy_pam_services(target: Path) -> None:
    """The PAM services of the project, which a package would install."""
    source = plan.project_root() / "server" / "etc" / "pam.d"
    target.mkdir()
    if source.is_dir():
        for file in source.iterdir():
            (target / file.name).write_bytes(file.read_bytes())


def make_home(home: Path) -> None:
    """The shared home directories: they stand for the data server, and outlive every server."""
    home.mkdir(mode=0o755)
    home.chmod(0o755)
    for user in plan.PEOPLE:
        directory = home / user.name
        directory.mkdir(mode=0o700)
        os.chown(directory, user.uid, user.uid)
