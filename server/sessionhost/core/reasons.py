"""Why a token was refused: one name each, for the log, and the number that a person sees."""

import enum

from roamwire.notices import NoticeCode


class Reason(enum.Enum):
    """The value is the word in the log."""

    KIND_OFF = "kind-off"
    NOT_REGISTERED = "not-registered"
    REGISTRY_DOWN = "registry-down"
    TOKEN_DISABLED = "token-disabled"
    TOKEN_LOST = "token-lost"
    OUTSIDE_HOURS = "outside-hours"
    OTHER_DESKS_TOKEN = "other-desks-token"
    OTHER_USERS_TOKEN = "other-users-token"
    TOO_MANY_TRIES = "too-many-tries"
    CARD_ERROR = "card-error"
    CARD_WITHOUT_KEY = "card-without-key"
    NO_CERTIFICATE = "no-certificate"
    KEY_KIND = "key-kind"
    WRONG_SIGNATURE = "wrong-signature"
    WRONG_KEY = "wrong-key"
    PROOF_LATE = "proof-late"
    OUTSIDE_DATES = "certificate-outside-dates"
    UNKNOWN_ISSUER = "certificate-unknown-issuer"
    REVOKED = "certificate-revoked"
    NO_REVOCATION_LIST = "no-revocation-list"
    NOT_FOR_SIGNING = "certificate-not-for-signing"
    NO_USER_IN_CERTIFICATE = "no-user-in-certificate"
    OTHER_CARDS_KEY = "other-cards-key"
    PIN_CANCELLED = "pin-cancelled"
    PIN_BLOCKED = "pin-blocked"
    WRONG_PASSWORD = "wrong-password"
    PASSWORD_CANCELLED = "password-cancelled"
    PASSWORD_LATE = "password-late"
    PASSWORD_EXPIRED = "password-expired"
    ACCOUNT_REFUSED = "account-refused"
    PASSWORDS_DOWN = "passwords-down"
    SEEN_AT_READER = "seen-at-reader"
    ENROLLED = "enrolled"

    @property
    def notice(self) -> NoticeCode:
        """The number that the person at the desk is told."""
        return _NOTICES[self]

    @property
    def guess(self) -> bool:
        """Whether this may have been a try at what is somebody else's: it slows the next ones.

        Wrong passwords are counted one by one where they are checked; nobody can guess what a
        card signs.
        """
        return self in _GUESSES


_NOTICES = {
    Reason.KIND_OFF: NoticeCode.KIND_REFUSED,
    Reason.NOT_REGISTERED: NoticeCode.NOT_REGISTERED,
    Reason.REGISTRY_DOWN: NoticeCode.REGISTRY_DOWN,
    Reason.TOKEN_DISABLED: NoticeCode.TOKEN_DISABLED,
    Reason.TOKEN_LOST: NoticeCode.TOKEN_LOST,
    Reason.OUTSIDE_HOURS: NoticeCode.OUTSIDE_HOURS,
    Reason.OTHER_DESKS_TOKEN: NoticeCode.KIND_REFUSED,
    Reason.OTHER_USERS_TOKEN: NoticeCode.NOT_REGISTERED,
    Reason.TOO_MANY_TRIES: NoticeCode.TOO_MANY_TRIES,
    Reason.CARD_ERROR: NoticeCode.NOT_PROVEN,
    Reason.CARD_WITHOUT_KEY: NoticeCode.NOT_PROVEN,
    Reason.NO_CERTIFICATE: NoticeCode.NOT_PROVEN,
    Reason.KEY_KIND: NoticeCode.NOT_PROVEN,
    Reason.WRONG_SIGNATURE: NoticeCode.NOT_PROVEN,
    Reason.WRONG_KEY: NoticeCode.NOT_PROVEN,
    Reason.PROOF_LATE: NoticeCode.NO_PROOF_IN_TIME,
    Reason.OUTSIDE_DATES: NoticeCode.CERTIFICATE_REFUSED,
    Reason.UNKNOWN_ISSUER: NoticeCode.CERTIFICATE_REFUSED,
    Reason.REVOKED: NoticeCode.CERTIFICATE_REFUSED,
    Reason.NO_REVOCATION_LIST: NoticeCode.CERTIFICATE_REFUSED,
    Reason.NOT_FOR_SIGNING: NoticeCode.CERTIFICATE_REFUSED,
    Reason.NO_USER_IN_CERTIFICATE: NoticeCode.CERTIFICATE_REFUSED,
    Reason.OTHER_CARDS_KEY: NoticeCode.CERTIFICATE_REFUSED,
    Reason.PIN_CANCELLED: NoticeCode.PIN_NOT_GIVEN,
    Reason.PIN_BLOCKED: NoticeCode.PIN_BLOCKED,
    Reason.WRONG_PASSWORD: NoticeCode.WRONG_PASSWORD,
    Reason.PASSWORD_CANCELLED: NoticeCode.PASSWORD_NOT_GIVEN,
    Reason.PASSWORD_LATE: NoticeCode.PASSWORD_NOT_GIVEN,
    Reason.PASSWORD_EXPIRED: NoticeCode.PASSWORD_EXPIRED,
    Reason.ACCOUNT_REFUSED: NoticeCode.ACCOUNT_REFUSED,
    Reason.PASSWORDS_DOWN: NoticeCode.PASSWORDS_DOWN,
    Reason.SEEN_AT_READER: NoticeCode.TOKEN_SEEN,
    Reason.ENROLLED: NoticeCode.TOKEN_ENROLLED,
}

_GUESSES = frozenset({Reason.NOT_REGISTERED, Reason.OTHER_DESKS_TOKEN})
