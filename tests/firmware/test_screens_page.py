"""docs/screens.md is what tools/words writes now, and its pictures are there."""

import re
from pathlib import Path

from dtu.core import catalogue
from roamtools.words.cli import DOCS, main
from roamtools.words.page import guide, markdown

PAGE = DOCS / "screens.md"
MAX_BYTES = 1_800_000


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == markdown(), "run tools/words"


def test_every_message_has_its_guide_and_no_other():
    assert set(guide()) == {str(message.code) for message in catalogue.everything()}


def test_every_picture_of_the_page_is_there_and_no_other():
    named = set(re.findall(r"\]\(screens/(\S+\.png)\)", PAGE.read_text(encoding="utf-8")))
    there = {path.name for path in (DOCS / "screens").iterdir()}
    assert named == there
    assert sum(path.stat().st_size for path in (DOCS / "screens").iterdir()) < MAX_BYTES


def test_the_command_says_whether_the_page_is_old(tmp_path, capsys):
    assert main(["--check"]) == 0
    page = Path(tmp_path / "screens.md")
    page.write_text("old\n")
    assert main(["--check", "--out", str(tmp_path / "screens")]) == 1
    assert "run tools/words" in capsys.readouterr().out
