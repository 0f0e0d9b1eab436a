"""roamctl status over a real Unix socket."""

import json
import os
import socket
import threading

import pytest

from sessionhost.app import roamctl_status
from sessionhost.app.roamctl import main
from sessionhost.app.roamctl_answer import RoamctlError
from sessionhost.app.roamctl_status import ask

pytestmark = pytest.mark.system


@pytest.fixture
def hostd(tmp_path):
    """Stands for hostd's admin socket; gives one answer."""
    path = tmp_path / "admin.sock"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()
    listener.settimeout(10)
    threads = []

    def answer(data: bytes) -> os.PathLike[str]:
        def serve() -> None:
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                return  # nobody asked: the test fails for its own reason
            with connection:
                assert connection.recv(100) == b"status\n"
                try:
                    connection.sendall(data)
                except ConnectionError:
                    pass

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return path

    yield answer
    for thread in threads:
        thread.join()
    listener.close()


def test_status_over_a_socket(hostd, capsys):
    answer = {"host": "s1", "topology": []}
    path = hostd(json.dumps(answer).encode() + b"\n")
    assert main(["status", "--socket", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == answer


def test_an_endless_answer_is_cut(hostd, monkeypatch):
    monkeypatch.setattr(roamctl_status, "MAX_ANSWER_BYTES", 1000)
    path = hostd(b"x" * 300_000)
    with pytest.raises(RoamctlError, match="longer than"):
        ask(path, "status")


def test_a_silent_server_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(roamctl_status, "ANSWER_TIMEOUT_S", 0.05)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "admin.sock"))
        listener.listen()
        with pytest.raises(RoamctlError, match="did not answer"):
            ask(tmp_path / "admin.sock", "status")


def test_a_server_that_does_not_run_is_told(tmp_path):
    with pytest.raises(RoamctlError, match="hostd is not running"):
        ask(tmp_path / "admin.sock", "status")
    with pytest.raises(RoamctlError, match="cannot ask hostd"):
        ask(tmp_path / ("x" * 200), "status")
