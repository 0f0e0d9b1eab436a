"""What benchmarks need of an X display: see a pixel, press a key, paint on a key. By libX11."""

import ctypes
import ctypes.util
from collections.abc import Callable

_KEY_PRESS, _EXPOSE = 2, 12
_KEY_PRESS_MASK, _EXPOSURE_MASK = 1, 1 << 15
_ALL_PLANES = ctypes.c_ulong(0xFFFFFFFFFFFFFFFF)
_Z_PIXMAP = 2
_REVERT_TO_PARENT = 2
_EVENT_LONGS = 24
"""XEvent is as long as 24 longs (Xlib.h)."""


class XError(OSError):
    """The display or a library is not there."""


def _library(name: str) -> ctypes.CDLL:
    found = ctypes.util.find_library(name)
    if found is None:
        raise XError(f"lib{name} is not installed")
    return ctypes.CDLL(found)


class XDisplay:
    """A connection to an X server."""

    def __init__(self, name: str) -> None:
        x, self._test = _library("X11"), _library("Xtst")
        x.XOpenDisplay.restype = ctypes.c_void_p
        x.XDefaultRootWindow.restype = x.XCreateSimpleWindow.restype = ctypes.c_ulong
        x.XGetImage.restype = ctypes.c_void_p
        x.XGetPixel.restype = ctypes.c_ulong
        x.XDefaultGC.restype = ctypes.c_void_p
        opened = x.XOpenDisplay(name.encode())
        if not opened:
            raise XError(f"no X display {name}")
        self._x = x
        self._display = ctypes.c_void_p(opened)
        self._root = ctypes.c_ulong(x.XDefaultRootWindow(self._display))

    def close(self) -> None:
        """End the connection, and with it our windows."""
        self._x.XCloseDisplay(self._display)

    def pixel(self, x: int, y: int) -> int:
        """What is on the screen at this place, windows and all: 0xRRGGBB."""
        place = (ctypes.c_int(x), ctypes.c_int(y), ctypes.c_uint(1), ctypes.c_uint(1))
        image = self._x.XGetImage(self._display, self._root, *place, _ALL_PLANES, _Z_PIXMAP)
        if not image:
            raise XError("the X server gives no image")
        found = int(self._x.XGetPixel(ctypes.c_void_p(image), 0, 0))
        self._x.XDestroyImage(ctypes.c_void_p(image))
        return found & 0xFFFFFF

    def key(self, code: int, down: bool) -> None:
        """Press or release a key as its keyboard would, by X's number."""
        self._test.XTestFakeKeyEvent(self._display, code, int(down), ctypes.c_ulong(0))
        self._x.XFlush(self._display)

    def point(self, x: int, y: int) -> None:
        """Put the pointer there; without a window manager the window below gets the keys."""
        self._test.XTestFakeMotionEvent(self._display, 0, x, y, ctypes.c_ulong(0))
        self._x.XFlush(self._display)

    def paint_on_keys(self, width: int, height: int, told: Callable[[], None]) -> None:
        """A window that is black or white, and the other after each key press; never returns.

        `told` is called when the window is there.
        """
        x, display = self._x, self._display
        window = ctypes.c_ulong(
            x.XCreateSimpleWindow(display, self._root, 0, 0, width, height, 0, 0, 0)
        )
        x.XSelectInput(display, window, _KEY_PRESS_MASK | _EXPOSURE_MASK)
        x.XMapWindow(display, window)
        gc = ctypes.c_void_p(x.XDefaultGC(display, x.XDefaultScreen(display)))
        event = (ctypes.c_long * _EVENT_LONGS)()
        kind = ctypes.cast(event, ctypes.POINTER(ctypes.c_int))
        colour = 0
        while True:
            x.XNextEvent(display, event)
            if kind[0] == _EXPOSE:
                # Where no window manager is, nobody else gives it the keys.
                x.XSetInputFocus(display, window, _REVERT_TO_PARENT, ctypes.c_ulong(0))
                x.XSync(display, 0)
                told()
            elif kind[0] == _KEY_PRESS:
                colour ^= 0xFFFFFF
            x.XSetForeground(display, gc, ctypes.c_ulong(colour))
            x.XFillRectangle(display, window, gc, 0, 0, width, height)
            x.XFlush(display)
