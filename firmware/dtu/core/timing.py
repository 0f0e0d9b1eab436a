"""Every interval of a terminal, in seconds, with its reason; relations are asserted below."""

from roamwire.errors import LocalProtocolError

KEEPALIVE_S = 0.5
"""Until the server says otherwise in its welcome (DESIGN section 4)."""

LOST_S = 1.5
"""A server without an answer for so long is lost; a reset connection is lost at once."""

MIN_KEEPALIVE_S = 0.1
MAX_LOST_S = 120.0
"""What a server may ask for is bounded: the classic profile's 60 s fits."""

STALL_S = 0.25
"""If our own loop was late by this, the server gets another keepalive before it is called lost."""

CONNECT_S = 1.0
"""TCP, TLS and welcome of one candidate; then the next is tried."""

FAILOVER_JITTER_S = 0.1
"""Spread of the first attempt after a loss, so that a whole floor does not knock at once."""

SEEK_PAUSE_S = 0.5
MAX_SEEK_PAUSE_S = 5.0
"""Between rounds through all candidates: doubled each time, with jitter."""

WAY_S = 4.0
"""One way of finding servers (the last list, DHCP, DNS ...) in one round: four silent candidates.
Then the next way has its turn; what was not tried comes first in the next round."""

LOOKUP_S = 1.5
"""A name server on a LAN answers within 10 ms; of two of which one is dead, within a second."""

MDNS_S = 1.0
"""Neighbours answer multicast DNS within 20 to 120 ms (RFC 6762 section 6), and are asked twice."""

SERVER_ANSWERS_S = 0.1
"""After the first serverR others may follow; the least loaded is tried first."""

INSERT_ANSWER_S = 5.0
"""An insert that nobody has answered is sent again; servers answer within a second."""

MAX_UNANSWERED_INSERTS_COUNT = 3
"""Then a server that does nothing but keepalives is lost: a person waits for 15 s, not for ever."""

CARD_ANSWER_S = 12.0
"""The card driver answers within 10 s, whatever the card does; later, the driver is stuck."""

PIN_PAD_S = 85.0
"""A server waits 90 s for a PIN (its timing.PIN_PROOF_S): the pad is closed a little sooner."""

PASSWORD_ANSWER_S = 30.0
"""A server lets PAM think for 25 s (its timing.PASSWORD_CHECK_S) before it gives the answer."""

HELD_S = 20.0
"""So long the words stay that tell a person without a card why there is no session."""

DISPLAY_CONNECT_S = 2.0
"""TCP and TLS of a display link take 10 ms on a LAN; a server without its link never answers."""

FIRST_FRAME_S = 5.0
"""From a display link to a whole frame: 30 ms on a LAN, a second for a busy server's session."""

PICTURE_SILENT_S = 2.0
PICTURE_ANSWER_S = 5.0
"""A session that has sent nothing for so long is asked for one pixel. A loaded server takes a
second for the answer; one that sends no byte at all in this time sees nothing of what is typed."""

DISPLAY_RETRY_S = 0.15
MAX_DISPLAY_RETRY_S = 3.0
"""After the display connection broke: ask for the session again, slower each time."""

RETURN_RETRY_S = 0.1
"""A server that restarts is tried this often until the time that it named is over."""

CRASH_RETURN_S = 3.0
"""A daemon that crashed is back within a second; longer, and its sessions are out of reach."""

ENROL_RETRY_S = 2.0
MAX_ENROL_RETRY_S = 60.0
"""One server's enrolment port is asked this often at most; a server may ask for a longer pause."""

ENROL_CONNECT_S = 2.0
ENROL_ANSWER_S = 5.0
"""TCP and TLS of the enrolment port; an answer, for which the server writes to its disk."""

FIRST_CHECK_S = 3.0
MAX_CHECK_S = 86400.0
"""After a start the roots are asked for once a server has us; later when the server says."""

CHECK_RETRY_S = 60.0
MAX_CHECK_RETRY_S = 3600.0
"""A server without an answer about roots is asked again, slower each time: half a life is left."""

KEY_REPEAT_DELAY_S = 0.4
KEY_REPEAT_INTERVAL_S = 0.033
"""A held key, as on PCs; X servers of sessions leave the repeat to their viewers."""

LOW_TRUST_S = 8.0
"""A token that proves nothing is named over its session for so long: a dozen words, read twice."""

MAX_RETURN_S = 10.0
"""A server may not ask us to wait longer than this for its restart."""

SOUND_CONNECT_S = 2.0
"""TCP and TLS of a sound channel, as of a display link."""

SOUND_RETRY_S = 0.2
MAX_SOUND_RETRY_S = 5.0
"""After a sound channel broke: doubled each time, while the terminal's sound server is away."""

SOUND_STEADY_S = 5.0
"""A channel that carried for so long was good: the next one is opened soon."""

STILL_S = 0.3
"""A picture unchanged for so long is still: what came by JPEG is asked for without loss."""

MEND_SLICE_S = 0.2
MEND_PATIENCE_S = 2.0
"""What is mended at once takes the network so long; a key's echo waits behind it. If nothing at all
comes for the second, the answer is given up."""

QUALITY_HOLD_S = 1.0
"""Between two changes of the JPEG quality: each makes the session encode in another way."""

RATE_GAP_S = 0.05
"""A pause within an update that is the sender's and not the network's."""

if not KEEPALIVE_S * 3 <= LOST_S:
    raise LocalProtocolError("a lost keepalive or two is no lost server")
if not max(CONNECT_S, LOOKUP_S, MDNS_S) * 2 <= WAY_S:
    raise LocalProtocolError("a way has time for more than one look-up or candidate")
if not FAILOVER_JITTER_S < CONNECT_S < INSERT_ANSWER_S:
    raise LocalProtocolError("jitter is small, and connecting is quicker than inserting")
if not INSERT_ANSWER_S < CARD_ANSWER_S < PASSWORD_ANSWER_S < PIN_PAD_S:
    raise LocalProtocolError("servers are quicker than cards, and all are quicker than people")
if not LOST_S < PICTURE_SILENT_S < PICTURE_ANSWER_S:
    raise LocalProtocolError("a server that is dead as a whole is known by its keepalives, sooner")
if not ENROL_RETRY_S < ENROL_ANSWER_S < CHECK_RETRY_S < MAX_CHECK_RETRY_S < MAX_CHECK_S:
    raise LocalProtocolError("an answer is waited for, and a pause has an end")
if not RATE_GAP_S < MEND_SLICE_S < STILL_S < QUALITY_HOLD_S < MEND_PATIENCE_S:
    raise LocalProtocolError(
        "a picture is still before it is mended, and mended before it is given up"
    )
