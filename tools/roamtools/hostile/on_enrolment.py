"""Attacks on the enrolment port, TCP 7011, where everybody may ask: names, codes, certificates.

What slows it down or fills it is in `on_enrolment_floods`.
"""

import base64
import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from roamtools.hostile.attack import attack
from roamtools.hostile.enrol_peer import EnrolPeer, leaf, request, subjects
from roamtools.hostile.stage import EVIL, HOPPER, SERVERS, VICTIM, Stage
from roamwire import enrolment
from roamwire.enrolment import (
    Check,
    Current,
    Enrol,
    Enrolled,
    Envelope,
    Join,
    Line,
    Pending,
    Refusal,
    Refused,
    Renew,
)
from roamwire.errors import RemoteProtocolError
from roamwire.identity import Identity

OWN = "desk6"
"""A name that the attacker may have: nobody else wants it."""

ALLOWANCE_S = 25.0
"""An address that has asked for all it may has its whole allowance again by then."""


def asked(
    stage: Stage,
    server: str,
    line: Line | bytes,
    folder: Path | None = None,
    *,
    desk: str = EVIL,
    patient: bool = True,
) -> Line | None:
    """The answer to one line; None if the server hangs up. Patient: whoever is told to ask more
    slowly does."""
    deadline = time.monotonic() + ALLOWANCE_S
    while True:
        try:
            with EnrolPeer(stage, server, folder, desk=desk) as peer:
                answer = peer.ask(line)
        except (OSError, EOFError, RemoteProtocolError):
            return None
        slower = isinstance(answer, Refused) and answer.code is Refusal.SLOWER
        if not slower or not patient or time.monotonic() > deadline:
            return answer
        time.sleep(1)


def served(stage: Stage, server: str, within_s: float = 2.0) -> str:
    """Whether an honest terminal is served in time, from another address; in words if not."""
    began = time.monotonic()
    name = f"honest{time.monotonic_ns() % 10**9}"
    answer = asked(stage, server, Enrol(name, request()), desk=HOPPER)
    took = time.monotonic() - began
    if not isinstance(answer, Enrolled | Pending):
        return f"{server} tells an honest terminal {answer}; "
    return f"{server} took {took:.1f} s for an honest terminal; " if took > within_s else ""


@contextlib.contextmanager
def enrolment_is(stage: Stage, mode: str) -> Iterator[None]:
    """All servers' policy says so while the block runs; hostd, which has it in memory, goes on."""
    files = [stage.lab.node_dir(s) / "etc/roamdesk/group/policy.toml" for s in SERVERS]
    before = [file.read_text() for file in files]
    try:
        for server, file, text in zip(SERVERS, files, before, strict=True):
            file.write_text(text.replace('enrolment = "open"', f'enrolment = "{mode}"'))
            _reread(stage, server, mode)
        yield
    finally:
        for server, file, text in zip(SERVERS, files, before, strict=True):
            file.write_text(text)
            _reread(stage, server, "open")


def _reread(stage: Stage, server: str, mode: str) -> None:
    told = f"enrolment is {mode}\n"
    before = stage.lab.logs(server, "enrold").count(told)
    stage.lab.reload(server)
    deadline = time.monotonic() + 5
    while stage.lab.logs(server, "enrold").count(told) == before:
        assert time.monotonic() < deadline, f"enrold of {server} does not read its policy again"
        time.sleep(0.05)


def _got(stage: Stage, server: str, answer: Line | None, *own: str) -> str:
    """What a certificate says, if there is one and it says more than one of these names."""
    if not isinstance(answer, Enrolled):
        return ""
    names = subjects(answer)
    allowed = [[Identity("dtu", name).uri] for name in own]
    return "" if names in allowed else f"{server} gives a certificate for {names}; "


@attack("enrolment-of-another's-name")
def name_of_another(stage: Stage) -> str:
    """The names of terminals that are there, for a key of the attacker's, in every mode."""
    got = ""
    for desk in (HOPPER, VICTIM):  # each server knows them, as they come with their certificates
        folder = stage.lab.node_dir(desk) / "etc/roamdesk"
        for server in SERVERS:
            assert isinstance(asked(stage, server, Check(), folder, desk=desk), Current)
    for mode in ("open", "approve", "preregistered"):
        with enrolment_is(stage, mode):
            for server in SERVERS:
                for name in (HOPPER, VICTIM):
                    got += _got(stage, server, asked(stage, server, Enrol(name, request(name))))
    code = Enrol(VICTIM, request(VICTIM), code="0000-0000")
    return got + _got(stage, "server1", asked(stage, "server1", code))


@attack("enrolment-of-names-that-are-none")
def odd_names(stage: Stage) -> str:
    """Names that look like another's, are a server's, or break out of where they are put."""
    names = [f"{VICTIM}%20", f"{VICTIM}%00", f"{VICTIM}%0a", f"%20{VICTIM}", f"{VICTIM}%00{OWN}"]
    names += ["", ".", "..", "../server1", "roamdesk%3a%2f%2fserver%2fserver1", "a" * 300]
    names += ["*", "%ff%fe", "d%c3%a9sk", "';DROP TABLE terminals;--"]
    got = ""
    for name in (*names, VICTIM.upper()):
        line = f"enrol name={name} csr={_percent(request())}\n".encode()
        # A name that is another one by its case alone is another one: it may be had, as it is.
        allowed = [VICTIM.upper()] if name == VICTIM.upper() else []
        got += _got(stage, "server1", asked(stage, "server1", line), *allowed)
    return got


def _percent(text: str) -> str:
    return enrolment.encode_line(Renew(text)).decode().partition("csr=")[2].strip()


@attack("enrolment-request-asks-for-more")
def request_asks_for_more(stage: Stage) -> str:
    """A request that names a server, another terminal, a CA and all usages: only its key counts."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = [Identity("server", "server1").uri, Identity("dtu", VICTIM).uri]
    alternatives = [x509.UniformResourceIdentifier(each) for each in names]
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    signed = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, VICTIM)]))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=True)
        .sign(key, hashes.SHA256())
    )
    csr = enrolment.to_text([signed.public_bytes(serialization.Encoding.DER)])
    answer = asked(stage, "server1", Enrol(OWN, csr))
    if not isinstance(answer, Enrolled):
        raise AssertionError(f"no certificate at all ({answer}): nothing was attacked")
    got = _got(stage, "server1", answer, OWN)
    made = leaf(answer).extensions
    if made.get_extension_for_class(x509.BasicConstraints).value.ca:
        got += "it is a CA; "
    if ExtendedKeyUsageOID.SERVER_AUTH in made.get_extension_for_class(x509.ExtendedKeyUsage).value:
        got += "it may serve; "
    return got


@attack("enrolment-of-another's-key")
def key_of_another(stage: Stage) -> str:
    """A request with the victim's key, which is public, signed by the attacker's own."""
    crt = (stage.lab.node_dir(VICTIM) / "etc/roamdesk/dtu.crt").read_bytes()
    key = x509.load_pem_x509_certificate(crt).public_key()
    public = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    own = ec.generate_private_key(ec.SECP256R1())
    der = base64.b64decode(request(VICTIM, own))
    mine = own.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert len(mine) == len(public)
    assert mine in der
    swapped = enrolment.to_text([der.replace(mine, public)])
    answer = asked(stage, "server1", Enrol(VICTIM, swapped))
    return "a certificate for a key that it lacks" if isinstance(answer, Enrolled) else ""


@attack("enrolment-renewal-of-another's-certificate")
def renewal_of_another(stage: Stage) -> str:
    """Renewals with no certificate, an expired one, a server's, another CA's; own, for others."""
    shown = {
        "none": None,
        "another CA's": stage.forged("other-ca", Identity("dtu", HOPPER)),
        "an expired": stage.genuine("expired", Identity("dtu", HOPPER), years=-1),
        "a server's": stage.genuine("as-server", Identity("server", "server9")),
    }
    got = ""
    for server in SERVERS:
        for what, folder in shown.items():
            answer = asked(stage, server, Renew(request(VICTIM)), folder)
            if isinstance(answer, Enrolled):
                got += f"{server} renews {what} certificate as {subjects(answer)}; "
        own = asked(stage, server, Renew(request(VICTIM)), stage.own)
        got += _got(stage, server, own, EVIL)
        line = b"renew name=" + VICTIM.encode() + b" csr=" + _percent(request(VICTIM)).encode()
        got += _got(stage, server, asked(stage, server, line + b"\n", stage.own), EVIL)
    return got


@attack("enrolment-code-guessed", flood=True)
def code_guessed(stage: Stage) -> str:
    """Wrong codes for a terminal that is announced, as fast as they go; then its right one."""
    name, tried = "desk9", 0
    code = stage.lab.roamctl("server1", "dtu", "preregister", name)["code"]
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        line = Enrol(name, request(), code=f"{tried:04x}-{tried:04x}-{tried:04x}")
        answer = asked(stage, "server1", line, patient=False)
        if isinstance(answer, Enrolled):
            return f"in after {tried} codes"
        tried += isinstance(answer, Refused) and answer.code is Refusal.CODE
    if not tried:
        raise AssertionError("no code was ever looked at: nothing was attacked")
    got = f"{tried} codes were looked at in ten seconds; " if tried > 6 else ""
    right = asked(stage, "server1", Enrol(name, request(), code), desk=HOPPER)
    if not isinstance(right, Enrolled):
        got += f"the terminal that it is meant for is told {right}; "
    again = asked(stage, "server1", Enrol(name, request(), code), desk=HOPPER)
    return got + "the code is good twice" * isinstance(again, Enrolled)


@attack("enrolment-approved-by-nobody")
def approved_by_nobody(stage: Stage) -> str:
    """Asking again and again where a person has to approve, and after having been turned away."""
    got = ""
    with enrolment_is(stage, "approve"):
        line = Enrol("desk10", request())
        for _ in range(5):
            got += _got(stage, "server1", asked(stage, "server1", line))
        stage.lab.roamctl("server1", "dtu", "deny", "desk10")
        for _ in range(3):
            got += _got(stage, "server1", asked(stage, "server1", line))
    # What one has turned away stays so where all are let in.
    return got + _got(stage, "server1", asked(stage, "server1", line))


@attack("enrolment-invitations-guessed", flood=True)
def invitations_guessed(stage: Stage) -> str:
    """A new server's envelope, for guessed invitations and claims, and for paths as names."""
    names = ["0" * 16, "f" * 16, "..%2fterminals.sqlite", "..%2f..%2f..%2fetc%2fpasswd", "%00", ""]
    got = ""
    for server in SERVERS:
        for name in names:
            for claim in ("", "0" * 64):
                line = f"join id={name} claim={claim}\n".encode()
                answer = asked(stage, server, line, patient=False)
                if isinstance(answer, Envelope):
                    got += f"{server} hands out {answer.data[:20]!r} for {name!r}; "
        answer = asked(stage, server, Join("0" * 16, "0" * 64), patient=False)
        got += f"{server} hands it out; " if isinstance(answer, Envelope) else ""
    return got


def _requests_of_garbage() -> list[bytes]:
    """Requests that no terminal makes."""
    good = base64.b64decode(request())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x" * 60)] * 20)
    builder = x509.CertificateSigningRequestBuilder()
    many = builder.subject_name(name).sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    large = builder.subject_name(x509.Name([])).sign(
        rsa.generate_private_key(65537, 4096), hashes.SHA256()
    )
    other = builder.subject_name(x509.Name([])).sign(
        ec.generate_private_key(ec.SECP521R1()), hashes.SHA256()
    )
    made = [each.public_bytes(serialization.Encoding.DER) for each in (many, large, other)]
    nested = b"\x30\x80" * 700 + b"\0" * 10
    lying = b"\x30\x84\x7f\xff\xff\xff" + good
    return [b"", b"\0", good[:-1], good[:20], os.urandom(1500), nested, lying, *made[1:], made[0]]


@attack("enrolment-requests-of-garbage")
def garbage_requests(stage: Stage) -> str:
    """Requests that are none, cut off, nested, lying about their length, with odd or huge keys."""
    got = ""
    for der in _requests_of_garbage():
        text = _percent(base64.b64encode(der).decode())
        for words in (f"enrol name={OWN} csr={text}", f"renew csr={text}"):
            folder = stage.own if words.startswith("renew") else None
            answer = asked(stage, "server2", words.encode() + b"\n", folder)
            if isinstance(answer, Enrolled) and subjects(answer) != [Identity("dtu", OWN).uri]:
                got += f"a certificate for {subjects(answer)}; "
            elif isinstance(answer, Enrolled):
                got += f"a certificate for a request of {len(der)} bytes; "
    return got + served(stage, "server2")
