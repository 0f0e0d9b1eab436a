"""`python -m ...input_painter :N`: the session's program that paints when a key is pressed."""

import sys

from roamtools.bench.x11 import XDisplay

SIDE = 64
"""A small square, so that what is measured is the way there and back, not the painting."""


def main() -> None:
    """Prints a line when the window is there; ends with its X server."""
    XDisplay(sys.argv[1]).paint_on_keys(SIDE, SIDE, lambda: print("painting", flush=True))


if __name__ == "__main__":
    main()
