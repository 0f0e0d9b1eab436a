"""A desk as a person at it sees it: cards, keys, pictures. The lab's plumbing is not here."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from roamtools.lab.lab import Lab

WAIT_S = 20.0
"""Generous: what is measured is measured by benchmarks, here it only must happen."""

DARK = 110
"""Grey value below which a pixel is ink, on the editor's white paper."""

EDITOR = (640, 56, 1262, 780)
"""The editor's paper on a 1280x800 desktop: left, top, right, bottom in pixels."""

Ink = NDArray[np.bool_]


class StepFailed(Exception):  # noqa: N818 - a step of the story, not an error of this program
    """What was expected did not happen; the text says what came instead."""


def wait_until(what: str, holds: Callable[[], bool], timeout_s: float = WAIT_S) -> None:
    """Look ten times a second until it holds; StepFailed after the time."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline:
            raise StepFailed(f"{what}: not within {timeout_s:.0f} s")
        time.sleep(0.1)


class Desk:
    """One desk of a lab."""

    def __init__(self, lab: Lab, name: str, pictures: Path) -> None:
        self.lab = lab
        self.name = name
        self._pictures = pictures

    def state(self) -> dict[str, Any]:
        """What the terminal says of itself."""
        return self.lab.desk_state(self.name)

    @property
    def server(self) -> str:
        """The server that the terminal is connected to."""
        return str(self.state()["server"])

    def insert(self, card: str, hurried: bool = False) -> str:
        """Put a card in and wait for its session's picture; gives the session's name."""
        with self.lab.trace(self.name) as trace:
            self.lab.insert(self.name, card, hurried=hurried)
            return str(trace.wait("first_frame", WAIT_S)["session"])

    def remove(self) -> float:
        """Pull the card; gives ms from the reader's event to the blank screen."""
        with self.lab.trace(self.name) as trace:
            self.lab.remove(self.name)
            out = trace.wait("card", WAIT_S, kind="CardRemoved")
            blank = trace.wait("blank", WAIT_S)
        return float((blank["t"] - out["at"]) * 1000)

    def type_in_editor(self, text: str) -> None:
        """Click into the editor, type, save with Ctrl-S."""
        left, top, right, bottom = EDITOR
        self.lab.click(self.name, (left + right) // 2, (top + bottom) // 2)
        self.lab.type(self.name, text)
        self.lab.type(self.name, "<ctrl-s>")

    def picture(self, title: str) -> Path:
        """A screenshot, kept under that title for the contact sheet."""
        number = len(list(self._pictures.glob("*.png")))
        name = "".join(c if c.isalnum() else "-" for c in title)
        return self.lab.screenshot(self.name, self._pictures / f"{number:02d}-{name}.png")

    def ink(self) -> Ink:
        """Which pixels of the editor's paper are dark now, (height, width)."""
        path = self.lab.screenshot(self.name, self._pictures / "look.png")
        with Image.open(path) as image:
            paper = image.convert("L").crop(EDITOR)
            pixels = np.asarray(paper) < DARK
        path.unlink()
        return pixels

    def wait_for_text(self, ink: Ink) -> None:
        """Wait until the editor shows the same text as `ink` was taken from."""
        wait_until(
            f"the text is on the screen of {self.name}", lambda: likeness(ink, self.ink()) > 0.9
        )


def likeness(one: Ink, other: Ink) -> float:
    """Shared share of two texts' ink, 0 to 1; a blinking caret costs a few percent at most."""
    union = int((one | other).sum())
    return int((one & other).sum()) / union if union else 0.0
