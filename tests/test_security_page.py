"""SECURITY.md names only tests and attacks that exist."""

import ast
import re
from pathlib import Path

import pytest

from roamtools.hostile.__main__ import ATTACKS

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
TESTS = sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)))
NAMED_ATTACKS = sorted(
    name
    for cell in re.findall(r"\*attacks?\* ((?:`[^`]+`(?:, )?)+)", PAGE)
    for name in re.findall(r"`([^`]+)`", cell)
    if "::" not in name
)


@pytest.mark.parametrize(("path", "name"), TESTS)
def test_a_named_test_is_there(path, name):
    tree = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_named_attacks_are_there():
    assert len(NAMED_ATTACKS) > 40
    assert not set(NAMED_ATTACKS) - set(ATTACKS)
