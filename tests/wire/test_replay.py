"""The replay window against a plain model: each number once, bounded memory, boots in order."""

from hypothesis import given
from hypothesis import strategies as st

from roamwire.limits import MAX_BOOTS_PER_HOST, MAX_HOSTS, REPLAY_WINDOW
from roamwire.replay import ReplayGuard


def accepted(guard, numbers, host="s1", boot="b1"):
    return [number for number in numbers if guard.accept(host, boot, number)]


def test_rising_numbers_are_accepted_once():
    guard = ReplayGuard()
    assert accepted(guard, [1, 2, 2, 3, 1, 3, 4]) == [1, 2, 3, 4]


def test_reordered_datagrams_are_accepted_inside_the_window():
    guard = ReplayGuard()
    assert accepted(guard, [5, 3, 4, 3, 5, 1]) == [5, 3, 4, 1]


def test_the_window_is_exact():
    guard = ReplayGuard()
    top = 1000
    assert accepted(guard, [top, top - REPLAY_WINDOW + 1, top - REPLAY_WINDOW]) == [
        top,
        top - REPLAY_WINDOW + 1,
    ]


def test_a_jump_over_the_whole_window_forgets_what_was_seen_but_not_the_order():
    guard = ReplayGuard()
    assert accepted(guard, [10, 10 + 5 * REPLAY_WINDOW, 10, 10 + 5 * REPLAY_WINDOW]) == [
        10,
        10 + 5 * REPLAY_WINDOW,
    ]


@given(st.lists(st.integers(-5, 300), max_size=200))
def test_it_agrees_with_a_model_that_remembers_everything(numbers):
    guard, seen = ReplayGuard(), set()
    for number in numbers:
        fresh = number not in seen and (not seen or number > max(seen) - REPLAY_WINDOW)
        assert guard.accept("s1", "b1", number) is fresh
        if fresh:
            seen.add(number)


def test_hosts_and_boots_count_apart():
    guard = ReplayGuard()
    assert accepted(guard, [1], host="s1", boot="b1") == [1]
    assert accepted(guard, [1], host="s2", boot="b1") == [1]
    assert accepted(guard, [1], host="s1", boot="b2") == [1]
    assert accepted(guard, [1], host="s1", boot="b1") == []


def test_a_boot_that_is_over_never_comes_back():
    guard = ReplayGuard()
    assert accepted(guard, [1, 2], boot="old") == [1, 2]
    assert accepted(guard, [1], boot="new") == [1]
    guard.settle("s1", "new")
    assert accepted(guard, [3, 100], boot="old") == []
    assert accepted(guard, [1, 2], boot="new") == [2]


def test_a_boot_that_settles_unheard_starts_its_window():
    guard = ReplayGuard()
    guard.settle("s1", "b1")
    assert accepted(guard, [0, 1]) == [1]


def test_candidates_are_bounded_and_the_present_boot_stays():
    guard = ReplayGuard()
    assert guard.accept("s1", "present", 5)
    guard.settle("s1", "present")
    for number in range(20 * MAX_BOOTS_PER_HOST):
        assert guard.accept("s1", f"candidate{number}", 1)
    assert accepted(guard, [5, 6], boot="present") == [6]


def test_hosts_are_bounded():
    guard = ReplayGuard()
    for number in range(MAX_HOSTS):
        assert guard.accept(f"s{number}", "b", 1)
    assert not guard.accept("one-too-many", "b", 1)
    assert guard.accept("s0", "b", 2)
