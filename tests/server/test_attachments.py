"""What is kept of sessions over a restart of hostd."""

import pytest

from sessionhost.adapters.attachments import AttachmentFile, Kept


@pytest.fixture
def path(tmp_path):
    return tmp_path / "attachments.json"


def test_what_was_kept_is_there_after_a_restart(path):
    file = AttachmentFile(path)
    assert file.load() == {}
    one, two = Kept(7, 1234.5, "desk1", "t" + "0" * 40), Kept(1, 8.0)
    file.keep("a1", Kept(6, 1000.0, "desk2"))
    file.keep("a1", one)
    file.keep("b2", two)
    assert AttachmentFile(path).load() == {"a1": one, "b2": two}
    file.only({"b2"})
    assert AttachmentFile(path).load() == {"b2": two}


@pytest.mark.parametrize("text", ["", "[]", '{"a1": 7}', '{"a1": ["x", 1]}', '{"a1": [1]}', "null"])
def test_a_damaged_file_counts_as_empty(path, text, caplog):
    path.write_text(text)
    file = AttachmentFile(path)
    assert file.load() == {}
    assert "epochs start anew" in caplog.text
    file.keep("a1", Kept(1, 2.0))
    assert AttachmentFile(path).load() == {"a1": Kept(1, 2.0)}


def test_a_folder_that_is_not_there_is_told_and_stops_nothing(tmp_path, caplog):
    AttachmentFile(tmp_path / "none" / "attachments.json").keep("a1", Kept(1, 2.0))
    assert "cannot write" in caplog.text
