"""For how long equal requests join a call."""

import pytest

from proxy.policy.joining import LEAST, UsualTime


def test_too_few_calls_say_nothing() -> None:
    usual = UsualTime()
    for _ in range(19):
        usual.observe(30.0)
        assert usual.joined_for() == LEAST
    usual.observe(30.0)
    assert usual.joined_for() == 60.0


@pytest.mark.parametrize(
    ("slow", "seconds"),
    [(1, LEAST), (6, LEAST), (7, 60.0)],
    ids=["one-stall", "one-in-twenty", "more"],
)
def test_a_few_stalls_move_nothing(slow: int, seconds: float) -> None:
    usual = UsualTime()
    for number in range(128):
        usual.observe(30.0 if number < slow else 0.1)
    assert usual.joined_for() == seconds


def test_a_change_is_noticed_after_as_many_calls_as_are_kept() -> None:
    usual = UsualTime()
    for seconds in (30.0, 0.1):
        for _ in range(128):
            usual.observe(seconds)
    assert usual.joined_for() == LEAST
