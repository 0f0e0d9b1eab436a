"""Named maxima of what a display server can make a terminal hold. Enforcing is not here."""

MAX_SIDE = 8192
"""Pixels: twice the side of a 4K screen; a larger side is not a screen."""

MAX_PIXELS = 7680 * 4320
"""An 8K screen: 127 MiB of framebuffer, about what a 1 GiB terminal can spare once."""

MAX_WORK_PIXELS = 2048 * 1024
"""A compressed rectangle: Tight allows widths up to 2048, servers send some 65,536 pixels. What its
decoding takes, up to 24 bytes a pixel, stays below 64 MB."""

MAX_CURSOR_SIDE = 256
"""Pixels: X cursors of HiDPI themes have 96; hardware cursor planes end at 256."""

MAX_NAME_BYTES = 4096
"""The desktop's name and the reason of a refusal are each a line of text."""

MAX_CUT_TEXT_BYTES = 16 * 1024 * 1024
"""Clipboard text is skipped in pieces, never held; a longer one is garbage instead of a length."""

MAX_PIECE_BYTES = 256 * 1024
"""What is skipped or copied row by row is asked for in pieces of at most this."""

MAX_SCREENS = 16
"""Monitors in one ExtendedDesktopSize; graphics cards drive at most 8."""

MAX_BATCH_EVENTS = 65536
"""Events not yet fetched; one read of 256 KiB brings fewer from any server that we know."""

MAX_FENCE_BYTES = 64
"""The specification's own maximum for what a fence carries."""

MAX_UPDATE_RECTS = 1024
"""Told one by one of one update; a page that is scrolled has some hundreds, the protocol 65,535."""
