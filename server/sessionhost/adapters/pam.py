"""A user's PAM session, and the check of a password, through libpam itself. Asks nobody."""

import ctypes
import os
from collections.abc import Callable

_SUCCESS = 0
_BUF_ERR = 5
_CONV_ERR = 19
_ESTABLISH_CRED = 0x2
_DELETE_CRED = 0x4
_SILENT = 0x8000
_DISALLOW_NULL_AUTHTOK = 0x1
_PROMPT_ECHO_OFF = 1
_ERROR_MSG = 3
_TEXT_INFO = 4
_TTY = 3
_RUSER = 8

_CONVERSE = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p
)


class _Conversation(ctypes.Structure):
    _fields_ = (("converse", _CONVERSE), ("data", ctypes.c_void_p))


class _Message(ctypes.Structure):
    _fields_ = (("style", ctypes.c_int), ("text", ctypes.c_char_p))


class _Response(ctypes.Structure):
    _fields_ = (("text", ctypes.c_void_p), ("code", ctypes.c_int))


class PamError(Exception):
    """PAM refused; the text is PAM's own, with the step."""


def _no_answers(_count: int, _messages: int, _responses: int, _data: int) -> int:
    """There is nobody to ask: a module that insists on an answer fails."""
    return _CONV_ERR


def _answering(password: str) -> Callable[[int, int, int, int], int]:
    """Gives the password to every question without echo; to no other, nobody could answer it."""
    libc = ctypes.CDLL(None)
    libc.calloc.restype = libc.strdup.restype = ctypes.c_void_p

    def converse(count: int, messages: int, responses: int, _data: int) -> int:
        styles = [
            ctypes.cast(messages, ctypes.POINTER(ctypes.POINTER(_Message)))[n].contents.style
            for n in range(count)
        ]
        if any(style not in (_PROMPT_ECHO_OFF, _ERROR_MSG, _TEXT_INFO) for style in styles):
            return _CONV_ERR
        # PAM frees what it is given here (pam_conv(3)), so that it must come from malloc.
        made = libc.calloc(ctypes.c_size_t(count), ctypes.c_size_t(ctypes.sizeof(_Response)))
        if not made:
            return _BUF_ERR
        answers = ctypes.cast(made, ctypes.POINTER(_Response))
        for number, style in enumerate(styles):
            if style == _PROMPT_ECHO_OFF:
                answers[number].text = libc.strdup(ctypes.c_char_p(password.encode("utf-8")))
        ctypes.cast(responses, ctypes.POINTER(ctypes.c_void_p))[0] = made
        return _SUCCESS

    return converse


_PASSWORD_RESULTS = {
    6: "refused",  # PAM_PERM_DENIED
    7: "wrong",  # PAM_AUTH_ERR
    8: "refused",  # PAM_CRED_INSUFFICIENT
    10: "wrong",  # PAM_USER_UNKNOWN
    11: "wrong",  # PAM_MAXTRIES
    12: "expired",  # PAM_NEW_AUTHTOK_REQD
    13: "refused",  # PAM_ACCT_EXPIRED
    27: "expired",  # PAM_AUTHTOK_EXPIRED
}


def check_password(service: str, user: str, password: str) -> str:
    """`right`, `wrong`, `expired`, `refused` (the account), or `down` for any other trouble.

    As root; blocks for as long as the modules want, seconds after a wrong password.
    """
    pam = PamSession(service, user, "roamdesk", _answering(password))
    try:
        for step in ("pam_authenticate", "pam_acct_mgmt"):
            status = pam.call(step, _SILENT | _DISALLOW_NULL_AUTHTOK)
            if status != _SUCCESS:
                return _PASSWORD_RESULTS.get(status, "down")
        return "right"
    finally:
        pam.end()


class PamSession:
    """Account check, credentials and session of one user; call `open` and `close` as root."""

    def __init__(
        self,
        service: str,
        user: str,
        tty: str,
        converse: Callable[[int, int, int, int], int] = _no_answers,
    ) -> None:
        self._pam = ctypes.CDLL("libpam.so.0")
        self._pam.pam_strerror.restype = ctypes.c_char_p
        self._pam.pam_getenvlist.restype = ctypes.POINTER(ctypes.c_void_p)
        self._handle = ctypes.c_void_p()
        # PAM keeps pointers to both for as long as the handle lives.
        self._converse = _CONVERSE(converse)
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
        self.end()

    def end(self) -> None:
        """Forgets the user and everything that was typed."""
        self._pam.pam_end(self._handle, _SUCCESS)

    def call(self, name: str, flags: int) -> int:
        """One step; PAM's status."""
        return int(getattr(self._pam, name)(self._handle, flags))

    def _step(self, name: str, flags: int) -> None:
        status = self.call(name, flags)
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
