"""An audit log beside the journal's copies: what was changed, removed or added is found."""

import pytest

from sessionhost.core.audit import Chain, Record, parse
from sessionhost.core.audit_copies import Comparison, Copy, spans

TAKEN_US = 1_000_000


def chain(count, who="alice"):
    made, lines = Chain(), []
    for _ in range(count):
        lines.append(made.line(Record("card", "in", who), when="2026", host="s1", card=""))
        made.follow(parse(lines[-1]))
    return lines


def compared(log, copies, *, older_gone=False):
    hashes = {entry["n"]: entry["hash"] for entry in map(parse, log)}
    comparison = Comparison(hashes, TAKEN_US, older_gone=older_gone)
    for copy in copies:
        comparison.see(copy if isinstance(copy, Copy) else Copy(copy, 0))
    return comparison


def flaws(*args, **how):
    return list(compared(*args, **how).flaws())


def test_equal_copies_vouch_for_what_is_before_them():
    log = chain(9)
    found = compared(log, reversed(log))
    assert list(found.flaws()) == []
    assert found.vouched() == (9, 1, 9)
    # The journal was made later, and has lost some: the chain holds these.
    found = compared(log, [log[8], log[4], log[3]])
    assert list(found.flaws()) == []
    assert found.vouched() == (3, 4, 9)


def test_a_chain_that_was_made_anew_is_found():
    log = chain(5)
    forged = log[:1] + chain(5, "carol")[1:]
    assert flaws(forged, log) == [
        "records 2 to 5 are in the journal, with another content",
    ]
    # and also if the forger has told the journal the new ones.
    assert flaws(forged, log + forged) == flaws(forged, log)


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (slice(0, 3), ["records 4 to 5 are in the journal, and not in the log"]),
        (slice(2, 5), ["records 1 to 2 are in the journal, and not in the log"]),
        (slice(0, 0), ["records 1 to 5 are in the journal, and not in the log"]),
        (slice(0, 5, 2), ["record 2 is in the journal, and not in the log",
                          "record 4 is in the journal, and not in the log"]),
    ],
)  # fmt: skip
def test_what_was_removed_is_found(there, words):
    log = chain(5)
    assert flaws(log[there], log) == words


def test_what_was_added_is_found():
    log = chain(5)
    assert flaws(log, log[:3]) == [
        "records 4 to 5 are not in the journal, which has what was before"
    ]


def test_what_came_after_the_look_at_the_log_is_not_owed():
    log = chain(5)
    assert flaws(log[:4], [*log[:4], Copy(log[4], TAKEN_US)]) == []
    assert flaws(log[:4], [*log[:4], Copy(log[4], TAKEN_US - 1)]) != []


def test_records_of_files_that_are_rightly_gone_are_not_owed():
    log = chain(5)
    assert flaws(log[2:], log, older_gone=True) == []


def test_what_the_disk_did_not_take_is_no_flaw():
    log, lost = chain(5), chain(5, "bob")[4]
    found = compared(log, [*log, Copy(lost, 0, unwritten=True)])
    assert (list(found.flaws()), found.unwritten) == ([], 1)


def test_a_journal_without_copies_shows_nothing():
    found = compared(chain(5), ["", "no record", "{}"])
    assert (found.seen, found.vouched(), list(found.flaws())) == (False, (0, 0, 0), [])


def test_numbers_are_told_in_runs():
    assert list(spans([])) == []
    assert list(spans([7, 3, 2, 1])) == ["records 1 to 3 are", "record 7 is"]
