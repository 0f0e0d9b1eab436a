"""A desk in one file: inserts a card, takes the picture, says what it saw. Only for tests.

`python booted_client.py CA CERTIFICATE KEY TOKEN [USER PASSWORD]`, in the server's network. Prints
one JSON object.
"""

import json
import socket
import ssl
import sys

from rfb_probe import RfbProbe, attach

from roamwire.control import (
    Answer,
    Ask,
    Attach,
    Cause,
    Connect,
    Hello,
    Insert,
    Notice,
    encode_line,
    parse_line,
)
from roamwire.tokens import Token


def main(ca: str, certificate: str, key: str, token: str, *typed: str) -> None:
    context = ssl.create_default_context(cafile=ca)
    context.check_hostname = False
    context.load_cert_chain(certificate, key)
    with (
        socket.create_connection(("127.0.0.1", 7009), timeout=10) as plain,
        context.wrap_socket(plain) as link,
    ):
        link.sendall(encode_line(Hello("desk1", width=1280, height=800)))
        link.sendall(encode_line(Insert(Token.parse(token), Cause.INSERT, 1)))
        lines = link.makefile("rb")
        notices = []
        while not isinstance(line := parse_line(lines.readline()), Connect):
            if isinstance(line, Notice):
                notices.append(line.code)
            elif isinstance(line, Ask):
                link.sendall(encode_line(Answer(line.seq, *typed)))
        display, answer = attach(line.port, context, encode_line(Attach(line.ticket)))
        probe = RfbProbe(display)
        probe.update()
        told = {"user": line.user, "answer": answer.decode(), "notices": notices}
        print(json.dumps({**told, "size": [probe.width, probe.height], "name": probe.name}))


if __name__ == "__main__":
    main(*sys.argv[1:])
