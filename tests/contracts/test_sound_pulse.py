"""The contract of sound servers on PulseAudio and on PipeWire, with a sink that nobody hears."""

import asyncio
import os
import signal
import subprocess
import time

import pytest
from tests.contracts.sound import SoundContract

from dtu.drivers.sound.base import SoundError
from dtu.drivers.sound.pulse import PulseServer
from roamtools.lab import pipewire

pytestmark = pytest.mark.system

START_S = 10.0


class PulseRig:
    def __init__(self, directory):
        socket = directory / "native"
        command = ["pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--log-level=error"]
        command += [
            "--exit-idle-time=-1",
            f"--load=module-native-protocol-unix socket={socket} auth-cookie-enabled=0",
            "--load=module-null-sink",
        ]
        places = dict.fromkeys(("HOME", "PULSE_RUNTIME_PATH", "PULSE_STATE_PATH"), str(directory))
        self._server = subprocess.Popen(command, env=os.environ | places)
        self.driver = PulseServer(socket)
        deadline = time.monotonic() + START_S
        while not socket.exists():
            assert self._server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def stop(self):
        self._server.terminate()
        self._server.wait()


class PipeWireRig:
    def __init__(self, directory):
        socket = directory / "native"
        pipewire.write_settings(directory, socket)
        self._server = subprocess.Popen(
            pipewire.command(directory),
            env=os.environ | pipewire.environment(directory),
            start_new_session=True,
        )
        self.driver = PulseServer(socket)
        deadline = time.monotonic() + START_S
        while not self._has_volume():
            assert self._server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def _has_volume(self):
        """Not before WirePlumber has come and chosen the default devices."""
        try:
            asyncio.run(self.driver.volume())
        except SoundError:
            return False
        return True

    def stop(self):
        if self._server.poll() is None:
            os.killpg(self._server.pid, signal.SIGTERM)  # with WirePlumber
            self._server.wait()


class TestPulseServer(SoundContract):
    @pytest.fixture
    def rig(self, tmp_path):
        rig = PulseRig(tmp_path)
        yield rig
        rig.stop()


class TestPipeWire(SoundContract):
    @pytest.fixture
    def rig(self, tmp_path):
        rig = PipeWireRig(tmp_path)
        yield rig
        rig.stop()
