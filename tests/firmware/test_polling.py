"""What all watches of the network do alike: look, post what has changed, stop."""

import asyncio

from dtu.drivers.net.polling import PolledWatch


class Listed(PolledWatch[str]):
    """Finds one after the other; then nothing."""

    interval_s = 0.0

    def __init__(self, *looks, known=None):
        super().__init__(known)
        self.looks = list(looks)
        self.done = asyncio.Event()

    def look(self):
        if not self.looks:
            self.done.set()
            return None
        return self.looks.pop(0)


def watched(*looks, known=None):
    async def run():
        watch, seen = Listed(*looks, known=known), []
        watch.start(seen.append)
        await watch.done.wait()
        watch.stop()
        watch.stop()
        return seen

    return asyncio.run(run())


def test_changes_are_posted_once():
    assert watched("a", "a", None, "b", "b", "a") == ["a", "b", "a"]


def test_what_is_known_needs_no_telling():
    assert watched("a", "b", known="a") == ["b"]


def test_it_may_be_started_again_and_tells_only_news():
    async def run():
        watch, seen = Listed("a"), []
        watch.start(seen.append)
        watch.stop()
        watch.looks = ["a", "b"]
        watch.start(seen.append)
        await watch.done.wait()
        watch.stop()
        return seen

    assert asyncio.run(run()) == ["a", "b"]
