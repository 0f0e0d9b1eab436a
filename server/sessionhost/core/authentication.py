"""Authentication manager: whether a token is legitimate. Reads no registry and asks no card."""

from roamwire.notices import NoticeCode
from sessionhost.core.registration import Registration


def refusal(found: Registration | None, *, registry_failed: bool) -> NoticeCode | None:
    """Why the token gets no session; None if it may have one.

    `found` is the registry's answer. A registry that cannot be read is not the person's fault, and
    is told apart from a card that nobody has registered.
    """
    if found is None:
        return NoticeCode.REGISTRY_DOWN if registry_failed else NoticeCode.NOT_REGISTERED
    return None if found.enabled else NoticeCode.TOKEN_DISABLED
