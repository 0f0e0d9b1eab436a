"""Emulated cards: `hold` keeps one in the vpcd reader; `make`, `clone`, `authority` make PIV ones.

`python -m roamtools.card hold --control PATH [--port 35963]` is told what to do over a socket, one
JSON object a line: {"op": "insert", "number": "04a1b2c3d4e5f6", "mode": "normal"}, perhaps with
"piv": the file of a PIV card, and "pull_after": a number of commands; {"op": "remove"},
{"op": "state"}.

`python -m roamtools.card make --out alice.json --key 9E=p256 --key 9A=rsa2048 --authority ca/`
"""

import argparse
import sys
from pathlib import Path

from roamtools.card.holder import CardHolder
from roamtools.card.piv_keys import CIPHERS, KEY_TYPES, ManagementKey
from roamtools.card.piv_make import (
    DEFAULT_KEYS,
    Order,
    clone,
    make_authority,
    make_card,
    read_authority,
    write_authority,
)
from roamtools.card.piv_objects import CERTIFICATES
from roamtools.card.piv_state import (
    DEFAULT_MANAGEMENT,
    DEFAULT_PIN,
    DEFAULT_PUK,
    PivState,
)
from roamtools.card.vpcd import VPCD_PORT, VpcdSlot
from roamtools.lab.rpc import serve_forever


def main(arguments: list[str] | None = None) -> int:
    """Exit status 1 if a card or an authority cannot be read or written."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (OSError, ValueError) as error:
        print(f"roamtools.card: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="roamtools.card",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True)
    hold = commands.add_parser("hold", help="hold a card in a virtual reader")
    hold.add_argument("--control", type=Path, required=True, help="Unix socket for orders")
    hold.add_argument("--port", type=int, default=VPCD_PORT, help="TCP port of the vpcd slot")
    hold.set_defaults(run=_hold)
    authority = commands.add_parser("authority", help="make ca.crt and ca.key in a folder")
    authority.add_argument("folder", type=Path)
    authority.add_argument("--name", default="Roamdesk lab cards")
    authority.set_defaults(run=lambda o: write_authority(make_authority(o.name), o.folder))
    copy = commands.add_parser("clone", help="what can be read of a card, with keys of its own")
    copy.add_argument("original", type=Path)
    copy.add_argument("--out", type=Path, required=True)
    copy.set_defaults(run=lambda o: clone(PivState.load(o.original), o.out))
    _add_make(commands.add_parser("make", help="make a card"))
    return parser


def _add_make(make: argparse.ArgumentParser) -> None:
    keys = " ".join(f"{slot:02X}={kind}" for slot, kind in DEFAULT_KEYS.items())
    kinds = ", ".join(KEY_TYPES)
    make.add_argument("--out", type=Path, required=True, help="file that is the card from then on")
    make.add_argument("--subject", default=Order.subject)
    make.add_argument("--guid", type=bytes.fromhex, default=b"", help="16 bytes; default: drawn")
    make.add_argument(
        "--key", type=_key, action="append", help=f"of {kinds}; several; default: {keys}"
    )
    make.add_argument("--authority", type=Path, help="folder of who signs; default: self-signed")
    make.add_argument("--pin", default=DEFAULT_PIN)
    make.add_argument("--puk", default=DEFAULT_PUK)
    make.add_argument(
        "--management",
        type=_management,
        default=DEFAULT_MANAGEMENT,
        help=f"key 9B as ALGORITHM=HEX; {', '.join(f'{each:02X}' for each in CIPHERS)}",
    )
    make.add_argument("--tries", type=int, default=3, help="wrong PINs until it is blocked")
    make.add_argument("--expired", action="store_true", help="with certificates of the past")
    make.add_argument("--compressed", action="store_true", help="certificates in gzip's format")
    make.add_argument("--blocked", action="store_true", help="with no try left")
    make.set_defaults(run=_make)


def _key(text: str) -> tuple[int, str]:
    slot, _, kind = text.partition("=")
    if int(slot, 16) not in CERTIFICATES or kind not in KEY_TYPES:
        raise ValueError(text)
    return int(slot, 16), kind


def _management(text: str) -> ManagementKey:
    algorithm, _, key = text.partition("=")
    return ManagementKey(int(algorithm, 16), bytes.fromhex(key))


def _hold(options: argparse.Namespace) -> None:
    serve_forever(options.control, CardHolder(VpcdSlot(port=options.port)).handle)


def _make(options: argparse.Namespace) -> None:
    order = Order(
        subject=options.subject,
        keys=dict(options.key or DEFAULT_KEYS),
        guid=options.guid,
        signed_by=read_authority(options.authority) if options.authority else None,
        expired=options.expired,
        compressed=options.compressed,
        pin=options.pin,
        puk=options.puk,
        management=options.management,
        tries=options.tries,
    )
    state = make_card(order, options.out)
    if options.blocked:
        state.pin.left = 0
        state.save()


if __name__ == "__main__":
    sys.exit(main())
