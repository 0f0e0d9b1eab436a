"""The enrolment daemon: terminals get their certificates here, new servers their envelope.

A process and user of its own, so that whoever has no certificate never reaches hostd. Who gets in
is `core.enrolment`'s to say, with `policy.toml` and what `roamctl dtu` wrote.
"""

import datetime
import errno
import hashlib
import logging
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence

from roamwire import enrolment
from roamwire.enrolment import Line, Refusal, Refused
from roamwire.errors import RemoteProtocolError
from roamwire.identity import Identity, name_problem
from roamwire.settings import SettingsError
from sessionhost.adapters.certificates import (
    PkiError,
    PublicKey,
    digest_of_certificate,
    key_digest,
    parse_request,
    roots_of,
    to_der,
    wants_renewal,
)
from sessionhost.adapters.enrol_server import EnrolServer, Peer
from sessionhost.adapters.invitations import Invitations, parts_of
from sessionhost.adapters.pki import load_desk_ca
from sessionhost.adapters.policy_file import load_policy
from sessionhost.adapters.revoked_file import RevokedFile
from sessionhost.adapters.terminal_store import StoreError, TerminalStore
from sessionhost.adapters.tls import server_context
from sessionhost.app.config import ServerConfig
from sessionhost.app.daemon import StartError, on_reload, run_daemon, until_stopped
from sessionhost.core import timing
from sessionhost.core.enrolment import (
    WRONG_CODE_COUNT,
    Admit,
    AskingRate,
    Refuse,
    Request,
    Wait,
    check_interval_s,
    decide,
    decide_renewal,
    room_for,
)

INVITATIONS = "invitations"
RETRY_MS = 30_000
"""Who is refused asks again then: an administrator may have changed his mind."""

_WORDS = {
    Refusal.DENIED: "the administrator has turned this terminal away",
    Refusal.BLOCKED: "this terminal is revoked",
    Refusal.CODE: "the enrolment code is wrong or used up",
    Refusal.NOT_PREREGISTERED: "this terminal is not announced, or needs its code",
    Refusal.FULL: "too many terminals wait",
    Refusal.SLOWER: "asked too often",
    Refusal.REQUEST: "the request is not fit",
    Refusal.NO_AUTHORITY: "this server cannot issue certificates",
    Refusal.INVITATION: "there is no such invitation, or it was used",
}

_LOG = logging.getLogger("enrold")


def code_hash(code: str) -> str:
    """How a one-time code is kept; its case and dashes do not matter, people type it."""
    plain = code.replace("-", "").strip().lower()
    return hashlib.sha256(b"roamdesk code\n" + plain.encode("utf-8")).hexdigest() if plain else ""


class EnrolDaemon:
    """Answers lines; `is_blocked` says whether a name is revoked and can get no certificate."""

    def __init__(self, config: ServerConfig, is_blocked: Callable[[str], bool]) -> None:
        self._config = config
        self._is_blocked = is_blocked
        self._life = datetime.timedelta(seconds=config.terminal_certificate_s)
        self._check_s = check_interval_s(config.terminal_certificate_s)
        self._rate = AskingRate()
        try:
            self._store = TerminalStore(config.enrol_dir)
        except StoreError as error:
            raise StartError(str(error)) from error
        self._invitations = Invitations(config.enrol_dir / INVITATIONS)
        self._server = EnrolServer(server_context(config, strangers=True), self._answer)
        self._read()

    def _read(self) -> None:
        """The desk CA, the roots and the policy, together or not at all."""
        try:
            authority = load_desk_ca(self._config.group_dir)
            bundle = roots_of(self._config.ca_cert.read_bytes())
            mode = load_policy(self._config.group_dir).policy.enrolment
        except (PkiError, SettingsError) as error:
            raise StartError(str(error)) from error
        self._authority, self._roots, self._mode = authority, enrolment.to_text(bundle), mode
        if authority is None:
            _LOG.warning("no desk CA in %s: terminals are not enrolled", self._config.group_dir)

    def reload(self) -> None:
        """New files in the group's folder, or a new certificate; connections go on."""
        tls = server_context(self._config, strangers=True)
        self._read()
        self._server.renew(tls)
        _LOG.info("enrolment is %s", self._mode.value)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        self._server.start(self._config.enrol_port)
        on_reload(self.reload)
        _LOG.info("TCP port %d, enrolment is %s", self._config.enrol_port, self._mode.value)
        await until_stopped()
        self._server.close()
        self._store.close()

    def _answer(self, line: Line, peer: Peer) -> Sequence[Line]:
        now = time.monotonic()
        # `check` costs no more than being refused; and a server that joins asks it first.
        free = isinstance(line, enrolment.Check)
        if not free and not self._rate.allows(peer.asker, now):
            return [_refused(Refusal.SLOWER, self._rate.wait_ms(peer.asker, now))]
        try:
            return self._dispatch(line, peer)
        except PkiError as error:
            _LOG.warning("%s: %s", peer.address, error)
            return [_refused(Refusal.REQUEST)]
        except sqlite3.Error as error:
            _LOG.error("the terminals of %s cannot be kept: %s", self._config.enrol_dir, error)
            return [_refused(Refusal.NO_AUTHORITY)]

    def _dispatch(self, line: Line, peer: Peer) -> Sequence[Line]:
        match line:
            case enrolment.Enrol() | enrolment.Renew() if self._authority is None:
                return [_refused(Refusal.NO_AUTHORITY)]
            case enrolment.Enrol():
                return [self._enrol(line, peer)]
            case enrolment.Renew():
                return [self._renew(line, peer)]
            case enrolment.Check():
                return [self._current(peer)]
            case enrolment.Join():
                return self._join(line, peer)
        raise RemoteProtocolError("verb", f"{type(line).__name__} is not for servers")

    # Terminals

    def _enrol(self, line: enrolment.Enrol, peer: Peer) -> Line:
        if problem := name_problem(line.name):
            raise PkiError(f"a terminal's name {problem}")
        key = parse_request(_one(line.csr))
        request = Request(line.name, key_digest(key), code_hash(line.code))
        now_ms = _now_ms()
        known = self._store.known(request.name, request.key, now_ms)
        decision = decide(request, known, self._mode, blocked=self._is_blocked(request.name))
        match decision:
            case Admit(by_code):
                return self._admit(request, key, line.model, peer, by_code)
            case Wait():
                return self._wait(request, line.model, peer)
            case Refuse(code):
                if code is Refusal.CODE:
                    self._rate.fine(peer.asker, time.monotonic(), WRONG_CODE_COUNT)
                _LOG.warning("terminal %s (%s): %s", request.name, peer.address, code.value)
                return _refused(code)

    def _admit(
        self, request: Request, key: PublicKey, model: str, peer: Peer, by_code: bool
    ) -> Line:
        assert self._authority is not None  # `_dispatch` has looked
        # On the disk first: a certificate that nobody remembers would leave its name free.
        if not self._store.admit(request, model, _now_ms(), uses_code=by_code):
            _LOG.error("too many terminals are known: 'roamctl dtu forget' those that are gone")
            return _refused(Refusal.FULL)
        chain = self._authority.sign(Identity("dtu", request.name), key, _now(), self._life)
        print_ = enrolment.fingerprint(request.key)
        _LOG.info("terminal %s (%s) has a certificate, key %s", request.name, peer.address, print_)
        return enrolment.Enrolled(enrolment.to_text(map(to_der, chain)), self._roots, self._check_s)

    def _wait(self, request: Request, model: str, peer: Peer) -> Line:
        now_ms = _now_ms()
        waiting = self._store.waiting(now_ms)
        fits, out = room_for(waiting, request.name, request.key, peer.asker)
        if not fits:
            return _refused(Refusal.FULL)
        if out is not None:
            self._store.drop(out)
        if not any((each.name, each.key) == (request.name, request.key) for each in waiting):
            _LOG.info(
                "terminal %s (%s) waits, key %s: 'roamctl dtu approve %s' lets it in",
                request.name, peer.address, enrolment.fingerprint(request.key), request.name,
            )  # fmt: skip
        self._store.wait(request, peer.asker, model, now_ms)
        return enrolment.Pending(int(timing.PENDING_POLL_S * 1000))

    def _renew(self, line: enrolment.Renew, peer: Peer) -> Line:
        if peer.identity is None or peer.identity.role != "dtu":
            return _refused(Refusal.REQUEST)
        name = peer.identity.name
        shown = digest_of_certificate(peer.certificate)
        known = self._store.known(name, shown, _now_ms())
        decision = decide_renewal(shown, known, blocked=self._is_blocked(name))
        if isinstance(decision, Refuse):
            _LOG.warning("terminal %s gets no new certificate: %s", name, decision.code.value)
            return _refused(decision.code)
        key = parse_request(_one(line.csr))
        return self._admit(Request(name, key_digest(key)), key, "", peer, False)

    def _current(self, peer: Peer) -> Line:
        renew = False
        if self._authority is not None and peer.identity and peer.identity.role == "dtu":
            self._store.seen(peer.identity.name, digest_of_certificate(peer.certificate), _now_ms())
            renew = wants_renewal(peer.certificate, self._authority, _now(), self._life)
        return enrolment.Current(self._roots, renew, self._check_s)

    # Servers

    def _join(self, line: enrolment.Join, peer: Peer) -> Sequence[Line]:
        envelope = self._invitations.take(line, _now_ms())
        if envelope is None:
            self._rate.fine(peer.asker, time.monotonic(), WRONG_CODE_COUNT)
            _LOG.warning("%s asked for an invitation that is not there", peer.address)
            return [_refused(Refusal.INVITATION)]
        _LOG.info("invitation %s was fetched by %s", line.id, peer.address)
        return parts_of(envelope)


def _one(text: str) -> bytes:
    (der,) = enrolment.from_text(text)[:1]
    return der


def _refused(code: Refusal, retry_ms: int = RETRY_MS) -> Refused:
    return Refused(code, retry_ms, _WORDS[code])


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def _run(config: ServerConfig) -> None:
    await EnrolDaemon(config, RevokedFile(config.revoked_path).has).run()


def explain(error: OSError, config: ServerConfig) -> str:
    """A start that failed, in words."""
    if error.errno == errno.EADDRINUSE:
        return f"TCP port {config.enrol_port} is in use (setting enrol_port)"
    return str(error)


def main(arguments: list[str] | None = None) -> int:
    """Run the daemon; the exit status is `run_daemon`'s."""
    return run_daemon("enrold", "Roamdesk enrolment", arguments, _run, explain)


if __name__ == "__main__":
    sys.exit(main())
