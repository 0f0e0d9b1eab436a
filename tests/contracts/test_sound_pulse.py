"""The contract of sound servers on PulseAudio itself, with a sink that nobody hears."""

import os
import subprocess
import time

import pytest
from tests.contracts.sound import SoundContract

from dtu.drivers.sound.pulse import PulseServer

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


class TestPulseServer(SoundContract):
    @pytest.fixture
    def rig(self, tmp_path):
        rig = PulseRig(tmp_path)
        yield rig
        rig.stop()
