"""What keys write by any of XKB's layouts: libxkbcommon and xkb-data. No device is read here.

Bound by ctypes, because the Python binding has no wheels. It is for what the terminal itself asks;
sessions have their own layout.
"""

import ctypes
import functools
import logging
import re
from collections.abc import Collection

from dtu.core.input.codes import LEFT_ALT, LEFT_CONTROL, RIGHT_CONTROL
from dtu.core.input.dead_keys import DEAD_KEYSYMS
from dtu.core.input.events import Leds
from dtu.core.input.layout import Layout
from dtu.core.input.us_layout import UsLayout, keysym_of_named

_LOG = logging.getLogger(__name__)

_LIBRARY = "libxkbcommon.so.0"
_PACKAGES = "apt-get install libxkbcommon0 xkb-data"

# xkbcommon.h
_NO_ENVIRONMENT_NAMES = 1 << 1
_ONLY_CRITICAL = 10
_MODS_DEPRESSED = 1 << 0
_NO_MODIFIER = 0xFFFFFFFF
_CAPS, _NUM = b"Lock", b"Mod2"

_FROM_EVDEV = 8
"""XKB's key codes are Linux's and this: X's begin at 8."""

_LEVEL_SHIFTS = frozenset({0xFE03, 0xFE11, 0xFF7E})
"""ISO_Level3_Shift (AltGr), ISO_Level5_Shift, Mode_switch."""

_KEYPAD = range(0xFF80, 0xFFBE)
_KEYPAD_CODES = range(71, 84)
_UNICODE = 0x01000000

_LATIN_WITH = frozenset({LEFT_CONTROL, RIGHT_CONTROL, LEFT_ALT})
"""A chord such as Ctrl+Alt+M is pressed on Greek and Cyrillic keyboards too."""

_FIRST = re.compile(r"([^,(]+)(?:\(([^)]+)\))?")


class LayoutError(Exception):
    """A layout cannot be loaded; the text says why and what to install."""


class _Names(ctypes.Structure):
    """struct xkb_rule_names"""

    _fields_ = tuple(
        (name, ctypes.c_char_p) for name in ("rules", "model", "layout", "variant", "options")
    )


@functools.cache
def library() -> ctypes.CDLL:
    """libxkbcommon, loaded once, when the first layout is. Raises LayoutError."""
    try:
        xkb = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise LayoutError(f"no {_LIBRARY} ({error}): {_PACKAGES}") from None
    pointer, number = ctypes.c_void_p, ctypes.c_uint32
    for name, result, arguments in (
        ("xkb_context_new", pointer, [ctypes.c_int]),
        ("xkb_context_set_log_level", None, [pointer, ctypes.c_int]),
        ("xkb_context_unref", None, [pointer]),
        ("xkb_keymap_new_from_names", pointer, [pointer, ctypes.POINTER(_Names), ctypes.c_int]),
        ("xkb_keymap_mod_get_index", number, [pointer, ctypes.c_char_p]),
        ("xkb_keymap_unref", None, [pointer]),
        ("xkb_state_new", pointer, [pointer]),
        ("xkb_state_unref", None, [pointer]),
        ("xkb_state_update_key", ctypes.c_int, [pointer, number, ctypes.c_int]),
        ("xkb_state_serialize_mods", number, [pointer, ctypes.c_int]),
        ("xkb_state_update_mask", ctypes.c_int, [pointer, *[number] * 6]),
        ("xkb_state_key_get_one_sym", number, [pointer, number]),
        ("xkb_keysym_to_utf32", number, [number]),
    ):
        function = getattr(xkb, name)
        function.restype, function.argtypes = result, arguments
    return xkb


class XkbLayout:
    """One layout of XKB's; of a list (`us,ru`) the first. Raises LayoutError."""

    def __init__(self, name: str) -> None:
        match = _FIRST.match(name)
        if match is None:
            raise LayoutError(f"no name of a layout: {name!r}")
        self.name = match[0]
        self._xkb = library()
        self._keymap = _compile(self._xkb, match[1].encode(), (match[2] or "").encode())
        self._locks = [self._modifier(each) for each in (_CAPS, _NUM)]

    def __del__(self) -> None:
        if keymap := getattr(self, "_keymap", None):
            self._xkb.xkb_keymap_unref(keymap)

    def keysym(self, code: int, held: Collection[int], leds: Leds) -> int:
        """As `Layout` has it. Enter, arrows and the like are the same on all layouts."""
        keysym = self._ask(code, held, leds)
        if keysym in _LEVEL_SHIFTS:
            return keysym
        if named := keysym_of_named(code):
            return named
        if keysym in DEAD_KEYSYMS or keysym in _KEYPAD:
            return keysym
        # Letters have keysyms of their own from before Unicode: one number a character is enough.
        character = int(self._xkb.xkb_keysym_to_utf32(keysym))
        if character > 0xFF and any(each in _LATIN_WITH for each in held):
            return UsLayout().keysym(code, held, leds)
        if character < 0x20 or 0x7F <= character < 0xA0:
            return 0
        return character if character <= 0xFF else _UNICODE | character

    def _ask(self, code: int, held: Collection[int], leds: Leds) -> int:
        xkb = self._xkb
        state = xkb.xkb_state_new(self._keymap)
        if not state:
            raise MemoryError("libxkbcommon makes no state")
        try:
            for each in held:
                xkb.xkb_state_update_key(state, each + _FROM_EVDEV, 1)
            depressed = xkb.xkb_state_serialize_mods(state, _MODS_DEPRESSED)
            # Neo has arrows on its letters while NumLock is lit, and here it is from the start.
            num = leds.num and code in _KEYPAD_CODES
            locks = zip(self._locks, (leds.caps, num), strict=True)
            locked = sum(mask for mask, lit in locks if lit)
            xkb.xkb_state_update_mask(state, depressed, 0, locked, 0, 0, 0)
            return int(xkb.xkb_state_key_get_one_sym(state, code + _FROM_EVDEV))
        finally:
            xkb.xkb_state_unref(state)

    def _modifier(self, name: bytes) -> int:
        index = self._xkb.xkb_keymap_mod_get_index(self._keymap, name)
        return 0 if index == _NO_MODIFIER else 1 << index


def open_layout(name: str) -> Layout:
    """The layout of a terminal's setting; a US keyboard, with a line in the log, if it fails."""
    if not name:
        return UsLayout()
    try:
        return XkbLayout(name)
    except LayoutError as error:
        _LOG.warning("%s; the terminal itself reads letters as those of a US keyboard", error)
        return UsLayout()


def _compile(xkb: ctypes.CDLL, layout: bytes, variant: bytes) -> int:
    context = xkb.xkb_context_new(_NO_ENVIRONMENT_NAMES)
    if not context:
        raise LayoutError(f"libxkbcommon finds no files of layouts: {_PACKAGES}")
    try:
        # It would write to stderr; what matters is said below.
        xkb.xkb_context_set_log_level(context, _ONLY_CRITICAL)
        names = _Names(b"evdev", b"pc105", layout, variant, b"")
        keymap = xkb.xkb_keymap_new_from_names(context, ctypes.byref(names), 0)
    finally:
        xkb.xkb_context_unref(context)
    if not keymap:
        shown = f"{layout.decode()}({variant.decode()})" if variant else layout.decode()
        raise LayoutError(f"no keyboard layout {shown} (is it named right? {_PACKAGES})")
    return int(keymap)
