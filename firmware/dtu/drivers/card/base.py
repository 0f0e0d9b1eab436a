"""What every card driver can do; which cards it sees and how is the driver's own business."""

from collections.abc import Callable
from typing import Protocol

from dtu.core.events import CardAnswered, CardEvent
from dtu.core.piv.results import CardRequest

Post = Callable[[CardEvent | CardAnswered], None]


class CardDriver(Protocol):
    """Watches for cards and reports CardEvents through `post`.

    `post` may be called from another thread than the one that called `start`; whoever passes it
    in makes it thread safe. Events of one reader come in the order in which things happened, and
    the last one is always the state that the reader is in. CardUnreadable may be followed by
    CardPresented without a CardRemoved: a second look at the same card went well.
    """

    def start(self, post: Post) -> None:
        """Begin to watch; the state found at start is posted too."""

    def stop(self) -> None:
        """End the watch; nothing is posted after this has returned."""

    def ask(self, request: CardRequest) -> None:
        """Have a PIV card do something; returns at once, and never raises.

        Each request is answered by one CardAnswered, within `requests.ANSWER_S`, unless the driver
        is stopped before. The request's PINs belong to the driver from now on, which wipes them.
        A card that is out, or that is another one than the request's, is never sent anything.
        """
