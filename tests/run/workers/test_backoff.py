"""A worker that ends again and again is started less and less often."""

from proxy.run.workers.backoff import AT_ONCE, LONGEST, WINDOW, RestartBackoff


def test_the_first_are_replaced_at_once_then_each_wait_is_twice_as_long() -> None:
    backoff = RestartBackoff()
    assert [backoff.ended(0.0) for _ in range(AT_ONCE)] == [0.0] * AT_ONCE
    assert [backoff.ended(0.0) for _ in range(4)] == [0.1, 0.2, 0.4, 0.8]


def test_there_is_a_longest_wait() -> None:
    backoff = RestartBackoff()
    assert [backoff.ended(0.0) for _ in range(5_000)][-1] == LONGEST


def test_ends_that_are_long_ago_do_not_count() -> None:
    backoff = RestartBackoff()
    for _ in range(10):
        backoff.ended(0.0)
    assert backoff.ended(WINDOW + 1) == 0.0
