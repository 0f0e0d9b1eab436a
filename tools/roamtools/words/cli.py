"""`tools/words`: makes docs/screens.md and its pictures, or says whether they are up to date."""

import argparse
import sys
from pathlib import Path

from roamtools.words.page import SHEET_SIZES, SHOWN_SIZE, markdown
from roamtools.words.pictures import make_pictures

DOCS = Path(__file__).resolve().parents[3] / "docs"


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 1920x1080")
    return int(width), int(height)


def main(arguments: list[str] | None = None) -> int:
    """Exit status 1 if `--check` finds an old page or the files cannot be written."""
    parser = argparse.ArgumentParser(prog="words", description="every screen of a terminal as PNG")
    parser.add_argument("--out", type=Path, default=DOCS / "screens", help="folder of the pictures")
    parser.add_argument(
        "--size", type=_size, action="append", help="size of single pictures; may stand repeatedly"
    )
    parser.add_argument("--check", action="store_true", help="only say whether the page is current")
    options = parser.parse_args(arguments)
    page = options.out.with_suffix(".md")
    try:
        if options.check:
            current = page.read_text(encoding="utf-8") == markdown()
            print(f"{page}: {'up to date' if current else 'old: run tools/words'}")
            return 0 if current else 1
        made = make_pictures(options.out, options.size or [SHOWN_SIZE], SHEET_SIZES)
        page.write_text(markdown(), encoding="utf-8")
    except OSError as error:
        print(f"words: {error}", file=sys.stderr)
        return 1
    total = sum(path.stat().st_size for path in made)
    print(f"{page} and {len(made)} pictures, {total / 1e6:.2f} MB")
    return 0
