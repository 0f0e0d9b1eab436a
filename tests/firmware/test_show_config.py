"""`python -m dtu.app.show_config`: what is in force, for people and for programs."""

import json

import pytest

from dtu.app.config import SETTINGS, load_values
from dtu.app.show_config import main


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "dtu.toml"
    path.write_text('name = "desk7"\nservers = ["10.0.0.1"]\n')
    return path


def test_it_prints_toml_that_reads_back_and_marks_what_was_set(settings, capsys):
    assert main(["--config", str(settings)]) == 0
    told = capsys.readouterr().out
    assert SETTINGS.parse(told, "told") == load_values(settings)
    assert '(set)\nname = "desk7"' in told
    assert "(set)\ncontrol_port" not in told


def test_it_prints_json(settings, capsys):
    assert main(["--config", str(settings), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told) == list(SETTINGS.names)
    assert (told["name"], told["servers"], told["control_port"]) == ("desk7", ["10.0.0.1"], 7009)


@pytest.mark.parametrize("as_json", [False, True])
def test_an_unknown_key_is_an_error_that_suggests_the_right_one(settings, capsys, as_json):
    settings.write_text('dispaly = "console"\n')
    assert main(["--config", str(settings)] + ["--json"] * as_json) == 2
    told = capsys.readouterr()
    text = json.loads(told.out)["error"] if as_json else told.err
    assert "unknown setting 'dispaly'; did you mean 'display'?" in text
    assert bool(told.out) == as_json


def test_a_file_that_is_not_there_is_told(tmp_path, capsys):
    assert main(["--config", str(tmp_path / "none.toml")]) == 2
    assert "No such file" in capsys.readouterr().err
