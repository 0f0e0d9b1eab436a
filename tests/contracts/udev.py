"""What a watch of devices promises: one body for udev and the one of benches. No tests alone."""

import pytest

from dtu.drivers.udev import DeviceEvent


class UdevRig:
    """Makes devices; `events` is what the watch has told.

    `watch` is not started; `turn` lets it read, and real time pass if it needs any.
    """

    watch = None

    def __init__(self):
        self.events = []

    def plug(self):
        """A device comes; gives its node."""
        raise NotImplementedError

    def unplug(self, node):
        """It goes."""
        raise NotImplementedError

    def turn(self):
        """Let it tell."""
        self.watch.read()

    def of(self, node):
        """What was told of a device."""
        return [event for event in self.events if event.node == node]

    def until(self, condition, turns=100):
        for _ in range(turns):
            if condition():
                return
            self.turn()
        pytest.fail(f"this did not happen: {self.events}")


class UdevContract:
    """Subclasses have a fixture `rig`."""

    def test_what_is_there_is_told_before_start_returns(self, rig):
        node = rig.plug()
        rig.watch.start()
        assert [event.action for event in rig.of(node)][:1] == ["add"]

    def test_a_device_that_comes_is_told_with_its_places(self, rig):
        rig.watch.start()
        node = rig.plug()
        rig.until(lambda: rig.of(node))
        event = rig.of(node)[0]
        assert event == DeviceEvent("add", node, event.path)
        assert event.path.startswith("/sys/")

    def test_a_device_that_goes_is_told_last(self, rig):
        rig.watch.start()
        node, other = rig.plug(), rig.plug()
        rig.until(lambda: rig.of(node) and rig.of(other))
        rig.unplug(node)
        rig.until(lambda: rig.of(node)[-1].action == "remove")
        for _ in range(5):
            rig.turn()
        assert rig.of(node)[-1].action == "remove"
        assert [event.action for event in rig.of(other)][-1] != "remove"

    def test_a_place_that_is_taken_again_is_a_new_device(self, rig):
        rig.watch.start()
        node = rig.plug()
        rig.until(lambda: rig.of(node))
        rig.unplug(node)
        rig.until(lambda: rig.of(node)[-1].action == "remove")
        again = rig.plug()
        rig.until(lambda: rig.of(again) and rig.of(again)[-1].action == "add")

    def test_it_can_be_waited_for(self, rig):
        assert rig.watch.fileno() > 2
