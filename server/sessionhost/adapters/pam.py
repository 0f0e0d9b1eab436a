"""A PAM session for a user, through libpam itself. Asking for a password is not here."""

import ctypes
import os

_SUCCESS = 0
_CONV_ERR = 19
_ESTABLISH_CRED = 0x2
_DELETE_CRED = 0x4
_SILENT = 0x8000
_TTY = 3
_RUSER = 8

_CONVERSE = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p
)


class _Conversation(ctypes.Structure):
    _fields_ = (("converse", _CONVERSE), ("data", ctypes.c_void_p))


class PamError(Exception):
    """PAM refused; the text is PAM's own, with the step."""


def _no_answers(_count: int, _messages: int, _responses: int, _data: int) -> int:
    """There is nobody to ask: a module that insists on an answer fails."""
    return _CONV_ERR


class PamSession:
    """Account check, credentials and session of one user; call `open` and `close` as root."""

    def __init__(self, service: str, user: str, tty: str) -> None:
        self._pam = ctypes.CDLL("libpam.so.0")
        self._pam.pam_strerror.restype = ctypes.c_char_p
        self._pam.pam_getenvlist.restype = ctypes.POINTER(ctypes.c_void_p)
        self._handle = ctypes.c_void_p()
        # PAM keeps pointers to both for as long as the handle lives.
        self._converse = _CONVERSE(_no_answers)
        self._conversation = _Conversation(self._converse, None)
        status = self._pam.pam_start(
            service.encode(),
            user.encode(),
            ctypes.byref(self._conversation),
            ctypes.byref(self._handle),
        )
        if status != _SUCCESS:
            raise PamError(f"pam_start returned {status}")
        self._pam.pam_set_item(self._handle, _TTY, ctypes.c_char_p(tty.encode()))
        self._pam.pam_set_item(self._handle, _RUSER, ctypes.c_char_p(b"root"))

    def open(self) -> dict[str, str]:
        """Opens the session and returns the environment that the modules set."""
        self._step("pam_acct_mgmt", _SILENT)
        self._step("pam_setcred", _ESTABLISH_CRED | _SILENT)
        self._step("pam_open_session", _SILENT)
        return self._environment()

    def close(self) -> None:
        """Closes the session; what fails now changes nothing any more."""
        self._pam.pam_close_session(self._handle, _SILENT)
        self._pam.pam_setcred(self._handle, _DELETE_CRED | _SILENT)
        self._pam.pam_end(self._handle, _SUCCESS)

    def _step(self, name: str, flags: int) -> None:
        status = getattr(self._pam, name)(self._handle, flags)
        if status != _SUCCESS:
            words = self._pam.pam_strerror(self._handle, status) or b""
            raise PamError(f"{name}: {os.fsdecode(words)}")

    def _environment(self) -> dict[str, str]:
        listed = self._pam.pam_getenvlist(self._handle)
        libc = ctypes.CDLL(None)
        libc.free.argtypes = [ctypes.c_void_p]
        found: dict[str, str] = {}
        index = 0
        while listed and (entry := listed[index]):
            name, _, value = os.fsdecode(ctypes.string_at(entry)).partition("=")
            found[name] = value
            libc.free(entry)
            index += 1
        libc.free(listed)
        return found
