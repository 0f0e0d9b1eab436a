"""A terminal with scripted drivers, by its settings: a bench plays a day, the log tells it."""

import contextlib
import subprocess
import sys
import time

import pytest
from server_box import Authority

from roamtools.demo.desk import wait_until
from roamtools.lab.desk_bench import DeskBench
from roamtools.lab.rpc import Refusal

pytestmark = pytest.mark.system

CARD = "uid:04a1b2c3d4e5f6"
LEASE = "event=bound\ninterface=eth0\naddress=10.9.9.9\nmask=24\n"


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


@pytest.fixture
def bench(tmp_path, log):
    certificate, key = Authority(tmp_path / "group").issue("dtu", "desk1")
    config = tmp_path / "dtu.toml"
    config.write_text(
        'name = "desk1"\ndisplay = "headless"\ncard = "scripted"\ninput = "scripted"\n'
        'network = "scripted"\nsound = "scripted"\nbench_socket = "bench"\nmdns = false\n'
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
        yield bench
    process.terminate()
    assert process.wait(10) == 0


def connects(socket):
    with contextlib.suppress(OSError):
        DeskBench(socket).close()
        return True
    return False


def code(bench):
    return bench.order(op="state")["code"]


def test_leases_cables_and_cards_are_what_the_bench_says(bench, log):
    assert code(bench) == 11
    bench.order(op="lease", text=LEASE)
    assert bench.order(op="state")["address"] == "10.9.9.9"
    wait_until("it looks for a server", lambda: code(bench) == 13)
    bench.order(op="cable", plugged=False)
    wait_until("the cable is out", lambda: code(bench) == 15)
    bench.order(op="insert", token=CARD)
    bench.order(op="remove")
    bench.order(op="type", text="a")
    time.sleep(0.1)  # the card's events come from another thread
    story = log.read_text()
    for sentence in (
        "terminal desk1 begins",
        "network: addresses 10.9.9.9",
        "screen 13: ",
        "the network cable is out",
        "card in: uid …e5f6, at scripted 00",
        "the screen is wiped",
        "card out",
    ):
        assert sentence in story
    assert CARD.partition(":")[2] not in story


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ({"op": "insert"}, "token is missing"),
        ({"op": "insert", "token": "nonsense"}, "kind:value"),
        ({"op": "lease", "text": "event=bound"}, "hook"),
        ({"op": "nothing"}, "insert, remove, lease, cable"),
    ],
)
def test_a_wrong_order_says_what_is_wrong(bench, order, words):
    with pytest.raises(Refusal, match=words):
        bench.order(**order)
    assert code(bench) == 11
