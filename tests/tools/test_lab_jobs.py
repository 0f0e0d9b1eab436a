"""What the lab starts and how nice it is. Starts nothing."""

import pytest

from roamtools.lab import daemons


def test_jobs_are_as_nice_as_their_units():
    nice = {job.name: job.nice for job in daemons.server_jobs()}
    assert nice["hostd"] < 0 < nice["displayd"]
    assert nice["launcherd"] == 0  # its sessions would inherit it
    assert daemons.sound_job().nice < daemons.dtu_job("headless").nice < 0


@pytest.mark.parametrize(("display", "has_x"), [("window", True), ("headless", False)])
def test_only_a_window_needs_a_display(display, has_x):
    assert ("DISPLAY" in daemons.dtu_job(display).env) == has_x


def test_a_unit_that_is_not_there_is_an_error():
    with pytest.raises(FileNotFoundError):
        daemons.unit_nice("firmware/systemd/no.service")
