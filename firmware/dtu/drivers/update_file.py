"""Watches the file that is there while the terminal's system is updated; updates nothing itself."""

import logging
from pathlib import Path

from dtu.core.update import MAX_UPDATE_TEXT, NO_UPDATE, Update, parse_update
from dtu.drivers.net.polling import PolledWatch

_LOG = logging.getLogger(__name__)


class UpdateFile(PolledWatch[Update]):
    """Posts that an update is under way, each new percentage, and its end; no update is no news."""

    interval_s = 0.5

    def __init__(self, path: Path) -> None:
        super().__init__(known=NO_UPDATE)
        self._path = path
        self._trouble = ""

    def look(self) -> Update:
        """A file that cannot be read is an update that does not say how far it is."""
        try:
            with self._path.open("rb") as file:
                text = file.read(MAX_UPDATE_TEXT).decode("ascii", "replace")
        except FileNotFoundError:
            return NO_UPDATE
        except OSError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                _LOG.warning("cannot read how far an update is: %s", error)
            return Update(True)
        return parse_update(text)
