"""A terminal's process at a real hostd: somebody signs in without a card, by a real PAM."""

import subprocess
import sys

import pytest
from server_box import server_box
from test_proof_real import PASSWORD, Server
from test_scripted_terminal import LEASE, connects

from roamtools.demo.desk import wait_until
from roamtools.lab.desk_bench import DeskBench

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def server():
    with server_box() as box:
        hashed = subprocess.run(
            ["openssl", "passwd", "-6", "-stdin"], input=PASSWORD, capture_output=True, text=True,
            check=True,
        ).stdout.strip()  # fmt: skip
        shadow = box.root / "etc" / "shadow"
        lines = shadow.read_text().splitlines()
        lines = [f"alice:{hashed}:19000:0:99999:7:::" if x[:3] == "ali" else x for x in lines]
        shadow.write_text("\n".join(lines) + "\n")
        made = Server(box)
        made.start()
        yield made


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


@pytest.fixture
def bench(tmp_path, log, server):
    certificate, key = server.box.authority.issue("dtu", "desk7")
    config = tmp_path / "dtu.toml"
    config.write_text(
        'name = "another"\ndisplay = "headless"\ncard = "scripted"\ninput = "scripted"\n'
        'network = "scripted"\nsound = "scripted"\nbench_socket = "bench"\nmdns = false\n'
        f'dns_names = false\nservers = ["127.0.0.1"]\ncontrol_port = {server.port}\n'
        f'ca = "{certificate.parent / "ca.crt"}"\ncert = "{certificate}"\nkey = "{key}"\n'
        'state_dir = "state"\nrun_dir = "run"\n'
    )
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "dtu.app.main", "--config", str(config)], stderr=file
        )
    socket = tmp_path / "bench"
    wait_until("it listens", lambda: socket.exists() and connects(socket))
    with DeskBench(socket) as bench:
        bench.order(op="lease", text=LEASE)
        wait_until("it asks for a card", lambda: state(bench)["code"] == 21)
        bench.pid = process.pid
        yield bench
    process.terminate()
    assert process.wait(10) == 0


def state(bench):
    return bench.order(op="state")


def says(bench, code):
    wait_until(f"it says {code}", lambda: state(bench)["code"] == code)


def test_somebody_signs_in_and_leaves(bench, log):
    bench.order(op="type", text="\n")
    says(bench, 63)
    assert state(bench)["asks"] == "user,password"
    bench.order(op="type", text="alice\nwrong one\n")
    says(bench, 55)
    assert "Tries left: 2" in state(bench)["text"]
    bench.order(op="type", text="<ctrl-alt-home>")
    assert state(bench)["menu"] == ""
    password = PASSWORD.replace("<", "<lt>")
    bench.order(op="type", text=f"alice\t{password}\n")
    wait_until("the session is there", lambda: "session" in log.read_text().lower())
    wait_until("it is shown", lambda: state(bench)["session"])
    bench.order(op="type", text="<ctrl-alt-home><up><up><enter>")
    says(bench, 21)  # the menu's Lock: who has no card is gone
    story = log.read_text()
    assert PASSWORD not in story
    assert "wrong one" not in story
    assert story.count("screen 63") == 1  # not at each key
    assert "the name is another by the settings and desk7 by the certificate" in story


def test_escape_leaves_the_form(bench):
    bench.order(op="type", text="\n")
    says(bench, 63)
    bench.order(op="type", text="alice<escape>")
    says(bench, 21)
    assert state(bench)["asks"] == ""


def test_the_process_is_not_dumped(bench):
    with open(f"/proc/{bench.pid}/limits", encoding="ascii") as file:
        line = next(each for each in file if each.startswith("Max core file size"))
    assert line.split()[4:6] == ["0", "0"]
