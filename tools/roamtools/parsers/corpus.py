"""The inputs that are kept of a parser's fuzzing: one file a parser, an input in base64 a line."""

import base64

from roamtools.lab.plan import project_root

CORPORA = project_root() / "tests" / "corpora"


def load_corpus(name: str) -> list[bytes]:
    """The inputs kept for a parser; none if it was never fuzzed."""
    path = CORPORA / f"{name}.b64"
    if not path.exists():
        return []
    return [base64.b64decode(line) for line in path.read_text("ascii").splitlines()]
