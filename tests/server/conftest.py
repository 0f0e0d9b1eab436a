"""roamctl as tests call it, with a group and a registry of their own."""

import pytest

from sessionhost.app.roamctl import main


@pytest.fixture
def run(capsys):
    def run_one(*words) -> str:
        assert main([str(word) for word in words]) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    return run_one


@pytest.fixture
def fails(capsys):
    def run_one(*words) -> str:
        assert main([str(word) for word in words]) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        return captured.err

    return run_one


@pytest.fixture
def group(tmp_path, run):
    run("group", "create", "--dir", tmp_path / "group", "--name", "lab")
    return tmp_path / "group"


@pytest.fixture
def registry(tmp_path):
    return ("--registry", tmp_path / "registry.sqlite")
