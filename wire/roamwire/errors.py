"""The two kinds of protocol error: ours and theirs. What to do about them is not here."""


class LocalProtocolError(Exception):
    """Our own code tried to send or do what the protocol does not allow: a bug of ours."""


class RemoteProtocolError(Exception):
    """The other end sent what the protocol does not allow: count it and drop it.

    `reason` is a short fixed word to count by (`oversize`, `syntax`, ...); `detail` is for the log.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
