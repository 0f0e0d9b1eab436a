"""Every interval of a session host, in seconds, with its reason; relations are asserted below."""

from dataclasses import dataclass

from roamwire.errors import LocalProtocolError


@dataclass(frozen=True)
class Profile:
    """Intervals of the group protocol; `fast` is ours, `classic` the patent's."""

    announce_s: float
    host_down_s: float


PROFILES = {
    "fast": Profile(announce_s=1.0, host_down_s=4.0),
    "classic": Profile(announce_s=20.0, host_down_s=60.0),
}

ANNOUNCE_SOON_S = 0.05
"""After a change worth telling (interfaces, drain, restart): collect changes, then tell at once."""

QUESTION_S = 0.3
"""A tokenQ is over when all have answered or after this (DESIGN section 4)."""

QUESTION_REPEAT_S = 0.1
"""A tokenQ or tokenR may be lost: ask those who are silent again, twice within QUESTION_S."""

RESTARTING_QUESTION_S = 3.0
"""A host that said "back soon" may hold the session: its answer is awaited this long."""

START_GRACE_S = 0.5
"""After its start a server hears all others within some 0.2 s (each announces at once when it has
proven a new boot); until then it does not make a session that another one may have."""

PENDING_RETRY_S = 0.12
"""Another server is deciding on the same token and goes first: ask again after its decision."""

PENDING_ROUNDS = 4
"""After so many rounds the other server is taken for stuck, and we go ahead."""

PLACED_S = 5.0
"""How long a server answers "I have just sent that token to host X"."""

NONCE_S = 10.0
"""A redirect ticket is good this long (DESIGN section 4)."""

RESERVATION_S = 3.0
"""A placement counts as load until the target's own figures must show it."""

PROBE_REPEAT_S = 1.0
"""An unanswered "are you this boot?" is asked again."""

BLOCK_NEWS_S = (0.0, 0.15, 0.5)
"""A lost card or revoked terminal is told to everybody at these times after it was reported."""

BLOCK_PAGE_S = 0.2
"""A page of another server's blocks is asked for again."""

SHOWN_S = (0.0, 0.3, 1.0, 3.0)
"""What a server shows is told to the others at these times after the attach, or a host's return."""

SHOWN_PAUSE_S = 0.05
"""Between two bursts to a server that is up again."""

SHOWN_NONCE_S = 1.0
"""An answer to "I show this card" is heard so long: inserts further apart are always in order."""

REFUSED_AGAIN_S = 60.0
"""A revoked terminal tries again every few seconds; its refusal is told once in this time."""

KEEPALIVE_S = 0.5
LOST_S = 1.5
"""What a DTU is told to use (DESIGN section 4)."""

LINK_SILENT_S = 6.0
"""A DTU that has said nothing for so long is gone; longer than its own failover takes."""

LINK_CHECK_S = 1.0
"""Silent links are looked for this often."""

HELLO_S = 5.0
"""A connection that has not said hello by then is closed."""

SESSION_START_S = 20.0
"""The X server of a new session answers by then, or the session has failed."""

DISPLAY_TICKET_S = 10.0
"""A display ticket is used at once or not at all."""

RESTART_NOTICE_S = 3.0
"""How long DTUs wait for a server whose daemons restart: that takes half a second, on a busy server
a second or two."""

CARD_PROOF_S = 10.0
"""A card signs with 9E within a second; a reader may have to try again."""

PIN_PROOF_S = 90.0
"""A person looks for glasses and types a PIN, three times if need be."""

PASSWORD_S = 90.0
"""The same for a password."""

PASSWORD_CHECK_S = 25.0
"""PAM may wait for a directory server, and waits some seconds itself after a wrong password."""

CHECK_AGAIN_S = 3.0
"""A terminal has one password checked at a time; PAM takes some two seconds for a wrong one."""

REGISTER_S = 5.0
"""The registry writes to a disk."""

RESUME_S = 30.0
"""A desk that has lost its server and shows the session again so soon has had nobody else at it."""

BACKOFF_S = 1.0
MAX_BACKOFF_S = 300.0
"""The first wait after too many failures, which doubles, and the longest."""

FORGET_FAILURE_S = 120.0
"""One failure is forgotten so often: a terminal that is left alone is free again in a while."""

USER_TRIES_S = 900.0
"""The time in which a user's wrong passwords from all terminals count; as in pam_faillock."""

INSERT_PACE_S = 0.5
"""A terminal may insert so often in the long run; a person does not change cards faster."""

ENROL_S = 120.0
"""An administrator at a prompt waits so long for the card to be put in at the reader desk."""

ASKING_REFILL_S = 1.0
"""One address may ask the enrolment port this often in the long run."""

PENDING_POLL_S = 5.0
"""A terminal that waits for approval asks this often: a person at the desk sees it go on."""

PENDING_FORGET_S = 900.0
"""A terminal that waits and has not asked for so long is forgotten."""

MIN_CHECK_S = 2
MAX_CHECK_S = 3600
CHECKS_A_LIFE_COUNT = 10
"""A terminal asks hourly for roots and renewal, or ten times in the life of its certificate."""

for _profile in PROFILES.values():
    if _profile.host_down_s < 3 * _profile.announce_s:
        raise LocalProtocolError("a host is down only after several missed announcements")
if not QUESTION_REPEAT_S * 3 <= QUESTION_S + 1e-9 <= LOST_S:
    raise LocalProtocolError("a question has two repeats and is over before a DTU gives up")
if BLOCK_NEWS_S[-1] + PROFILES["fast"].announce_s + BLOCK_PAGE_S >= 2.0:
    raise LocalProtocolError("a block is everywhere within 2 s, also if its news was lost")
if not KEEPALIVE_S * 3 <= LOST_S < LINK_SILENT_S:
    raise LocalProtocolError("a lost keepalive or two is no lost server")
if not CARD_PROOF_S < PIN_PROOF_S or not PASSWORD_CHECK_S < PASSWORD_S:
    raise LocalProtocolError("a person is slower than a card and than PAM")
if not BACKOFF_S < MAX_BACKOFF_S < USER_TRIES_S:
    raise LocalProtocolError("back-off grows, and ends before the count of wrong passwords does")
if not ASKING_REFILL_S < PENDING_POLL_S * 3 < PENDING_FORGET_S:
    raise LocalProtocolError("who waits may ask, and is not forgotten between two questions")
