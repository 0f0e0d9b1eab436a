"""Scan codes in a real Xtigervnc: each keyboard layout writes its own characters."""

import os
import re
import select
import socket
import subprocess
import time

import pytest

from dtu.core.input.codes import SCAN_CODES
from dtu.core.rfb import LedState, RfbClient
from roamtools.demo.desk import EDITOR, Desk, wait_until
from roamtools.lab.lab import Lab
from sessionhost.adapters import xserver

pytestmark = pytest.mark.system

PATIENCE_S = 20.0
LEFT_SHIFT, ALT_GR, CAPS, NUM = 42, 100, 58, 69


class Typist:
    """A real session with xev in it: types key codes, reads what X made of them."""

    def __init__(self, folder):
        path = folder / "rfb.sock"
        self.children = []
        ready, told = os.pipe()
        options = [each for each in xserver.command(told, "-", 640, 400, "t") if "Raw" in each]
        with (folder / "x.log").open("wb") as log:
            self.start(
                # A number that nobody else takes: xev looks in the whole network namespace first.
                *("Xtigervnc", f":{50_000 - os.getpid() % 10_000}", "-displayfd", str(told)),
                *("-rfbunixpath", str(path), *options),
                *("-rfbport", "-1", "-SecurityTypes", "None", "-nolisten", "tcp"),
                *("-geometry", "640x400", "-depth", "24"),
                pass_fds=(told,),
                stderr=log,
            )
        os.close(told)
        with os.fdopen(ready) as stream:
            display = f":{stream.readline().strip()}"
        self.env = {**os.environ, "DISPLAY": display, "LC_ALL": "C.UTF-8"}
        self.client = RfbClient()
        self.leds = []
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.xev = self.start(
            *("xev", "-geometry", "640x400+0+0", "-event", "keyboard"),
            env=self.env,
            stdout=subprocess.PIPE,
        )
        os.set_blocking(self.xev.stdout.fileno(), False)
        self.seen = b""
        self.until(lambda: self.client.painted)
        self.client.send_pointer(320, 200, 0)
        self.layout("us")

    def start(self, *command, **options):
        child = subprocess.Popen(command, **options)
        self.children.append(child)
        return child

    def layout(self, name):
        subprocess.run(["setxkbmap", *name.split()], env=self.env, check=True, timeout=PATIENCE_S)
        # The window must be there and have the focus before anything is typed.
        self.until(self.answers)
        before = b""
        while self.seen != before:
            before = self.seen
            self.step(0.1)
            self.step(0.1)
        self.seen = b""

    def answers(self):
        self.press(1)
        self.release(1)
        self.step(0.1)
        return b"Escape" in self.seen

    def step(self, seconds=0.02):
        self.socket.sendall(self.client.data_to_send())
        sources = [self.socket, self.xev.stdout]
        for source in select.select(sources, [], [], seconds)[0]:
            if source is self.socket:
                self.client.receive_data(self.socket.recv(1 << 18))
            else:
                self.seen += os.read(source.fileno(), 1 << 16)
        while (event := self.client.next_event()) is not None:
            if isinstance(event, LedState):
                self.leds.append(event)

    def until(self, condition):
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end, f"this did not happen in time: {self.seen[-2000:]}"
            self.step()

    def press(self, code):
        self.client.send_extended_key(0, SCAN_CODES[code], True)

    def release(self, code):
        self.client.send_extended_key(0, SCAN_CODES[code], False)

    def stroke(self, code, *held):
        for each in (*held, code):
            self.press(each)
        for each in (code, *reversed(held)):
            self.release(each)

    def events(self):
        """(pressed, keycode) of each event so far."""
        found = re.findall(rb"(KeyPress|KeyRelease) event.*?keycode (\d+)", self.seen, re.DOTALL)
        return [(kind == b"KeyPress", int(code)) for kind, code in found]

    def typed(self):
        """What an input method makes of the presses so far."""
        # What the input method has kept for itself is "filtered", and comes composed later.
        lines = re.findall(
            rb"XmbLookupString gives \d+ bytes: \(([0-9a-f ]*)\)[^\n]*\n\s*XFilterEvent returns: F",
            self.seen,
        )
        return bytes.fromhex(b"".join(lines).decode()).decode()

    def close(self):
        self.socket.close()
        for child in reversed(self.children):
            child.terminate()
            child.wait(PATIENCE_S)
        self.xev.stdout.close()


KEY_Q, KEY_Y, KEY_Z, KEY_SEMICOLON = 16, 21, 44, 39
LEFT_CONTROL, KEY_S = 29, 31


def test_a_session_writes_by_the_layout_of_the_desk_that_shows_it(tmp_path):
    """One session, two desks; neither tells what a key writes, only which key it is."""
    with Lab(f"layouts-{os.getpid()}") as lab:
        lab.up(servers=1, desks=0, tied=True)
        desks = {
            layout: Desk(lab, lab.add_desk(settings={"keyboard_layout": layout}), tmp_path)
            for layout in ("us", "de", "")
        }

        def strike(desk, *codes):
            with lab.bench(desk.name) as bench:
                for down, each in ((True, codes), (False, reversed(codes))):
                    for code in each:
                        bench.order(op="key", keysym=0, code=code, down=down)

        def written():
            notes = list((lab.directory / "home").glob("*/notes.txt"))
            return notes[0].read_text() if notes else ""

        def write(layout, expected):
            """Four keys in the editor at the desk with that layout; gives the session's name."""
            desk = desks[layout]
            session = desk.insert("A")
            wait_until("the editor is there", lambda: desk.ink().mean() < 0.2)
            lab.click(desk.name, (EDITOR[0] + EDITOR[2]) // 2, (EDITOR[1] + EDITOR[3]) // 2)
            for code in (KEY_Q, KEY_Y, KEY_Z, KEY_SEMICOLON):
                strike(desk, code)
            strike(desk, LEFT_CONTROL, KEY_S)
            wait_until(f"{expected!r} is saved", lambda: written().strip() == expected)
            desk.remove()
            return session

        first = write("us", "qyz;")
        assert write("de", "qyz;qzyö") == first
        assert write("", "qyz;qzyöqzyö") == first, "a desk without a layout changes nothing"
        assert write("us", "qyz;qzyöqzyöqyz;") == first


@pytest.fixture(scope="module")
def typist(tmp_path_factory):
    made = Typist(tmp_path_factory.mktemp("x"))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("layout", "strokes", "text"),
    [
        ("us", [(16,), (21, LEFT_SHIFT), (3,), (3, LEFT_SHIFT), (43,)], "qY2@\\"),
        ("de", [(16,), (21, LEFT_SHIFT), (39,), (16, ALT_GR), (18, ALT_GR), (12,)], "qZö@€ß"),
        ("de", [(13,), (18,), (41,), (30, LEFT_SHIFT)], "éÂ"),  # dead acute, dead circumflex
        ("fr", [(16,), (2,), (2, LEFT_SHIFT), (3,), (11, ALT_GR), (86,)], "a&1é@<"),
        ("fr", [(26,), (18,), (26, LEFT_SHIFT), (23,)], "êï"),
        ("ru", [(16,), (17, LEFT_SHIFT), (52,), (41,)], "йЦюё"),
        ("us -variant intl", [(40,), (18,), (16, ALT_GR)], "éä"),
    ],
)
def test_scan_codes_write_what_the_layout_says(typist, layout, strokes, text):
    typist.layout(layout)
    for code, *held in strokes:
        typist.stroke(code, *held)
    typist.until(lambda: len(typist.typed()) >= len(text))
    assert typist.typed() == text


def test_every_scan_code_is_the_key_that_it_should_be(typist):
    typist.layout("us")
    missing = {}
    for code in SCAN_CODES:
        if code in (CAPS, NUM):
            continue
        typist.seen = b""
        typist.stroke(code)
        # X's numbers of keys are Linux's plus 8.
        end = time.monotonic() + 1.0
        while len(typist.events()) < 2 and time.monotonic() < end:
            typist.step()
        if typist.events() != [(True, code + 8), (False, code + 8)]:
            missing[code] = typist.events()
    assert missing == {}


def test_a_second_press_repeats(typist):
    typist.layout("us")
    for _ in range(3):
        typist.press(30)
    typist.release(30)
    # X tells its clients of a repeat as of a release and a press.
    typist.until(lambda: typist.events() == [(True, 38), (False, 38)] * 3)
    assert typist.typed() == "aaa"


def test_the_server_itself_repeats_nothing(typist):
    typist.layout("us")
    typist.press(30)
    end = time.monotonic() + 1.2
    while time.monotonic() < end:
        typist.step()
    typist.release(30)
    typist.until(lambda: typist.events()[-1:] == [(False, 38)])
    assert typist.typed() == "a"


def test_the_session_tells_its_locks(typist):
    typist.layout("us")
    before = len(typist.leds)
    typist.stroke(CAPS)
    typist.until(lambda: len(typist.leds) > before)
    assert typist.leds[-1].caps
    typist.stroke(CAPS)
    typist.until(lambda: not typist.leds[-1].caps)


def test_a_viewer_that_goes_leaves_no_key_down(typist):
    """Last of all: the connection is gone afterwards."""
    typist.layout("us")
    typist.press(30)
    typist.press(LEFT_SHIFT)
    typist.until(lambda: len(typist.events()) == 2)
    path = typist.socket.getpeername()
    typist.socket.close()
    typist.socket = socket.socket(socket.AF_UNIX)
    typist.socket.connect(path)
    typist.client = RfbClient()
    typist.until(lambda: len(typist.events()) == 4)
    assert sorted(typist.events()[2:]) == [(False, 38), (False, 50)]
