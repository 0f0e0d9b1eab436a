"""What the lab starts and how nice it is. Starts nothing."""

from pathlib import Path

import pytest

from roamtools.lab import daemons, pipewire, plan


def test_jobs_are_as_nice_as_their_units():
    nice = {job.name: job.nice for job in daemons.server_jobs()}
    assert nice["hostd"] < 0 < nice["displayd"]
    assert nice["launcherd"] == 0  # its sessions would inherit it
    assert daemons.sound_job().nice < daemons.dtu_job("headless").nice < 0
    assert daemons.pipewire_job().nice == daemons.sound_job().nice


@pytest.mark.parametrize(("display", "has_x"), [("window", True), ("headless", False)])
def test_only_a_window_needs_a_display(display, has_x):
    assert ("DISPLAY" in daemons.dtu_job(display).env) == has_x


def test_a_unit_that_is_not_there_is_an_error():
    with pytest.raises(FileNotFoundError):
        daemons.unit_nice("firmware/systemd/no.service")


def test_pipewire_listens_where_the_terminal_asks_and_writes_into_its_folder(tmp_path):
    asked = daemons.desk_settings("desk1", {}, enrols=False)["sound_socket"]
    pipewire.write_settings(tmp_path, plan.NODE_DIR / daemons.SOUND_SOCKET)
    assert f'"unix:{asked}"' in (tmp_path / "pipewire.conf").read_text()
    job = daemons.pipewire_job()
    folder = plan.NODE_DIR / daemons.PIPEWIRE_DIR
    assert job.argv[-1] == str(folder / "pipewire.conf")
    told = (value for name, value in job.env.items() if name.startswith("XDG_"))
    assert all(folder in (Path(value), *Path(value).parents) for value in told)
