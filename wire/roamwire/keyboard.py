"""Names of keyboard layouts as XKB has them: `de`, `us(intl)`, `us,ru`. Loads none.

A name ends as an argument of setxkbmap on a server: nothing but XKB's own letters gets through.
"""

import re

from roamwire.limits import MAX_LAYOUT_CHARS

_NAME = r"[a-z0-9][a-z0-9_-]*"
_LAYOUT = rf"{_NAME}(?:\({_NAME}\))?"
_LAYOUTS = re.compile(rf"{_LAYOUT}(?:,{_LAYOUT}){{0,3}}")


def layout_problem(text: str) -> str | None:
    """What is wrong with a layout's name, None if nothing; up to four, as XKB has four groups."""
    if len(text) <= MAX_LAYOUT_CHARS and _LAYOUTS.fullmatch(text):
        return None
    return f"is no XKB layout such as de, us(intl) or us,ru: {text[:MAX_LAYOUT_CHARS]!r}"
