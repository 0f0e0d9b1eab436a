"""RFB servers that others wrote: what is seen is what they show, input arrives. No gateway here."""

import json
import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from viewer import PATIENCE_S, Viewer, connect, free_port
from x_client import XClient

from dtu.core.rfb import LedState, Rect, Resized, Updated
from dtu.core.rfb.requests import COPY_RECT, HEXTILE, PICTURES, RAW, RRE, TIGHT, ZRLE
from dtu.core.timing import PICTURE_ANSWER_S

pytestmark = pytest.mark.system

WIDTH, HEIGHT = 640, 400
EXAMPLES = Path("/usr/share/doc/libvncserver-dev/examples")

PREFERENCES = {
    "ours": PICTURES,
    "tight": (TIGHT, COPY_RECT),
    "zrle": (ZRLE, COPY_RECT),
    "hextile": (HEXTILE, COPY_RECT),
    "rre": (RRE, COPY_RECT),
    "raw": (RAW,),
}


END_S = 2.0


@pytest.fixture
def processes():
    """Starts programs; they are ended in reverse order."""
    running = []

    def start(*command, **options):
        running.append(subprocess.Popen(command, **options))
        return running[-1]

    yield start
    for process in reversed(running):
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:  # x11vnc can lock up in its handler of SIGTERM
            process.kill()
            process.wait(PATIENCE_S)


def display_of(processes, tmp_path, *command, **options):
    """Start an X server; gives its display."""
    ready, told = os.pipe()
    with (tmp_path / "x.log").open("wb") as log:
        processes(*command, "-displayfd", str(told), pass_fds=(told,), stderr=log, **options)
    os.close(told)
    with os.fdopen(ready) as stream:
        return f":{stream.readline().strip()}"


def known_picture(width=WIDTH, height=HEIGHT):
    """Soft colours with noise, few colours, and one colour."""
    random = np.random.default_rng(11)
    y, x = np.mgrid[0:height, 0:width]
    picture = np.zeros((height, width, 4), np.uint8)
    soft = np.stack([x * 255 // width, y * 255 // height, (x + y) // 8], -1)
    picture[:, :, :3] = np.clip(soft + random.integers(-3, 4, soft.shape), 0, 255)
    few = random.integers(0, 256, (6, 3))
    picture[: height // 2, width // 2 :, :3] = few[
        random.integers(0, 6, (height // 2, width - width // 2))
    ]
    picture[height // 2 :, width // 2 :, :3] = (0x99, 0x66, 0x33)
    return picture


def same(viewer, wanted):
    return viewer.picture.shape == wanted.shape and (viewer.picture == wanted).all()


def answers_for_a_pixel(viewer):
    """The terminal asks for one that has not changed to see that the session is there."""
    end = time.monotonic() + 1
    while time.monotonic() < end:
        viewer.read()  # what was on its way
    viewer.events.clear()
    viewer.client.ask_again([Rect(0, 0, 1, 1)])
    end = time.monotonic() + PICTURE_ANSWER_S
    while time.monotonic() < end:
        viewer.read()
        came = [each for each in viewer.events if isinstance(each, Updated)]
        if any(rect[:2] == (0, 0) for each in came for rect in each.rects + each.same):
            return True
    return False


# -- X servers: TigerVNC's own, and x11vnc in front of another


@pytest.fixture(params=["Xtigervnc", "x11vnc"])
def served(request, processes, tmp_path):
    """(display, RFB address) of an X server of 640x400."""
    if request.param == "Xtigervnc":
        rfb = tmp_path / "rfb.sock"
        command = ("Xtigervnc", "-rfbunixpath", str(rfb), "-rfbport", "-1", "-nolisten", "tcp")
        options = ("-SecurityTypes", "None", "-depth", "24", "-geometry", f"{WIDTH}x{HEIGHT}")
        return display_of(processes, tmp_path, *command, *options), rfb
    screen = ("-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-nolisten", "tcp")
    display = display_of(processes, tmp_path, "Xvfb", *screen)
    port = free_port()
    with (tmp_path / "x11vnc.log").open("wb") as log:
        processes(
            *("x11vnc", "-display", display, "-rfbport", str(port), "-localhost", "-nopw"),
            *("-forever", "-shared", "-nocursor", "-noipv6", "-q"),
            stderr=log,
        )
    return display, port


@pytest.mark.parametrize("preference", PREFERENCES)
def test_the_picture_is_the_display_s(served, preference):
    display, address = served
    with XClient(display) as x:
        x.put_picture(known_picture())
        with Viewer(address, quality=None, pictures=PREFERENCES[preference]) as viewer:
            viewer.until(lambda: same(viewer, x.picture()), "the picture")
            x.put_picture(known_picture()[::-1].copy())
            viewer.until(lambda: same(viewer, x.picture()), "the changed picture")


def test_a_pixel_that_has_not_changed_comes_when_it_is_asked_for(served):
    with Viewer(served[1]) as viewer:
        assert answers_for_a_pixel(viewer)


def test_keys_and_pointer_arrive(served, processes, tmp_path):
    display, address = served
    typed = tmp_path / "typed.txt"
    line = f"echo > {typed}.ready; IFS= read -r line; printf '%s' \"$line\" > {typed}"
    processes(
        *("xterm", "-display", display, "-u8", "-geometry", "80x20+0+0", "-e", "sh", "-c", line),
        stderr=subprocess.DEVNULL,
    )
    with XClient(display) as x, Viewer(address) as viewer:
        viewer.until((tmp_path / "typed.txt.ready").exists, "xterm")
        viewer.client.send_pointer(50, 60, 0)
        viewer.until(lambda: x.pointer() == (50, 60, 0), "the pointer")
        viewer.client.send_pointer(51, 61, 1)
        viewer.until(lambda: x.pointer() == (51, 61, 1), "the button")
        viewer.client.send_pointer(51, 61, 0)
        # Both have a US keyboard: keysym and scan code say the same, whichever they heed.
        for keysym, code in (
            (0x68, 0x23),
            (0x69, 0x17),
            (0x20, 0x39),
            (0x31, 0x02),
            (0xFF0D, 0x1C),
        ):
            viewer.key(keysym, code)
        viewer.until(typed.exists, "the line")
        viewer.until(lambda: typed.read_text() == "hi 1", "the text")


# -- QEMU's own server


class Qemu:
    """A machine without a disk: its BIOS has a boot menu and says in the end that there is none."""

    def __init__(self, processes, folder):
        self.rfb, self.qmp, self.log = (folder / name for name in ("rfb", "qmp", "log"))
        self.folder = folder
        processes(
            *("qemu-system-x86_64", "-accel", "tcg", "-m", "64", "-nodefaults", "-vga", "std"),
            *("-display", "none", "-vnc", f"unix:{self.rfb}", "-boot", "menu=on,splash-time=60000"),
            *("-usb", "-device", "usb-tablet", "-name", "bench", "-net", "none"),
            *("-qmp", f"unix:{self.qmp},server=on,wait=off"),
            *("-trace", "input_event_*", "-trace", "vnc_key_event_ext", "-D", str(self.log)),
        )
        self._socket = connect(self.qmp)
        self._lines = self._socket.makefile("rw")
        self._lines.readline()
        self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        self._lines.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._lines.flush()
        while "event" in (answer := json.loads(self._lines.readline())):
            pass
        assert "return" in answer, answer
        return answer["return"]

    def screenshot(self):
        """(height, width, 3) in BGR."""
        path = self.folder / "shot.ppm"
        self.ask("screendump", filename=str(path))
        head, size, _, data = path.read_bytes().split(b"\n", 3)
        assert head == b"P6"
        width, height = map(int, size.split())
        return np.frombuffer(data, np.uint8).reshape(height, width, 3)[:, :, ::-1]

    def close(self):
        self._lines.close()
        self._socket.close()


@pytest.fixture
def qemu(processes, tmp_path):
    made = Qemu(processes, tmp_path)
    yield made
    made.close()


def almost(picture, wanted):
    """Equal but for the blinking of a text cursor."""
    return picture.shape == wanted.shape and (picture != wanted).any(axis=2).sum() <= 64


@pytest.mark.parametrize("preference", PREFERENCES)
def test_qemu(qemu, preference):
    with Viewer(qemu.rfb, quality=None, pictures=PREFERENCES[preference]) as viewer:
        viewer.until(
            lambda: viewer.picture.any() and almost(viewer.picture, qemu.screenshot()), "the BIOS"
        )
        before = viewer.picture.copy()
        viewer.key(0xFF1B, 0x01)  # Esc: the boot menu
        viewer.until(
            lambda: viewer.picture.shape != before.shape or (viewer.picture != before).sum() > 1000,
            "the menu",
        )
        viewer.until(lambda: almost(viewer.picture, qemu.screenshot()), "the menu as it is")


def test_qemu_sends_a_pixel_that_has_not_changed(qemu):
    with Viewer(qemu.rfb) as viewer:
        assert answers_for_a_pixel(viewer)


def test_qemu_gets_scan_codes_and_the_pointer(qemu):
    with Viewer(qemu.rfb) as viewer:
        for keysym, code in ((0x61, 0x1E), (0xFF52, 0xE048), (0, 0x2C)):
            viewer.key(keysym, code)
        viewer.client.send_pointer(100, 50, 1)
        viewer.read()
        viewer.client.send_pointer(100, 50, 0)
        viewer.until(lambda: "button left, down 0" in qemu.log.read_text(), "the button")
    log = qemu.log.read_text()
    # QEMU's own names of the keys, from the scan codes: the last one came without a keysym.
    for name in ("a", "up", "z"):
        assert f"key qcode {name}, down 1" in log
        assert f"key qcode {name}, down 0" in log
    assert "button left, down 1" in log


def test_qemu_tells_its_lamps_and_its_name(qemu):
    with Viewer(qemu.rfb) as viewer:
        assert viewer.events[0].name == "QEMU (bench)"
        viewer.key(0xFFE5, 0x3A)
        viewer.until(lambda: viewer.last(LedState), "lamps")


# -- libvncserver's examples, as Debian ships them


@pytest.fixture
def example(processes, tmp_path):
    """Compiles and starts an example; gives its port."""

    def start(name, *arguments):
        program = tmp_path / name
        (source,) = EXAMPLES.rglob(f"{name}.c")  # Debian 13 has them in a folder of their own
        subprocess.run(
            ["cc", "-w", str(source), f"-I{source.parent}", "-lvncserver", "-o", str(program)],
            check=True,
        )
        port = free_port()
        processes(
            *(str(program), *arguments, "-rfbport", str(port), "-listen", "127.0.0.1"),
            stderr=subprocess.DEVNULL,
            cwd=tmp_path,
        )
        return port

    return start


@pytest.mark.parametrize("preference", PREFERENCES)
def test_libvncserver_shows_a_picture_file(example, tmp_path, preference):
    picture = known_picture()[:, :, :3]
    file = tmp_path / "picture.ppm"
    file.write_bytes(f"P6\n{WIDTH} {HEIGHT}\n255\n".encode() + picture[:, :, ::-1].tobytes())
    with Viewer(
        example("pnmshow", str(file)), quality=None, pictures=PREFERENCES[preference]
    ) as viewer:
        viewer.until(lambda: same(viewer, picture), "the picture")
        assert viewer.events[0].name == str(file)


def test_libvncserver_sends_a_pixel_that_has_not_changed(example):
    with Viewer(example("example")) as viewer:
        assert answers_for_a_pixel(viewer)


def test_libvncserver_obeys_and_changes_its_size(example):
    with Viewer(example("example"), quality=None) as viewer:
        assert viewer.picture.shape == (600, 800, 3)
        viewer.client.send_pointer(100, 100, 1)
        viewer.client.send_pointer(200, 150, 1)
        viewer.client.send_pointer(200, 150, 0)
        viewer.until(lambda: viewer.picture[125, 150].min() == 255, "the line")
        viewer.key(0xFF52)
        viewer.until(lambda: viewer.last(Resized) and viewer.client.painted, "the larger screen")
        assert viewer.picture.shape == (768, 1024, 3)
        viewer.key(0xFF1B)
        viewer.until(lambda: viewer.closed, "the end")
