"""Remembers what the pure codecs have answered: one datagram goes to many, keepalives are alike.

Changes no behaviour, only time; it is installed while a seed runs and removed afterwards.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from unittest.mock import patch

from roamwire import control, datagrams
from roamwire.signing import GroupSecrets
from sessionhost.core import actions, group, server

SIZE = 4096


@contextmanager
def installed() -> Iterator[None]:
    """Codecs with a memory, in both cores."""
    parse = lru_cache(SIZE)(control.parse_line)
    encode = lru_cache(SIZE)(control.encode_line)
    with (
        patch.object(control, "parse_line", parse),
        patch.object(control, "encode_line", encode),
        patch.object(server, "parse_line", parse),
        patch.object(actions, "encode_line", encode),
        patch.object(group, "parse_datagram", lru_cache(SIZE)(datagrams.parse_datagram)),
        patch.object(GroupSecrets, "verify", lru_cache(SIZE)(GroupSecrets.verify)),
    ):
        yield
