"""A graphics card in memory: what a monitor would show, and what the kernel would refuse."""

import errno

import numpy as np

from dtu.drivers.display.drm import DPMS_ON, Connector, Mode

ENCODER = 900


def mode(width, height, preferred=True):
    return Mode(width, height, 60, preferred, True, f"{width}x{height}".encode())


class FakeBuffer:
    def __init__(self, card, width, height):
        self.card = card
        if len(card.buffers) >= card.memory:
            raise OSError(errno.ENOMEM, "no memory")
        self.pixels = np.full((height, width), 0x515151, np.uint32)
        card.numbers += 1
        self.number = card.numbers
        card.buffers.append(self)

    def close(self):
        assert not self.pixels.any(), "a buffer was given back with a picture in it"
        self.card.buffers.remove(self)


class FakeCard:
    """`copies`: the driver has DIRTYFB and shows only what it is told; else flips are shown at
    `blanking`. `refuse` names calls that fail from now on.
    """

    path = "/dev/dri/card7"

    def __init__(self, *modes, copies=False, memory=9):
        self.connector_numbers = (50, 51)
        self.crtcs = (10, 11)
        self.plugged = dict(zip(self.connector_numbers, modes, strict=False))
        self.copies, self.memory = copies, memory
        self.refuse = set()
        self.buffers, self.numbers = [], 0
        self.scan, self.on, self.flipping, self.shown = {}, {}, {}, {}
        self.flips = 0
        self.closed = False

    def blanking(self):
        """The monitors have come to the end of a picture."""
        for crtc, buffer in self.flipping.items():
            self.scan[crtc] = buffer

    def see(self, crtc):
        """What the monitor shows, (height, width); None without a signal."""
        if not self.on.get(crtc):
            return None
        return (self.shown[crtc] if self.copies else self.scan[crtc].pixels).copy()

    # -- as drm.Card

    def fileno(self):
        return 99

    def close(self):
        self.closed = True

    def connector(self, number):
        self._may("connector")
        modes = self.plugged.get(number, ())
        return Connector(number, f"HDMI-A-{number - 49}", bool(modes), modes, (ENCODER,), 7, b"")

    def possible_crtcs(self, encoder):
        assert encoder == ENCODER
        return self.crtcs

    def set_crtc(self, crtc, buffer, connector, mode):
        self._may("set_crtc")
        assert buffer.pixels.shape == (mode.height, mode.width)
        assert connector in self.plugged
        self.flipping.pop(crtc, None)
        self.scan[crtc], self.on[crtc] = buffer, True
        self.shown[crtc] = buffer.pixels.copy()

    def stop_crtc(self, crtc):
        self.on[crtc] = False

    def scanned_out(self, crtc):
        return 0 if "show" in self.refuse else self.scan[crtc].number

    def set_dpms(self, connector, state):
        self._may("set_dpms")
        crtc = self.crtcs[self.connector_numbers.index(connector.number)]
        self.on[crtc] = state == DPMS_ON

    def has_vblank(self):
        return not self.copies

    def flip(self, crtc, buffer):
        self._may("flip")
        if crtc in self.flipping:
            raise OSError(errno.EBUSY, "a flip is under way")
        if not self.on[crtc]:
            raise OSError(errno.EINVAL, "the monitor sleeps")
        self.flipping[crtc] = buffer
        self.flips += 1

    def flips_done(self):
        done = [crtc for crtc, buffer in self.flipping.items() if self.scan[crtc] is buffer]
        for crtc in done:
            del self.flipping[crtc]
        return done

    def tell_dirty(self, buffer, rects):
        self._may("tell_dirty")
        if not self.copies:
            raise OSError(errno.ENOSYS, "no such call")
        for crtc, scanned in self.scan.items():
            if scanned is buffer:
                for r in rects:
                    area = np.s_[r.y : r.y + r.height, r.x : r.x + r.width]
                    self.shown[crtc][area] = buffer.pixels[area]

    def _may(self, call):
        if call in self.refuse:
            raise OSError(errno.EIO, f"{call} refused")
