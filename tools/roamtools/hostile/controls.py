"""Positive controls: an attack shows that with the right secret or rights it gets in.

What fails here attacked nothing, whatever it says it got.
"""


class NothingAttackedError(AssertionError):
    """The same steps with the right secret or rights got nothing either."""


def must(held: object, words: str) -> None:
    """Raises NothingAttackedError, with what is missing in words."""
    if not held:
        raise NothingAttackedError(f"{words}: nothing was attacked")
