"""The terminal's key, its certificate and the roots it trusts, as files. Asks nobody for them.

Key and request are made by the `openssl` command: a terminal needs it for a tenth of a second in a
year, and a library for it would stay in its memory.
"""

import asyncio
import contextlib
import hashlib
import logging
import os
import ssl
import tempfile
from pathlib import Path

from dtu.app.tls import IdentityError, KeyOpenError, check_key, client_context
from roamwire.enrolment import key_hash

_LOG = logging.getLogger(__name__)

OPENSSL_S = 20.0
"""A key and a request take 40 ms on a PC; one that hangs is given up."""


class DeskIdentity:
    """`ca` is what the image brought; what servers told since then is kept in `state_dir`.

    The kept roots carry the hash of the image's CA in their name: an image of another group does
    not find those of the last one.
    """

    def __init__(self, name: str, ca: Path, cert: Path, key: Path, state_dir: Path) -> None:
        self._name = name
        self._image_ca = ca
        self._cert = cert
        self._key = key
        try:
            digest = hashlib.sha256(ca.read_bytes()).hexdigest()[:16]
        except OSError as error:
            raise IdentityError(f"cannot use the group's CA certificate {ca}: {error}") from error
        self._roots = state_dir / f"roots-{digest}.crt"
        self._request: tuple[bytes, str] | None = None

    @property
    def ca(self) -> Path:
        """The roots in force."""
        return self._roots if self._roots.exists() else self._image_ca

    def stranger(self) -> ssl.SSLContext:
        """TLS that shows no certificate of ours, and takes only servers of the group."""
        try:
            return client_context(self.ca)
        except IdentityError as error:
            if self.ca == self._image_ca:
                raise
            _LOG.warning("%s: going back to the image's CA", error)
            self._roots.unlink()
            return client_context(self._image_ca)

    def context(self) -> ssl.SSLContext | None:
        """TLS with our certificate; None if there is none that can be used.

        KeyOpenError if others can read our key: no other certificate mends that.
        """
        self.stranger()
        check_key(self._key)
        if not self._cert.exists():
            return None
        try:
            return client_context(self.ca, self._cert, self._key)
        except KeyOpenError:
            raise
        except IdentityError as error:
            _LOG.warning("%s: a new one is asked for", error)
            return None

    def roots(self) -> tuple[bytes, ...]:
        """DER of the roots in force."""
        text = self.ca.read_text("ascii", "replace")
        end = "-----END CERTIFICATE-----"
        found = [part[part.index("-----BEGIN") :] + end for part in text.split(end)[:-1]]
        return tuple(map(ssl.PEM_cert_to_DER_cert, found))

    async def request(self) -> tuple[bytes, str]:
        """A certificate request (DER) and the hash of our key, which is made if there is none.

        IdentityError if `openssl` or the disk fails.
        """
        if self._request is None:
            if not self._key.exists():
                made = await _openssl(*_NEW_KEY)
                self._write(self._key, made, 0o600)
                _LOG.info("made this terminal's key %s", self._key)
            subject = f"/CN={self._name}"
            csr = await _openssl(*_NEW_REQUEST, "-subj", subject, "-key", str(self._key))
            public = await _openssl(*_PUBLIC_KEY, "-in", str(self._key))
            self._request = csr, key_hash(public)
        return self._request

    def keep(self, chain: tuple[bytes, ...], roots: tuple[bytes, ...]) -> None:
        """A new certificate with its chain, and the roots.

        IdentityError if it does not fit our key, or the disk fails; then the old one stays.
        """
        self.keep_roots(roots)
        new = self._cert.with_name(f"{self._cert.name}.new")
        self._write(new, _pem(chain), 0o644)
        try:
            client_context(self.ca, new, self._key)
            os.replace(new, self._cert)
        except (IdentityError, OSError) as error:
            new.unlink(missing_ok=True)
            raise IdentityError(f"the certificate that a server gave: {error}") from error

    def keep_roots(self, roots: tuple[bytes, ...]) -> bool:
        """The roots that a server told; True if they are others than before."""
        if roots == self.roots():
            return False
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(
                cadata=_pem(roots).decode("ascii")
            )
        except ssl.SSLError as error:
            raise IdentityError(f"a server's list of roots cannot be used: {error}") from error
        self._write(self._roots, _pem(roots), 0o644)
        _LOG.info("the group has other roots: %d of them are trusted now", len(roots))
        return True

    def _write(self, path: Path, data: bytes, mode: int) -> None:
        """Whole or not at all, and on the disk: the name of this terminal hangs on its key."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    os.fchmod(file.fileno(), mode)
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise IdentityError(f"cannot write {path}: {error.strerror}") from error


_NEW_KEY = ("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
# Without a settings file: a subject is all that we ask for, and servers do not even look at that.
_NEW_REQUEST = ("req", "-new", "-sha256", "-outform", "DER", "-config", "/dev/null")
_PUBLIC_KEY = ("pkey", "-pubout", "-outform", "DER")


async def _openssl(*arguments: str) -> bytes:
    try:
        process = await asyncio.create_subprocess_exec(
            "openssl",
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise IdentityError(f"cannot run openssl: {error}; is it installed?") from error
    try:
        out, told = await asyncio.wait_for(process.communicate(), OPENSSL_S)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    if process.returncode or not out:
        words = told.decode("utf-8", "replace").strip()
        raise IdentityError(f"openssl {arguments[0]}: {words or process.returncode}")
    return out


def _pem(blobs: tuple[bytes, ...]) -> bytes:
    return "".join(map(ssl.DER_cert_to_PEM_cert, blobs)).encode("ascii")
