"""roamctl: the command line of people who run servers. What the commands do is in their modules."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from roamwire.settings import SettingsError
from sessionhost.adapters.certificates import PkiError
from sessionhost.adapters.invitations import InvitationError
from sessionhost.adapters.keyfiles import KeyFileError
from sessionhost.adapters.registry_schema import RegistryError
from sessionhost.adapters.terminal_store import StoreError
from sessionhost.app import (
    roamctl_audit,
    roamctl_cards,
    roamctl_group,
    roamctl_note,
    roamctl_registry,
    roamctl_status,
)
from sessionhost.app.config import DEFAULT_PATH, SETTINGS, load_values
from sessionhost.app.daemon import StartError
from sessionhost.app.roamctl_answer import Answer, RoamctlError

EXIT_FAILED = 1

_REFUSED = (
    RoamctlError, SettingsError, KeyFileError, PkiError, RegistryError, StoreError, StartError,
    InvitationError,
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    args = _parser().parse_args(argv)
    try:
        answer: Answer = args.run(args)
        roamctl_note.note(args)
    except (*_REFUSED, OSError) as error:
        roamctl_note.note(args, failed=True)
        if args.json:
            print(json.dumps({"error": str(error)}))
        else:
            print(f"roamctl: {error}", file=sys.stderr)
        return EXIT_FAILED
    if args.json:
        print(json.dumps(answer.data))
    else:
        print("\n".join(answer.lines))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("roamctl", description="Runs a Roamdesk server and its group.")
    common = _common_options()
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    roamctl_group.add_commands(commands, common)
    token = roamctl_registry.add_commands(commands, common)
    roamctl_cards.add_commands(commands, common, token)
    roamctl_status.add_commands(commands, common)
    roamctl_audit.add_commands(commands, common)
    show = commands.add_parser(
        "show-config", parents=[common], help="the settings in force, as TOML"
    )
    show.set_defaults(run=_show_config)
    return parser


def _common_options() -> argparse.ArgumentParser:
    """The options that every command has, so that they may stand at the end of the line."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--config", type=Path, default=DEFAULT_PATH, help=f"the server's settings ({DEFAULT_PATH})"
    )
    parser.add_argument("--registry", type=Path, help="the registry file instead of the config's")
    return parser


def _show_config(args: argparse.Namespace) -> Answer:
    values = load_values(args.config)
    return Answer(values, SETTINGS.show(values).splitlines())


if __name__ == "__main__":
    sys.exit(main())
