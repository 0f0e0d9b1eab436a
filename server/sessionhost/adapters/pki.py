"""A group's folder: CAs, secrets, what of it servers get, and how each is replaced in steps.

What stands in a certificate is in `certificates`.
"""

import datetime
from collections.abc import Callable
from pathlib import Path

from cryptography import x509

from roamwire.identity import name_problem
from sessionhost.adapters.card_authorities import FOLDER as CARD_CAS
from sessionhost.adapters.certificates import (
    Authority,
    PkiError,
    is_root,
    joined,
    key_pem,
    load_authority,
    new_desk_ca,
    new_group_ca,
    to_pem,
)
from sessionhost.adapters.keyfiles import (
    AUDIT_KEY_NAME,
    PREVIOUS_NAME,
    SECRET_BYTES,
    SECRET_NAME,
    KeyFileError,
    load_secret,
    load_secrets,
    read_private,
    secret_text,
    write_private,
    write_public,
)
from sessionhost.adapters.policy_file import POLICY_NAME, default_text, load_policy

CA_CERT_NAME = "ca.crt"
CA_KEY_NAME = "ca.key"
NEXT_CA_KEY_NAME = "ca.next.key"
DESK_CA_CERT_NAME = "desk-ca.crt"
DESK_CA_KEY_NAME = "desk-ca.key"
NEXT_NAME = "secret.next"

RandomBytes = Callable[[int], bytes]


def create_group(
    folder: Path, name: str, now: datetime.datetime, random_bytes: RandomBytes
) -> Authority:
    """Makes a group's folder: both CAs, the first secret. Never overwrites a group."""
    problem = name_problem(name)
    if problem:
        raise PkiError(f"the group {problem}")
    for existing in (CA_KEY_NAME, CA_CERT_NAME, SECRET_NAME):
        if (folder / existing).exists():
            raise PkiError(
                f"{folder} holds a group already ({existing}); choose another folder, or remove "
                "it if no server and no terminal uses that group"
            )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ca = new_group_ca(name, now)
    write_private(folder / SECRET_NAME, secret_text(random_bytes(SECRET_BYTES)))
    create_audit_key(folder, random_bytes)
    _write_desk_ca(folder, new_desk_ca(ca, now))
    write_public(folder / CA_CERT_NAME, to_pem(ca.certificate))
    write_public(folder / POLICY_NAME, default_text().encode("utf-8"))
    write_private(folder / CA_KEY_NAME, key_pem(ca.key))
    return ca


def create_audit_key(folder: Path, random_bytes: RandomBytes) -> None:
    """The key under which cards stand in the audit log; it is for ever, a secret is not."""
    if (folder / AUDIT_KEY_NAME).exists():
        raise PkiError(f"{folder} has an {AUDIT_KEY_NAME} already; another one would rename cards")
    write_private(folder / AUDIT_KEY_NAME, secret_text(random_bytes(SECRET_BYTES)))


def load_ca(folder: Path) -> Authority:
    """The CA of a group's folder; needs the CA's key, which no server has."""
    ca = _load(folder, CA_KEY_NAME, CA_CERT_NAME)
    if not is_root(ca.certificate):
        raise PkiError(f"{folder / CA_CERT_NAME} is not a group's CA")
    return ca


def load_desk_ca(folder: Path) -> Authority | None:
    """The CA that signs terminals; None where it was left out, or in a folder of before it."""
    if not (folder / DESK_CA_KEY_NAME).exists():
        return None
    return _load(folder, DESK_CA_KEY_NAME, DESK_CA_CERT_NAME)


def export_group(folder: Path, out: Path, *, offline: bool = False) -> list[Path]:
    """Writes what every server of the group needs, and nothing of the CA's key, into `out`.

    A secret that is prepared is handed out as the second live one, so that every server accepts
    it before the first one signs with it. `offline`: without the key that lets terminals in.
    """
    pair = load_secrets(folder)
    second = pair.previous
    if (folder / NEXT_NAME).exists():
        second = load_secret(folder / NEXT_NAME)
    write_public(out / CA_CERT_NAME, _read_public(folder / CA_CERT_NAME))
    write_private(out / SECRET_NAME, secret_text(pair.current))
    written = [out / CA_CERT_NAME, out / SECRET_NAME]
    if (folder / AUDIT_KEY_NAME).exists():
        write_private(out / AUDIT_KEY_NAME, secret_text(load_secret(folder / AUDIT_KEY_NAME)))
        written.append(out / AUDIT_KEY_NAME)
    if second is None:
        (out / PREVIOUS_NAME).unlink(missing_ok=True)
    else:
        write_private(out / PREVIOUS_NAME, secret_text(second))
        written.append(out / PREVIOUS_NAME)
    return [*written, *_export_desk_ca(folder, out, offline), *_export_policy(folder, out)]


def _export_desk_ca(folder: Path, out: Path, offline: bool) -> list[Path]:
    names = (DESK_CA_KEY_NAME, DESK_CA_CERT_NAME)
    if offline or not (folder / DESK_CA_KEY_NAME).exists():
        for name in names:
            (out / name).unlink(missing_ok=True)
        return []
    write_private(out / DESK_CA_KEY_NAME, read_private(folder / DESK_CA_KEY_NAME))
    write_public(out / DESK_CA_CERT_NAME, _read_public(folder / DESK_CA_CERT_NAME))
    return [out / name for name in names]


def _export_policy(folder: Path, out: Path) -> list[Path]:
    """The policy, if it can be in force, and the CAs of cards as they are in the group's folder."""
    load_policy(folder)
    written = []
    if (folder / POLICY_NAME).exists():
        written.append(out / POLICY_NAME)
        write_public(written[-1], (folder / POLICY_NAME).read_bytes())
    source, target = folder / CARD_CAS, out / CARD_CAS
    for path in sorted(source.iterdir()) if source.is_dir() else []:
        written.append(target / path.name)
        write_public(written[-1], path.read_bytes())
    for path in sorted(target.iterdir()) if target.is_dir() else []:
        # A CA that was taken out must not live on; its lists may be renewed on each server.
        if path.suffix == ".pem" and path not in written:
            path.unlink()
    return written


def prepare_secret(folder: Path, random_bytes: RandomBytes) -> None:
    """Makes the next secret, which servers accept but do not sign with yet."""
    load_secrets(folder)
    if (folder / NEXT_NAME).exists():
        raise PkiError(f"a next secret is prepared already in {folder / NEXT_NAME}")
    write_private(folder / NEXT_NAME, secret_text(random_bytes(SECRET_BYTES)))


def rotate_secret(folder: Path, random_bytes: RandomBytes) -> bool:
    """The prepared (or else a new) secret becomes current; True if it had been prepared."""
    pair = load_secrets(folder)
    prepared = (folder / NEXT_NAME).exists()
    secret = load_secret(folder / NEXT_NAME) if prepared else random_bytes(SECRET_BYTES)
    # In this order a crash in between leaves a folder whose secrets are all live ones.
    write_private(folder / PREVIOUS_NAME, secret_text(pair.current))
    write_private(folder / SECRET_NAME, secret_text(secret))
    (folder / NEXT_NAME).unlink(missing_ok=True)
    return prepared


def prepare_ca(folder: Path, now: datetime.datetime) -> None:
    """Makes the next CA, which everybody is to trust before anything is signed by it."""
    ca = load_ca(folder)
    if (folder / NEXT_CA_KEY_NAME).exists():
        raise PkiError(f"a next CA is prepared already in {folder / NEXT_CA_KEY_NAME}")
    after = new_group_ca(ca.name, now)
    # The bundle last: what is in it without a key would be trusted for nothing.
    write_private(folder / NEXT_CA_KEY_NAME, key_pem(after.key))
    write_public(folder / CA_CERT_NAME, joined([*_bundle(folder), after.certificate]))


def rotate_ca(folder: Path, now: datetime.datetime) -> None:
    """The prepared CA signs from now on, with a desk CA of its own; the last is still trusted."""
    if not (folder / NEXT_CA_KEY_NAME).exists():
        raise PkiError(
            "no next CA is prepared: 'roamctl group rotate-ca --prepare' makes one, and all "
            "servers and terminals have to know it before it signs"
        )
    after = _load(folder, NEXT_CA_KEY_NAME, CA_CERT_NAME)
    # In this order a crash in between leaves a folder that works, and the step can be repeated.
    _write_desk_ca(folder, new_desk_ca(after, now))
    write_private(folder / CA_KEY_NAME, key_pem(after.key))
    others = [each for each in _bundle(folder) if each != after.certificate]
    write_public(folder / CA_CERT_NAME, joined([after.certificate, *others]))
    (folder / NEXT_CA_KEY_NAME).unlink()


def finish_ca(folder: Path) -> int:
    """Only the present CA is trusted from now on; gives how many were dropped."""
    if (folder / NEXT_CA_KEY_NAME).exists():
        raise PkiError("a next CA is prepared: finish the rotation that was begun first")
    ca = load_ca(folder)
    dropped = len(_bundle(folder)) - 1
    write_public(folder / CA_CERT_NAME, to_pem(ca.certificate))
    return dropped


def _load(folder: Path, key_name: str, certificate_name: str) -> Authority:
    certificates = _read_public(folder / certificate_name)
    return load_authority(read_private(folder / key_name), certificates, str(folder))


def _bundle(folder: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(_read_public(folder / CA_CERT_NAME))


def _write_desk_ca(folder: Path, desk_ca: Authority) -> None:
    write_private(folder / DESK_CA_KEY_NAME, key_pem(desk_ca.key))
    write_public(folder / DESK_CA_CERT_NAME, to_pem(desk_ca.certificate))


def _read_public(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise KeyFileError(f"cannot read {path}: {error.strerror}") from error
