"""Private files: keys and the group's secrets, their permissions and contents. No cryptography."""

import os
import stat
import tempfile
from pathlib import Path

from roamwire.signing import GroupSecrets

SECRET_BYTES = 32  # as long as the HMAC-SHA-256 that it keys
MAX_PRIVATE_BYTES = 16 * 1024  # a PEM key of any kind is far smaller

SECRET_NAME = "secret"
PREVIOUS_NAME = "secret.previous"
AUDIT_KEY_NAME = "audit.key"


class KeyFileError(Exception):
    """A private file is missing, open to others or not what it should be; says what to do."""


def check_private(path: Path) -> None:
    """Raises KeyFileError unless only the owner (or, for root's files, a group) can read `path`."""
    try:
        status = path.stat()
    except OSError as error:
        raise KeyFileError(f"cannot read {path}: {error.strerror}") from error
    _check_status(path, status)


def read_private(path: Path, owner_uid: int = -1) -> bytes:
    """The contents of a private file after its permissions were checked.

    `owner_uid`: the daemon's user whose file it may be, for root, who reads it as well.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise KeyFileError(f"cannot read {path}: {error.strerror}") from error
    try:
        # The open file is judged, not the name: the name could be exchanged in between.
        _check_status(path, os.fstat(descriptor), owner_uid)
        return os.read(descriptor, MAX_PRIVATE_BYTES)
    except OSError as error:
        raise KeyFileError(f"cannot read {path}: {error.strerror}") from error
    finally:
        os.close(descriptor)


def write_private(path: Path, data: bytes) -> None:
    """Writes a 0600 file whole or not at all; root leaves a file that is there to its readers."""
    _write(path, data, 0o600)


def write_public(path: Path, data: bytes) -> None:
    """Writes a 0644 file whole or not at all."""
    _write(path, data, 0o644)


def load_secrets(group_dir: Path, classic: bool = False, owner_uid: int = -1) -> GroupSecrets:
    """The live secrets of a group folder; KeyFileError says what to do."""
    current = load_secret(group_dir / SECRET_NAME, owner_uid)
    path = group_dir / PREVIOUS_NAME
    previous = load_secret(path, owner_uid) if path.exists() else None
    return GroupSecrets(current, previous, classic)


def secret_text(secret: bytes) -> bytes:
    """A secret as its file holds it."""
    return secret.hex().encode("ascii") + b"\n"


def load_secret(path: Path, owner_uid: int = -1) -> bytes:
    """One secret of SECRET_BYTES; KeyFileError if the file holds anything else."""
    text = read_private(path, owner_uid).decode("ascii", "replace").strip()
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise KeyFileError(
            f"{path} must hold {2 * SECRET_BYTES} hexadecimal digits; "
            "copy it again from the group folder that 'roamctl group create' made"
        )
    return secret


def _check_status(path: Path, status: os.stat_result, owner_uid: int = -1) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise KeyFileError(f"{path} is not a regular file")
    if status.st_uid not in (0, os.geteuid(), owner_uid):
        raise KeyFileError(
            f"{path} belongs to user {status.st_uid}; it must belong to root or to the user "
            f"that reads it: chown {os.geteuid()} {path}"
        )
    # As PostgreSQL does: root may hand its file to one group, so that two daemons with
    # different users can share the server's key.
    allowed = 0o640 if status.st_uid == 0 else 0o600
    mode = stat.S_IMODE(status.st_mode)
    if mode & ~allowed & 0o177:
        raise KeyFileError(
            f"{path} has permissions {mode:04o}, open to others; at most {allowed:04o} is "
            f"allowed: chmod {allowed:04o} {path}"
        )


def _write(path: Path, data: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            _keep_readers(path, file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _keep_readers(path: Path, descriptor: int, mode: int) -> None:
    """Mode, and as root the owner and group of the file that is replaced: daemons read it."""
    if os.geteuid() == 0:
        try:
            present = path.stat()
        except FileNotFoundError:
            pass
        else:
            os.fchown(descriptor, present.st_uid, present.st_gid)
            if present.st_uid == 0:
                mode |= stat.S_IMODE(present.st_mode) & 0o040
    os.fchmod(descriptor, mode)
