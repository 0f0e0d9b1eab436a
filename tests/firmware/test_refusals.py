"""Refused certificates: what OpenSSL says, what a search makes of it, what the person reads."""

import datetime
import os
import ssl

import pytest

from dtu.app.tls import refused
from dtu.core import catalogue
from dtu.core.actions import Report
from dtu.core.refusals import Refusal, Refusals, Refused
from dtu.core.states import State
from fakes.bench import ALICE, S1, Bench, answer, bench_at, in_session
from sessionhost.adapters.pki import create_group

NOW = datetime.datetime(2026, 11, 24, 12, 0, tzinfo=datetime.UTC)
YEAR_S = 366 * 86400.0
OURS = Refused(Refusal.OURS, "unknown ca")
FOREIGN = Refused(Refusal.FOREIGN, "self-signed certificate")
EXPIRED = Refused(Refusal.EXPIRED, "certificate has expired", "2026-11-24 12:00")
CLOCK = Refused(Refusal.CLOCK, "certificate has expired", "2099-01-01 00:00")


# What OpenSSL says


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    folder = tmp_path_factory.mktemp("group")
    create_group(folder / "g", "test", NOW, os.urandom)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.load_verify_locations(folder / "g" / "ca.crt")
    return made


def unverified(code, words="words"):
    error = ssl.SSLCertVerificationError(1, words)
    error.verify_code, error.verify_message = code, words
    return error


def alert(reason):
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


@pytest.mark.parametrize("code", [7, 18, 19, 20, 21, 23, 24, 26])
def test_a_certificate_that_does_not_verify_is_not_of_our_group(context, code):
    assert refused(unverified(code), context, NOW.timestamp()).why is Refusal.FOREIGN


@pytest.mark.parametrize("code", [9, 10])
def test_out_of_date_is_the_clocks_fault_when_the_groups_ca_is_too(context, code):
    now = NOW.timestamp()
    assert refused(unverified(code), context, now).why is Refusal.EXPIRED
    assert refused(unverified(code), context, now + 29 * YEAR_S).why is Refusal.EXPIRED
    assert refused(unverified(code), context, now + 31 * YEAR_S).why is Refusal.CLOCK
    assert refused(unverified(code), context, -86400.0).why is Refusal.CLOCK


def test_the_time_that_the_clock_says_is_told_and_logged(context):
    found = refused(unverified(10, "certificate has expired"), context, NOW.timestamp())
    assert found.clock[:7] == "2026-11"
    assert "certificate has expired" in str(found)
    assert found.clock in str(found)


@pytest.mark.parametrize(
    "reason",
    [
        "TLSV1_ALERT_UNKNOWN_CA",
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_REVOKED",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "TLSV1_ALERT_ACCESS_DENIED",
        "SSL/TLS_ALERT_BAD_CERTIFICATE",
    ],
)
def test_a_servers_alert_about_our_certificate(context, reason):
    assert refused(alert(reason), context, 0.0).why is Refusal.OURS


@pytest.mark.parametrize(
    "error",
    [
        None,
        ConnectionResetError(),
        alert(None),
        alert("WRONG_VERSION_NUMBER"),
        alert("TLSV1_ALERT_INTERNAL_ERROR"),
        alert("SSLV3_ALERT_HANDSHAKE_FAILURE"),
    ],
)
def test_other_trouble_says_nothing_of_certificates(context, error):
    assert refused(error, context, NOW.timestamp()) is None


# What a search makes of it


def test_nothing_is_said_before_every_way_was_tried():
    refusals = Refusals()
    refusals.tried(FOREIGN)
    assert refusals.verdict is None
    refusals.round_over()
    assert refusals.verdict == FOREIGN
    refusals.tried("no answer")
    refusals.round_over()
    assert refusals.verdict is None


def test_who_proves_itself_outweighs_who_does_not():
    refusals = Refusals()
    for each in (FOREIGN, EXPIRED, OURS, CLOCK):
        refusals.tried(each)
    refusals.round_over()
    assert refusals.verdict == OURS


# What the person reads


def shown(bench):
    return bench.terminal._face._shown.message


def search_on(bench, *reasons):
    """A round of the search in which the candidates fail like that, in turn."""
    left = list(reasons)
    while left or bench.state is State.CONNECTING:
        if bench.state is State.CONNECTING:
            bench.closed(left.pop(0))
        else:
            bench.due()
    while bench.state is not State.CONNECTING:
        bench.due()


@pytest.mark.parametrize(
    ("refusal", "code", "form"),
    [(OURS, 19, "text"), (FOREIGN, 19, "foreign"), (EXPIRED, 19, "expired"), (CLOCK, 16, "text")],
)
def test_the_only_server_and_we_do_not_trust_each_other(refusal, code, form):
    bench = bench_at(State.CONNECTING)
    assert bench.words == catalogue.CONNECTING.code
    bench.closed(refusal)
    bench.due()
    assert (shown(bench).code, shown(bench).form) == (code, form)
    assert dict(shown(bench).params).get("time") == refusal.clock
    search_on(bench, refusal)
    assert bench.words == code, "it goes on trying under the same words"
    bench.welcome()
    assert bench.words == catalogue.INSERT_CARD.code


def test_all_servers_refuse_us():
    bench = Bench()
    bench.lease("10.0.0.1", "10.0.0.2")
    bench.due()
    bench.closed(OURS)
    bench.due()
    assert bench.words == catalogue.CONNECTING.code, "there is one more to try"
    bench.closed(OURS)
    bench.due()
    assert bench.words == catalogue.CERTIFICATE_REFUSED.code


def test_a_server_that_has_us_makes_the_others_words_void():
    bench = Bench()
    bench.lease("10.0.0.1", "10.0.0.2")
    bench.due()
    bench.closed(FOREIGN)
    bench.due()
    bench.welcome("s2")
    assert bench.words == catalogue.INSERT_CARD.code
    bench.server_dies()
    search_on(bench, "refused", "refused")
    assert bench.words != catalogue.CERTIFICATE_REFUSED.code


def test_silent_servers_beside_one_that_refuses_us_are_not_the_point():
    bench = Bench()
    bench.lease("10.0.0.1", "10.0.0.2")
    bench.due()
    bench.closed("no answer")
    bench.due()
    bench.closed(OURS)
    bench.due()
    assert bench.words == catalogue.CERTIFICATE_REFUSED.code
    search_on(bench, "no answer", "no answer")
    assert bench.words == catalogue.CONNECTING.code
    bench.closed("no answer")
    assert bench.words == catalogue.SEEKING.code


def test_who_answers_a_question_and_refuses_us_is_heard():
    bench = Bench()
    bench.lease()
    bench.due()
    answer(bench)
    bench.due()
    bench.closed(FOREIGN)
    search_over = bench.now + 20.0
    while bench.words != catalogue.CERTIFICATE_REFUSED.code:
        assert bench.now < search_over
        bench.due()


def test_another_network_is_another_chance():
    bench = bench_at(State.CONNECTING)
    bench.closed(OURS)
    bench.due()
    assert bench.words == catalogue.CERTIFICATE_REFUSED.code
    bench.lease("10.0.0.9")
    assert bench.words == catalogue.SEEKING.code


def test_a_person_with_a_card_in_reads_it_too():
    bench = in_session()
    bench.server_dies()
    assert bench.words == catalogue.SERVER_LOST.code
    bench.finder.remember((S1,))
    while bench.words == catalogue.SERVER_LOST.code:
        bench.closed(OURS) if bench.state is State.CONNECTING else bench.due()
    assert bench.words == catalogue.CERTIFICATE_REFUSED.code
    assert bench.terminal.token == ALICE


def test_the_log_says_which_server_refused_and_why():
    bench = bench_at(State.CONNECTING)
    bench.closed(OURS)
    (line,) = bench.of(Report)
    assert "10.0.0.1" in line.text
    assert "unknown ca" in line.text
