"""What a server says of its own limits."""

import pytest

from proxy.policy.quota import KEYS, LONGEST, Quota, Quotas, at_once


def turn(quota: Quota, now: float) -> float:
    """The wait until one's turn, which is taken."""
    wait = quota.turn_in(now)
    assert quota.take_turn(now).at == now + wait
    return wait


def test_nothing_left_is_a_pause() -> None:
    quota = Quota()
    quota.update(0, 30, now=100.0)
    assert quota.blocked_for(100.0) == 30.0
    assert quota.blocked_for(131.0) == 0.0


def test_nobody_is_believed_for_longer_than_a_minute() -> None:
    quota = Quota()
    quota.update(0, 86_400, now=0.0)
    assert quota.blocked_for(0.0) == 60.0


def test_plenty_is_no_reason_to_wait() -> None:
    quota = Quota()
    quota.update(1000, 60, now=0.0)
    assert [turn(quota, 0.0) for _ in range(5)] == [0.0] * 5


def test_the_rest_is_spread_over_the_time_until_there_is_more() -> None:
    quota = Quota()
    quota.update(100, 20, now=0.0)
    quota.update(10, 20, now=0.0)
    assert [turn(quota, 0.0) for _ in range(2)] == [0.0, 2.0]
    last = quota.take_turn(0.0)
    assert (last.at, quota.turn_in(0.0)) == (4.0, 6.0)
    last.end()
    assert turn(quota, 0.0) == 4.0
    assert quota.state(0.0) == (0.0, 10, 2.0)
    assert quota.state(21.0).remaining is None


def test_an_hour_is_an_hour() -> None:
    quota = Quota()
    quota.update(100, 3600, now=0.0)
    quota.update(36, 3600, now=0.0)
    assert [turn(quota, 0.0) for _ in range(2)] == [0.0, 100.0]


def test_few_credentials_are_remembered() -> None:
    quotas = Quotas()
    first = quotas.of("first")
    for number in range(KEYS):
        quotas.of(number)
    assert quotas.of("first") is not first
    assert quotas.state(0.0).credentials == KEYS


def test_a_new_period_is_a_new_count() -> None:
    quota = Quota()
    quota.update(10, 20, now=0.0)
    assert turn(quota, 0.0) == 0.0
    quota.update(10, 20, now=50.0)
    assert [turn(quota, 50.0) for _ in range(3)] == [0.0] * 3


@pytest.mark.parametrize("until", [5.0, 1.0])
def test_the_longer_pause_counts(until: float) -> None:
    quota = Quota()
    quota.pause(5.0)
    quota.pause(until)
    assert quota.blocked_for(0.0) == 5.0


def test_a_path_is_paused_for_a_bounded_time_and_in_bounded_number() -> None:
    quotas = Quotas()
    for number in range(3 * KEYS):
        quotas.pause_path(b"/%d" % number, LONGEST)
    assert quotas.state(0.0).paths == KEYS
    assert quotas.path_wait(b"/%d" % (3 * KEYS - 1), 0.0) == LONGEST
    assert quotas.path_wait(b"/%d" % (3 * KEYS - 1), LONGEST) == 0.0


def test_of_few_paths_it_is_known_which_limit_they_count_to() -> None:
    quotas = Quotas()
    for number in range(KEYS + 1):
        quotas.name_budget(number, b"search")
    assert quotas.budgets
    assert (quotas.budget(0), quotas.budget(KEYS)) == (b"", b"search")


def test_a_pause_that_is_asked_for_takes_the_place_of_nothing_left() -> None:
    quota = Quota()
    quota.update(0, 20.0, 100.0)
    assert quota.blocked_for(100.0) == 20.0
    quota.pause(102.0)
    assert quota.blocked_for(100.0) == 2.0
    assert quota.limited


def test_a_turn_is_given_back_only_if_nobody_is_behind_it() -> None:
    quota = Quota()
    quota.update(100, 20, now=0.0)
    quota.update(10, 20, now=0.0)
    first, second = quota.take_turn(0.0), quota.take_turn(0.0)
    first.end()
    assert quota.turn_in(0.0) == 4.0  # one at a time: the second keeps its own
    second.end()
    assert quota.turn_in(0.0) == 2.0
    other, used = Quota(), quota.take_turn(0.0)
    assert (used.use(other), used.use(quota), used.use(quota)) == (False, True, False)
    used.end()
    assert quota.turn_in(0.0) == 4.0
    assert at_once().use(other)
    assert at_once().anywhere
