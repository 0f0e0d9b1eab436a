"""What somebody does to an audit log, and tells the journal, in the container. Only for tests.

`python booted_forger.py anew LOG` makes another story of it with a whole chain, `... tell LOG`
tells the journal its lines, as hostd does.
"""

import hashlib
import json
import socket
import sys


def anew(path: str) -> None:
    lines, prev = [], ""
    with open(path, encoding="utf-8") as file:
        for line in file:
            entry = json.loads(line)
            body = {key: value for key, value in entry.items() if key != "hash"} | {"prev": prev}
            if "who" in body:
                body["who"] = body["who"].replace("alice", "mallory")
            prev = hashlib.sha256(_text(body)).hexdigest()
            lines.append(_text(body | {"hash": prev}) + b"\n")
    with open(path, "wb") as file:
        file.writelines(lines)


def _text(body: dict) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def tell(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal, open(path, "rb") as file:
        for line in file:
            told = f"MESSAGE={line.decode()}ROAMDESK_AUDIT=1\nROAMDESK_AUDIT_LOG={path}\n"
            journal.sendto(told.encode(), "/run/systemd/journal/socket")


if __name__ == "__main__":
    {"anew": anew, "tell": tell}[sys.argv[1]](sys.argv[2])
