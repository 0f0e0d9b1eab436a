"""Numbers of keys: Linux's key codes, and PC scan codes (set 1) for them. Characters are not here.

Codes are those of linux/input-event-codes.h; scan codes are what a PC keyboard in set 1 sends for
the key, with 0xe0 in the high byte where it sends that first. RFB's extended key event carries
them.
"""

LEFT_CONTROL, LEFT_SHIFT, RIGHT_SHIFT, LEFT_ALT = 29, 42, 54, 56
RIGHT_CONTROL, RIGHT_ALT, LEFT_META, RIGHT_META = 97, 100, 125, 126
CAPS_LOCK, NUM_LOCK, SCROLL_LOCK = 58, 69, 70

SHIFTS = frozenset({LEFT_SHIFT, RIGHT_SHIFT})
LOCKS = frozenset({CAPS_LOCK, NUM_LOCK, SCROLL_LOCK})
MODIFIERS = SHIFTS | {
    LEFT_CONTROL, LEFT_ALT, RIGHT_CONTROL, RIGHT_ALT, LEFT_META, RIGHT_META
}  # fmt: skip

FIRST_BUTTON, LAST_BUTTON = 0x100, 0x15F
"""Key codes in this range are buttons of mice, pens, touch screens and joysticks."""

# From 1 to 83 Linux has numbered its keys as the scan codes of the first PC keyboards.
_PLAIN = {code: code for code in range(1, 84)}

SCAN_CODES = _PLAIN | {
    85: 0x76,  # ZENKAKUHANKAKU
    86: 0x56,  # the key beside the left shift that US keyboards lack
    87: 0x57,  # F11
    88: 0x58,  # F12
    89: 0x73,  # RO
    90: 0x78,  # KATAKANA
    91: 0x77,  # HIRAGANA
    92: 0x79,  # HENKAN
    93: 0x70,  # KATAKANAHIRAGANA
    94: 0x7B,  # MUHENKAN
    96: 0xE01C,  # keypad enter
    97: 0xE01D,  # right control
    98: 0xE035,  # keypad slash
    99: 0x54,  # print screen
    100: 0xE038,  # right alt
    102: 0xE047,  # home
    103: 0xE048,  # up
    104: 0xE049,  # page up
    105: 0xE04B,  # left
    106: 0xE04D,  # right
    107: 0xE04F,  # end
    108: 0xE050,  # down
    109: 0xE051,  # page down
    110: 0xE052,  # insert
    111: 0xE053,  # delete
    113: 0xE020,  # mute
    114: 0xE02E,  # volume down
    115: 0xE030,  # volume up
    116: 0xE05E,  # power
    117: 0x59,  # keypad =
    119: 0xE046,  # pause
    121: 0x7E,  # keypad comma
    122: 0x72,  # HANGEUL
    123: 0x71,  # HANJA
    124: 0x7D,  # YEN
    125: 0xE05B,  # left meta
    126: 0xE05C,  # right meta
    127: 0xE05D,  # menu
    140: 0xE021,  # calculator
    142: 0xE05F,  # sleep
    143: 0xE063,  # wake up
    155: 0xE06C,  # mail
    156: 0xE066,  # bookmarks
    158: 0xE06A,  # back
    159: 0xE069,  # forward
    163: 0xE019,  # next song
    164: 0xE022,  # play, pause
    165: 0xE010,  # previous song
    166: 0xE024,  # stop
    172: 0xE032,  # home page
    173: 0xE067,  # refresh
    183: 0x5D,  # F13
    184: 0x5E,  # F14
    185: 0x5F,  # F15
    217: 0xE065,  # search
}
"""Linux's key code to scan code. Keys that are not here exist for no RFB server."""
