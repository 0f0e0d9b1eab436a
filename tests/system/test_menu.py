"""The hotkey menu over a real session: looked at, clicked, and what it leads to on the servers."""

import os
import sys
import time

import numpy as np
import pytest
from PIL import Image

from dtu.drivers.display.menu_page import SELECTED
from dtu.drivers.display.words_page import PANEL
from roamtools.demo.desk import Desk, wait_until
from roamtools.lab.lab import Lab

pytestmark = pytest.mark.system

MENU_KEYS = "<ctrl-alt-home>"
WAIT_S = 20.0


@pytest.fixture(scope="module")
def lab():
    with Lab(f"menu-{os.getpid()}") as made:
        made.up(servers=2, desks=2, tied=True)
        yield made


@pytest.fixture
def desk(lab, tmp_path):
    sitting = Desk(lab, "desk1", tmp_path)
    yield sitting
    for name in ("desk1", "desk2"):
        if lab.card(name) is not None:
            lab.remove(name)


def press(desk, text):
    desk.lab.type(desk.name, text)


def menu(desk):
    return desk.state()["menu"]


def words(desk, code):
    wait_until(f"{desk.name} says {code}", lambda: desk.state()["code"] == code)


def colours(desk, path):
    """The screen's pixels as (height, width, 3)."""
    with Image.open(desk.lab.screenshot(desk.name, path)) as image:
        return np.asarray(image.convert("RGB"))


def share(pixels, colour):
    return float((pixels == colour).all(axis=2).mean())


def sessions(lab):
    """Names of all sessions, on whatever server."""
    nodes = [node for node in lab.status(deep=True)["nodes"] if node["kind"] == "server"]
    return {each["session"] for node in nodes for each in node["tells"]["sessions"]}


PLUGGED = "from dtu.drivers.net.carrier import is_plugged; print(is_plugged({!r}))"


def test_a_link_without_its_other_end_is_no_plugged_cable(lab):
    def plugged(interface):
        done = lab.run("desk1", [sys.executable, "-c", PLUGGED.format(interface)])
        return done.stdout.strip()

    for order in ("add ve0 type veth peer name ve1", "set ve0 up"):
        assert lab.run("desk1", ["ip", "link", *order.split()]).returncode == 0
    assert plugged("ve0") == "False"
    assert lab.run("desk1", ["ip", "link", "set", "ve1", "up"]).returncode == 0
    wait_until("the carrier is seen", lambda: plugged("ve0") == "True")
    assert (plugged("eth0"), plugged("nothing")) == ("True", "None")
    assert lab.run("desk1", ["ip", "link", "del", "ve0"]).returncode == 0


def test_the_menu_covers_the_session_and_keys_do_not_reach_it(desk, tmp_path):
    session = desk.insert("A")
    time.sleep(2.0)  # the desktop paints itself
    desk.type_in_editor("before ")
    time.sleep(1.0)
    before = desk.ink()
    press(desk, MENU_KEYS)
    assert menu(desk) == "menu"
    seen = colours(desk, tmp_path / "menu.png")
    assert share(seen, PANEL) > 0.2
    assert share(seen, SELECTED) > 0.02
    assert seen[2, 2].max() <= 63, "the session is darkened"
    press(desk, "not for the editor")
    press(desk, "<down><down>")
    press(desk, "<escape>")
    assert menu(desk) == ""
    time.sleep(0.5)
    assert desk.state()["session"] == session
    assert share(colours(desk, tmp_path / "after.png"), PANEL) < 0.01
    assert (desk.ink() ^ before).sum() < 100, "more than the caret has changed"
    desk.type_in_editor("and after the menu was closed ")
    wait_until("typing reaches the editor again", lambda: (desk.ink() ^ before).sum() > 200)


def test_information_by_mouse(desk, tmp_path):
    desk.insert("A")
    press(desk, MENU_KEYS)
    press(desk, "<down>\n")
    assert menu(desk) == "information"
    pixels = colours(desk, tmp_path / "info.png")
    rows = np.where((pixels == SELECTED).all(axis=2).any(axis=1))[0]
    columns = np.where((pixels[rows[3]] == SELECTED).all(axis=1))[0]
    desk.lab.click(desk.name, int(columns.mean()), int(rows.mean()))  # the bar stands on "Back"
    assert menu(desk) == "menu"
    press(desk, "<escape>")


def test_lock_blanks_and_only_the_card_unlocks(desk):
    session = desk.insert("A")
    with desk.lab.trace(desk.name) as trace:
        press(desk, MENU_KEYS)
        press(desk, "<down><down><down>\n")
        trace.wait("blank", WAIT_S)
    words(desk, 46)
    assert desk.state()["session"] == ""
    time.sleep(1.0)
    assert desk.state()["code"] == 46
    desk.lab.remove(desk.name)
    words(desk, 21)
    assert desk.insert("A") == session


def test_german_until_the_card_is_out(desk):
    desk.insert("A")
    press(desk, MENU_KEYS)
    press(desk, "<down><down>\n<down>\n<escape>")
    desk.lab.remove(desk.name)
    words(desk, 21)
    assert desk.state()["title"] == "Insert your card"


def test_a_second_session_is_made_and_the_first_chosen_again(desk, lab):
    first = desk.insert("B")
    with lab.trace(desk.name) as trace:
        press(desk, MENU_KEYS)
        press(desk, "\n")
        time.sleep(1.0)  # the servers answer
        press(desk, "<down>\n")
        second = trace.wait("first_frame", WAIT_S)["session"]
    assert second != first
    assert {first, second} <= sessions(lab)
    with lab.trace(desk.name) as trace:
        press(desk, MENU_KEYS)
        press(desk, "\n")
        time.sleep(1.0)
        press(desk, "<down>\n")
        assert trace.wait("first_frame", WAIT_S)["session"] == first
    lab.remove(desk.name)
    words(desk, 21)
    assert desk.insert("B") == first, "what was shown last comes back"


def test_signing_off_ends_the_session(desk, lab):
    session = desk.insert("C")
    press(desk, MENU_KEYS)
    press(desk, "<down><down><down><down>\n")
    assert menu(desk) == "sign_off"
    press(desk, "\n")
    assert session in sessions(lab), "the first answer is no"
    press(desk, MENU_KEYS)
    press(desk, "<down><down><down><down>\n<down>\n")
    words(desk, 44)
    wait_until("the session is gone", lambda: session not in sessions(lab))
