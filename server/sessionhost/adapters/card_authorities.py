"""The CAs whose cards the group takes (`piv_cas/*.pem`), and their revocation lists (`*.crl`).

A card sends its own certificate only, so every CA between it and a root is a file here. The folder
is read again when a file in it has changed: lists are renewed under the running server.
"""

import datetime
import logging
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from sessionhost.core.reasons import Reason

FOLDER = "piv_cas"

MAX_FILES = 64
MAX_FILE_BYTES = 64 * 1024 * 1024
"""The largest public revocation lists have some 30 MB."""

MAX_DEPTH = 5
LOOK_AGAIN_S = 5.0

_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_CARD_USES = {
    ObjectIdentifier("2.16.840.1.101.3.6.8"),  # id-PIV-cardAuth, FIPS 201
    ExtendedKeyUsageOID.CLIENT_AUTH,
    ExtendedKeyUsageOID.SMARTCARD_LOGON,
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
}
# What we honour; a critical extension of any other kind would be broken by ignoring it.
_UNDERSTOOD = (
    x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage, x509.SubjectAlternativeName,
    x509.CertificatePolicies, x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier,
)  # fmt: skip

log = logging.getLogger(__name__)


class CardAuthorities:
    """The folder's contents; `clock` is monotonic seconds."""

    def __init__(
        self, folder: Path, *, need_list: bool, clock: Callable[[], float] = lambda: 0.0
    ) -> None:
        self._folder = folder
        self._need_list = need_list
        self._clock = clock
        self._looked_at: float | None = None
        self._stamp: tuple[tuple[str, int, int], ...] = ()
        self._by_name: dict[x509.Name, list[x509.Certificate]] = {}
        self._lists: dict[bytes, list[x509.CertificateRevocationList]] = {}
        self._refresh()

    @property
    def fingerprints(self) -> list[str]:
        """SHA-256 of each CA's certificate, in hex: part of the group's policy."""
        found = [each for several in self._by_name.values() for each in several]
        return sorted(_fingerprint(each).hex() for each in found)

    def problem(self, certificate: x509.Certificate, now: datetime.datetime) -> Reason | None:
        """Why a card's certificate does not lead to one of the CAs; None if it does.

        REVOKED whatever else is wrong: that one holds for registered cards, too.
        """
        self._refresh()
        found = None if _for_cards(certificate) else Reason.NOT_FOR_SIGNING
        if not _in_dates(certificate, now):
            found = found or Reason.OUTSIDE_DATES
        below = certificate
        for depth in range(MAX_DEPTH):
            issuer = self._issuer(below, depth, now)
            if issuer is None:
                # A CA of the folder whose own issuer is not there is a root for us.
                return found if depth else found or Reason.UNKNOWN_ISSUER
            if self._is_revoked(below, issuer):
                return Reason.REVOKED
            if not _in_dates(issuer, now):
                found = found or Reason.OUTSIDE_DATES
            if self._need_list and not self._has_fresh_list(issuer, now):
                found = found or Reason.NO_REVOCATION_LIST
            if issuer.subject == issuer.issuer:
                return found
            below = issuer
        return found or Reason.UNKNOWN_ISSUER

    def _issuer(
        self, certificate: x509.Certificate, depth: int, now: datetime.datetime
    ) -> x509.Certificate | None:
        """The CA that signed it; of several certificates of one CA one that is in its dates."""
        late = None
        for each in self._by_name.get(certificate.issuer, []):
            limit = each.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
            if (limit is None or limit >= depth) and _issued(certificate, each):
                if _in_dates(each, now):
                    return each
                late = late or each
        return late

    def _is_revoked(self, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
        """Also by a list that is too old: nothing is taken back."""
        number = certificate.serial_number
        return any(
            each.get_revoked_certificate_by_serial_number(number) is not None
            for each in self._lists.get(_fingerprint(issuer), [])
        )

    def _has_fresh_list(self, issuer: x509.Certificate, now: datetime.datetime) -> bool:
        ends = [each.next_update_utc for each in self._lists.get(_fingerprint(issuer), [])]
        return any(until is not None and now <= until for until in ends)

    # The folder

    def _refresh(self) -> None:
        now = self._clock()
        if self._looked_at is not None and now - self._looked_at < LOOK_AGAIN_S:
            return
        self._looked_at = now
        try:
            files = sorted(each for each in self._folder.iterdir() if each.is_file())[:MAX_FILES]
            stats = [(each, each.stat()) for each in files]
        except OSError:
            files, stats = [], []
        stamp = tuple((each.name, stat.st_mtime_ns, stat.st_size) for each, stat in stats)
        if stamp != self._stamp:
            self._stamp = stamp
            self._read(files)

    def _read(self, files: list[Path]) -> None:
        by_name: dict[x509.Name, list[x509.Certificate]] = {}
        for path in files:
            if path.suffix == ".pem":
                for each in _certificates(path):
                    by_name.setdefault(each.subject, []).append(each)
        lists: dict[bytes, list[x509.CertificateRevocationList]] = {}
        for path in files:
            if path.suffix == ".crl" and (found := _revocation_list(path)) is not None:
                for each in by_name.get(found.issuer, []):
                    if _list_signed(found, each):
                        lists.setdefault(_fingerprint(each), []).append(found)
        self._by_name, self._lists = by_name, lists


def _for_cards(certificate: x509.Certificate) -> bool:
    """Whether a certificate is for a key that signs to prove a card or a person."""
    for each in certificate.extensions:
        value = each.value
        if each.critical and not isinstance(value, _UNDERSTOOD):
            return False
        if isinstance(value, x509.BasicConstraints) and value.ca:
            return False
        if isinstance(value, x509.KeyUsage) and not value.digital_signature:
            return False
        if isinstance(value, x509.ExtendedKeyUsage) and not _CARD_USES & set(value):
            return False
    return True


def _in_dates(certificate: x509.Certificate, now: datetime.datetime) -> bool:
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    if not isinstance(certificate.signature_hash_algorithm, _HASHES):
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _certificates(path: Path) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(_read_bounded(path))
        return [each for each in found if _is_authority(path, each)]
    except (OSError, ValueError) as error:
        log.error("%s: no certificates of card CAs in it (%s)", path, error)
        return []


def _is_authority(path: Path, certificate: x509.Certificate) -> bool:
    for each in certificate.extensions:
        if each.critical and not isinstance(each.value, _UNDERSTOOD):
            log.error("%s: not used, its critical %s is not honoured here", path, each.oid._name)
            return False
        if isinstance(each.value, x509.KeyUsage) and not each.value.key_cert_sign:
            log.error("%s: not used, it is not for signing certificates", path)
            return False
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        authority = constraints.value.ca
    except x509.ExtensionNotFound:
        authority = False
    if not authority:
        log.error("%s: not used, it is not the certificate of a CA", path)
    return authority


def _revocation_list(path: Path) -> x509.CertificateRevocationList | None:
    try:
        data = _read_bounded(path)
        pem = data.lstrip().startswith(b"-----")
        found = x509.load_pem_x509_crl(data) if pem else x509.load_der_x509_crl(data)
        partial = any(each.critical for each in found.extensions)
    except (OSError, ValueError) as error:
        log.error("%s: not a revocation list (%s)", path, error)
        return None
    if partial:
        log.error("%s: not used, it is not about all certificates of its CA", path)
        return None
    return found


def _list_signed(found: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    try:
        return found.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    except (ValueError, TypeError):
        return False


def _read_bounded(path: Path) -> bytes:
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ValueError(f"longer than {MAX_FILE_BYTES} bytes")
    return path.read_bytes()


def _fingerprint(certificate: x509.Certificate) -> bytes:
    return certificate.fingerprint(hashes.SHA256())
