"""The contract of card drivers on real pcscd with a virtual reader and an emulated card."""

import threading
import time
from pathlib import Path

import pytest
from tests.contracts.card import CardContract
from tests.contracts.card_piv import PivContract

from dtu.drivers.card.pcsc import PcscCardDriver
from roamtools.card.vpcd import HAND_S
from roamtools.lab.lab import Lab

pytestmark = pytest.mark.system

SOCKET = Path("run/pcscd/pcscd.comm")


class PcscRig:
    """A hand at the virtual reader of a desk of the lab."""

    patience_s = 4.0  # pcscd looks at a virtual reader every 0.4 s, the driver at pcscd every 0.3

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._reader_config = lab.node_dir("desk1") / "etc/reader.conf.d/vpcd"
        self._kept_config = self._reader_config.read_text()
        self.driver = PcscCardDriver()

    def insert(self, number: str, hurried: bool = False) -> None:
        self._lab.insert("desk1", number, hurried=hurried)

    def insert_unreadable(self, reason: str) -> None:
        self._lab.insert("desk1", "04ffffffffffff", mode=reason)

    def insert_piv(self, state, number="", pull_after=None):
        state.path = self._lab.cards / "card.json"
        state.save()
        self._lab.insert("desk1", number, piv=state.path.name, pull_after=pull_after)

    def pull(self) -> None:
        self._lab.remove("desk1")

    def stop_service(self) -> None:
        self._lab.stop_process("desk1", "pcscd")

    def start_service(self) -> None:
        self._lab.start_process("desk1", "pcscd")
        socket = self._lab.node_root(self._lab.node("desk1")) / SOCKET
        while not socket.exists():
            time.sleep(0.01)

    def unplug_reader(self) -> None:
        self._configure("")

    def plug_reader(self) -> None:
        self._configure(self._kept_config)

    def _configure(self, text: str) -> None:
        self.stop_service()
        self._reader_config.write_text(text)
        self.start_service()

    def restore(self) -> None:
        """For the next test: a reader without a card."""
        self.driver.stop()
        self.pull()
        time.sleep(HAND_S)  # pcscd has seen it, so the next test does not
        if not self._reader_config.read_text() or not self._running():
            self._configure(self._kept_config)

    def _running(self) -> bool:
        processes = self._lab.status()["nodes"][0]["processes"]
        return any(p["name"] == "pcscd" and p["running"] for p in processes)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A desk without a network, and libpcsclite pointed at that desk's pcscd."""
    with Lab("card-contract") as lab, pytest.MonkeyPatch.context() as patch:
        lab.up(0, 1, tied=True, with_daemons=False, dhcp=False)
        # libpcsclite remembers the path for the life of the process: a link can move.
        link = Path("/tmp") / f"roamdesk-pcscd-{threading.get_native_id()}.comm"
        link.symlink_to(lab.node_root(lab.node("desk1")) / SOCKET)
        patch.setenv("PCSCLITE_CSOCK_NAME", str(link))
        yield lab
        link.unlink()


class TestPcscCardDriver(CardContract, PivContract):
    @pytest.fixture
    def rig(self, lab):
        rig = PcscRig(lab)
        yield rig
        rig.restore()
        assert not [t.name for t in threading.enumerate() if t.name.startswith("card")]
