"""`tools/qemu test|run|bench|image`: tests or a command in the guest. QEMU's own are elsewhere."""

import argparse
import json
import shutil
import sys
import time
from pathlib import Path

from roamtools.qemu.image import ROOT, ImageError, guest_image
from roamtools.qemu.machine import DISPLAYS, Guest, GuestError
from roamtools.qemu.screen_bench import measure

PICTURES = ROOT / "build" / "qemu" / "pictures"


def main(arguments: list[str] | None = None) -> int:
    """Exit status of what ran in the guest; 1 if it did not start."""
    options = _parser().parse_args(arguments)
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - started:5.1f} s] {text}", flush=True)

    try:
        image = guest_image(say)
        if options.order == "image":
            say(f"the test guest is {image.disk.parent}")
            return 0
        say(f"starting the guest, display {options.display}")
        with Guest(image, options.display, options.qemu.split(), systemd=options.systemd) as guest:
            say("the guest runs")
            if options.order == "bench":
                return _bench(guest, options.timeout)
            done = guest.run(_command(options), options.timeout, _echo)
            kept = _keep_pictures(guest.share, PICTURES / options.display)
            say(f"ended with status {done.status}" + (f"; pictures: {kept}" if kept else ""))
            if options.console:
                print(guest.console)
            return done.status
    except (ImageError, GuestError) as error:
        print(f"qemu: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("qemu: interrupted, the guest is ended", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="qemu", description="Roamdesk's tests in a QEMU guest")
    parser.add_argument("--display", choices=sorted(DISPLAYS), default="virtio")
    parser.add_argument(
        "--systemd", action="store_true", help="boot systemd with the terminal's units"
    )
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds for the command")
    parser.add_argument("--qemu", default="", help="more arguments for QEMU, in one word")
    parser.add_argument("--console", action="store_true", help="print the guest's console")
    orders = parser.add_subparsers(dest="order", required=True)
    orders.add_parser("image", help="make the guest's disk, if it is not there")
    test = orders.add_parser("test", help="run pytest in the guest; default: tests/qemu")
    test.add_argument("arguments", nargs=argparse.REMAINDER, help="for pytest")
    orders.add_parser("bench", help="the screen's cost: console in the guest, headless on the host")
    run = orders.add_parser("run", help="run a command in the guest's /src, which is this tree")
    run.add_argument("arguments", nargs=argparse.REMAINDER, help="the command and its arguments")
    return parser


def _command(options: argparse.Namespace) -> list[str]:
    if options.order == "run":
        return list(options.arguments)
    pytest = ["python3", "-m", "pytest", "-p", "no:cacheprovider", "-v"]
    return [*pytest, *(options.arguments or ["tests/qemu"])]


def _bench(guest: Guest, timeout_s: float) -> int:
    """Print one JSON object: by output and case, milliseconds."""
    command = ["python3", "-m", "roamtools.qemu.screen_bench", "console"]
    done = guest.run(command, timeout_s)
    if done.status != 0:
        print(done.output, file=sys.stderr)
        return done.status
    console = json.loads(done.output.splitlines()[-1])
    print(json.dumps({"headless_on_host": measure("headless"), "console_in_guest": console}))
    return 0


def _echo(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _keep_pictures(share: Path, folder: Path) -> Path | None:
    pictures = sorted(share.glob("*.png"))
    if not pictures:
        return None
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for picture in pictures:
        shutil.copy(picture, folder)
    return folder
