"""Which refusals are about the limit: in virtual time, and one by one."""

import heapq
import random
from collections.abc import Callable

import pytest

from proxy.policy.gradient import Baseline, Gradient
from proxy.policy.refusals import Refusals

USUAL = 0.2
QUICK = 0.005
"""Seconds that an answer takes, and a refusal."""


def asked_as_much_as_the_limit_allows(
    refuses: Callable[[random.Random, int], bool],
    *,
    sustains: int,
    seconds: float,
    seed: int,
    refusal: float = QUICK,
) -> tuple[Gradient, list[int]]:
    """The limit at the end, and the answers of each ten seconds.

    ``refuses``: whether one more is refused, by chance or by how many it works on.
    """
    rng, gradient, usual = random.Random(seed), Gradient(1, 1000), Baseline()
    under_way: list[tuple[float, int, float, bool]] = []
    working = number = 0
    now, answers = 0.0, [0] * (int(seconds / 10) + 1)
    while now < seconds:
        while len(under_way) < gradient.limit:
            number += 1
            refused = refuses(rng, working)
            takes = refusal
            if not refused:
                takes = USUAL * rng.lognormvariate(0, 0.3)
                takes *= max(1.0, (working + 1) / sustains) ** 1.5
                working += 1
            heapq.heappush(under_way, (now + takes, number, now, refused))
        now, _, began, refused = heapq.heappop(under_way)
        if refused:
            gradient.overloaded(now)
        else:
            working -= 1
            answers[int(now / 10)] += 1
            gradient.observe(usual, now - began, now, len(under_way) + 1)
    return gradient, answers[:-1]


@pytest.mark.parametrize("share", [0.15, 0.3, 0.45])
@pytest.mark.parametrize("seed", [1, 2])
def test_what_an_api_refuses_for_its_own_reasons_lowers_no_limit(share: float, seed: int) -> None:
    """An API of 60, which does 300 a second at best; it was asked one at a time."""
    gradient, answers = asked_as_much_as_the_limit_allows(
        lambda rng, _: rng.random() < share, sustains=60, seconds=120, seed=seed
    )
    assert min(answers[-4:]) > 0.85 * 10 * 60 / USUAL
    assert 45 < gradient.limit < 80


@pytest.mark.parametrize("refusal", [QUICK, USUAL], ids=["quick", "slow"])
@pytest.mark.parametrize("sustains", [3, 12, 60])
def test_what_it_refuses_since_it_is_asked_too_much_still_does(
    sustains: int, refusal: float
) -> None:
    gradient, answers = asked_as_much_as_the_limit_allows(
        lambda _, working: working >= sustains,
        sustains=1000,
        seconds=200,
        seed=3,
        refusal=refusal,
    )
    assert gradient.limit <= 1.25 * sustains
    assert sum(answers[-10:]) > 0.8 * 100 * sustains / USUAL


def test_both_at_once() -> None:
    gradient, answers = asked_as_much_as_the_limit_allows(
        lambda rng, working: working >= 60 or rng.random() < 0.15,
        sustains=1000,
        seconds=120,
        seed=1,
    )
    assert min(answers[-4:]) > 0.75 * 10 * 60 / USUAL
    assert gradient.limit < 90


def tell(refusals: Refusals, level: float, outcomes: int, one_in: int) -> None:
    """So many outcomes, of which every so manieth is a refusal."""
    for number in range(outcomes):
        refusals.count(level, refused=number % one_in == 0)


def lowered(one_in: int = 5) -> Refusals:
    """Of an API whose limit falls from 30."""
    refusals = Refusals(1)
    tell(refusals, 30.0, 100, one_in)
    assert refusals.too_many(30.0)
    assert refusals.lowered(30.0)
    tell(refusals, 20.0, 150, one_in)
    assert refusals.too_many(20.0)
    assert not refusals.lowered(20.0)
    return refusals


def test_a_few_are_not_too_many() -> None:
    refusals = Refusals(1)
    tell(refusals, 30.0, 500, 20)
    assert not refusals.too_many(30.0)


def test_the_same_share_at_a_third_has_nothing_to_do_with_the_limit() -> None:
    refusals = lowered()
    tell(refusals, 10.0, 199, 5)
    assert not refusals.too_many(10.0), "it stays there until that has been seen"
    assert not refusals.returns()
    tell(refusals, 10.0, 1, 5)
    assert refusals.returns() == 30.0
    assert refusals.returns() == 0.0, "once"
    assert refusals.own == pytest.approx(0.2, abs=0.01)
    assert not refusals.too_many(30.0)
    tell(refusals, 30.0, 100, 2)
    assert refusals.too_many(30.0), "half of all are more than before"


def test_far_fewer_at_a_third_have() -> None:
    refusals = lowered(2)
    tell(refusals, 10.0, 200, 5)
    assert refusals.returns() == refusals.own == 0.0
    assert refusals.too_many(9.0), "it goes on from there"


def test_more_than_half_are_never_taken_for_its_own() -> None:
    refusals = lowered(1)
    tell(refusals, 10.0, 400, 1)
    assert refusals.returns() == refusals.own == 0.0
    assert refusals.too_many(10.0)


def test_where_too_little_was_seen_on_the_way_it_is_looked_at_again() -> None:
    refusals = Refusals(1)
    tell(refusals, 30.0, 100, 5)
    refusals.lowered(30.0)
    tell(refusals, 10.0, 200, 5)
    assert refusals.returns() == 30.0
    assert refusals.own == 0.0
    tell(refusals, 25.0, 120, 5)
    tell(refusals, 10.0, 200, 5)
    assert refusals.returns() == 30.0
    assert refusals.own == pytest.approx(0.2, abs=0.01)


def test_what_it_refuses_no_more_is_forgotten() -> None:
    refusals = lowered()
    tell(refusals, 10.0, 200, 5)
    refusals.returns()
    tell(refusals, 30.0, 3000, 1000)
    assert refusals.own < 0.01
    tell(refusals, 30.0, 100, 5)
    assert refusals.too_many(30.0)


def test_a_limit_that_has_grown_again_begins_anew() -> None:
    refusals = lowered()
    tell(refusals, 15.0, 300, 1000)
    tell(refusals, 25.0, 1, 1000)
    tell(refusals, 25.0, 100, 5)
    assert refusals.lowered(25.0)
