"""When an attempt gives way to another before its client leaves."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.last_chance import LastChance


def knowing(*takes: float, patience: float = 3.0) -> LastChance:
    chance = LastChance()
    for _ in range(8):
        chance.patience.left(patience, 0.0)
    for number in range(20):
        chance.answered(-takes[number % len(takes)], 0.0)
    return chance


def test_nothing_is_ended_before_both_are_known() -> None:
    chance = LastChance()
    assert chance.seconds(0.0) == math.inf
    for _ in range(8):
        chance.patience.left(3.0, 0.0)
    assert chance.seconds(0.0) == math.inf
    for _ in range(20):
        chance.answered(-0.1, 0.0)
    assert chance.seconds(0.0) == pytest.approx(2.7)


@pytest.mark.parametrize(
    ("takes", "patience", "bound"),
    [
        (0.05, 3.0, 2.7),  # a tenth is left at the least
        (0.4, 3.0, 1.8),  # three times what nine of ten take
        (0.6, 3.0, math.inf),  # the other one would hardly be in time
        (0.6, 30.0, 27.0),
    ],
)
def test_what_is_left_is_enough_for_an_answer(takes: float, patience: float, bound: float) -> None:
    assert knowing(takes, patience=patience).seconds(0.0) == pytest.approx(bound)


def test_one_slow_answer_in_ten_changes_nothing() -> None:
    assert knowing(*[0.05] * 9, 2.2).seconds(0.0) == pytest.approx(2.7)
    assert knowing(*[0.05] * 4, 2.2).seconds(0.0) == math.inf


def test_where_the_server_has_stalled_nothing_stands_out() -> None:
    chance = knowing(0.1)
    stalled = [10.0 + number / 100 for number in range(50)]
    assert not chance.stands_out(10.0, stalled, 12.7)


def test_what_was_overtaken_by_answers_stands_out() -> None:
    chance = knowing(0.1)
    for number in range(40):
        chance.answered(10.0 + number / 20, 10.1 + number / 20)
    assert chance.stands_out(10.0, [10.0, 12.69], 12.7)
    assert chance.stands_out(10.0, [9.0, 10.0, 11.0, 12.0], 12.7)
    assert not chance.stands_out(10.0, [10.0 + number / 20 for number in range(30)], 12.7)


def test_without_other_requests_it_stands_out() -> None:
    assert knowing(0.1).stands_out(10.0, [10.0], 12.7)
    assert not knowing(0.1).stands_out(10.0, [10.0, 10.1], 12.7)


def test_what_does_not_help_is_soon_left_alone_for_longer_each_time() -> None:
    chance, now = knowing(0.1), 0.0
    for pause in (5.0, 10.0, 20.0):
        for _ in range(10):
            assert chance.seconds(now) < math.inf
            chance.end(now)
        assert chance.seconds(now + pause - 0.1) == math.inf
        now += pause
    assert chance.ended == 30


def test_what_is_due_in_the_moment_in_which_the_tokens_run_out_is_left_alone() -> None:
    chance = knowing(0.1)
    ended = 0
    while ended < 50 and chance.stands_out(0.0, [0.0], 0.0):
        chance.end(0.0)
        ended += 1
    assert ended == 10


def test_what_helps_goes_on() -> None:
    chance = knowing(0.1)
    for _ in range(200):
        chance.end(0.0)
        chance.followed(0.29, 0.0)  # of the 0.3 s that are left
    assert chance.seconds(0.0) == pytest.approx(2.7)


def test_what_takes_as_long_again_has_not_stalled() -> None:
    chance = knowing(0.15, patience=1.0)
    for _ in range(10):
        assert chance.seconds(0.0) == pytest.approx(0.55)
        chance.end(0.0)
        chance.followed(0.58, 0.58)
    assert chance.seconds(0.0) == math.inf


MOMENT = st.floats(0, 20)


@given(st.lists(st.tuples(MOMENT, MOMENT, st.sampled_from(["left", "answered", "end"]))))
def test_an_attempt_always_has_half_of_the_patience(events: list[Any]) -> None:
    chance, now = LastChance(), 0.0
    for pause, seconds, event in events:
        now += pause
        if event == "left":
            chance.patience.left(seconds, now)
        elif event == "answered":
            chance.answered(now - seconds, now)
            chance.patience.answered(seconds, now)
        else:
            chance.end(now)
        patience, bound = chance.patience.seconds(now), chance.seconds(now)
        assert bound == math.inf or (patience is not None and patience / 2 <= bound < patience)
