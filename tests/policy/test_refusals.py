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


def asked(
    refuses: Callable[[random.Random, int, float], bool],
    seconds: float,
    seed: int = 1,
    *,
    sustains: int = 1000,
    refusal: float = QUICK,
    least: int = 1,
    rate: float = 0.0,
) -> tuple[Gradient, list[int], list[int]]:
    """The limit at the end; the answers of each ten seconds, and the refusals.

    ``refuses``: whether one more is refused, by chance, by how many it works on, or by the time.
    ``rate``: requests that come in a second; without it as many as the limit allows.
    """
    rng, gradient, usual = random.Random(seed), Gradient(least, 1000), Baseline()
    under_way: list[tuple[float, int, float, bool]] = []
    working = number = waiting = 0
    now, following = 0.0, 0.0
    answers, refusals = ([0] * (int(seconds / 10) + 1) for _ in range(2))
    while now < seconds:
        while rate and following <= now:
            waiting += 1
            following += rng.expovariate(rate)
        while len(under_way) < gradient.limit and (waiting or not rate):
            waiting -= bool(rate)
            number += 1
            refused = refuses(rng, working, now)
            takes = refusal
            if not refused:
                takes = USUAL * rng.lognormvariate(0, 0.3)
                takes *= max(1.0, (working + 1) / sustains) ** 1.5
                working += 1
            heapq.heappush(under_way, (now + takes, number, now, refused))
        if not under_way or (rate and following < under_way[0][0]):
            now = following
            continue
        now, _, began, refused = heapq.heappop(under_way)
        if refused:
            gradient.overloaded(now, len(under_way) + 1)
            refusals[int(now / 10)] += 1
        else:
            working -= 1
            answers[int(now / 10)] += 1
            gradient.observe(usual, now - began, now, len(under_way) + 1)
    return gradient, answers[:-1], refusals[:-1]


@pytest.mark.parametrize("share", [0.15, 0.3])
@pytest.mark.parametrize("seed", [1, 2])
def test_what_an_api_refuses_for_its_own_reasons_lowers_no_limit(share: float, seed: int) -> None:
    """An API of 60, which does 300 a second at best; it was asked one at a time."""
    gradient, answers, _ = asked(lambda rng, *_: rng.random() < share, 180, seed, sustains=60)
    assert min(answers[-4:]) > 0.85 * 10 * 60 / USUAL
    assert 45 < gradient.limit < 80


@pytest.mark.parametrize("refusal", [QUICK, USUAL], ids=["quick", "slow"])
@pytest.mark.parametrize("sustains", [3, 12, 60])
def test_what_it_refuses_since_it_is_asked_too_much_still_does(
    sustains: int, refusal: float
) -> None:
    gradient, answers, _ = asked(
        lambda _, working, __: working >= sustains, 200, 3, refusal=refusal
    )
    assert gradient.limit <= 1.25 * sustains
    assert sum(answers[-10:]) > 0.8 * 100 * sustains / USUAL


def test_both_at_once() -> None:
    gradient, answers, _ = asked(
        lambda rng, working, _: working >= 60 or rng.random() < 0.15, 120, 2
    )
    assert min(answers[-4:]) > 0.75 * 10 * 60 / USUAL
    assert gradient.limit < 90


@pytest.mark.parametrize("refusal", [QUICK, USUAL], ids=["quick", "slow"])
def test_after_a_long_calm_a_fall_is_seen_as_one(refusal: float) -> None:
    """What was refused in the calm is not what a third is compared with."""
    gradient, _, refusals = asked(
        lambda _, working, now: working >= (60 if now < 100 else 15), 200, refusal=refusal
    )
    assert gradient.limit <= 20
    assert sum(refusals[-5:]) < (400 if refusal == USUAL else 1500)


def test_where_few_ask_a_lower_limit_shows_nothing() -> None:
    """15 a second are three at a time: the API of 4 has too much to do now and then."""
    gradient, answers, refusals = asked(
        lambda _, working, now: working >= (60 if now < 30 else 4), 150, rate=15.0
    )
    assert gradient.limit <= 6
    assert sum(refusals[-5:]) < 0.1 * sum(answers[-5:])


def test_a_minimum_that_is_near_is_no_third() -> None:
    gradient, _, _ = asked(
        lambda rng, working, _: rng.random() < working / (working + 20.0),
        150,
        sustains=60,
        refusal=USUAL,
        least=10,
    )
    assert gradient.limit <= 12


def tell(
    refusals: Refusals, level: float, outcomes: int, one_in: float, *, busy: bool = True
) -> None:
    """So many outcomes, of which every so manieth is a refusal."""
    for number in range(outcomes):
        refused = number // one_in != (number - 1) // one_in
        refusals.count(level, refused=refused, busy=busy)


def too_many(refusals: Refusals, level: float) -> bool:
    return refusals.too_many(level, busy=True)


def lowered(one_in: float = 5) -> Refusals:
    """Of an API whose limit falls from 30."""
    refusals = Refusals()
    tell(refusals, 30.0, 100, one_in)
    assert too_many(refusals, 30.0)
    assert refusals.lowered(30.0)
    tell(refusals, 20.0, 150, one_in)
    assert too_many(refusals, 20.0)
    assert not refusals.lowered(20.0)
    return refusals


def test_a_few_are_not_too_many() -> None:
    refusals = Refusals()
    tell(refusals, 30.0, 500, 20)
    assert not too_many(refusals, 30.0)


def test_the_same_share_at_a_third_has_nothing_to_do_with_the_limit() -> None:
    refusals = lowered()
    tell(refusals, 10.0, 199, 5)
    assert not too_many(refusals, 10.0), "it stays there until that has been seen"
    assert not refusals.returns(10.0)
    tell(refusals, 10.0, 1, 5)
    assert refusals.returns(10.0) == 30.0
    assert refusals.returns(10.0) == 0.0, "once"
    assert refusals.own == pytest.approx(0.2, abs=0.01)
    assert not too_many(refusals, 30.0)
    tell(refusals, 30.0, 100, 2)
    assert too_many(refusals, 30.0), "half of all are more than before"


@pytest.mark.parametrize(
    ("before", "one_in"), [(4, 2), (8, 4), (4, 7)], ids=["over a third", "far more", "far fewer"]
)
def test_another_share_at_a_third_has(before: int, one_in: int) -> None:
    refusals = lowered(before)
    tell(refusals, 10.0, 200, one_in)
    assert refusals.returns(10.0) == refusals.own == 0.0
    assert too_many(refusals, 9.0), "it goes on from there"
    assert refusals.lowered(9.0)


def test_what_comes_while_few_ask_is_not_compared() -> None:
    refusals = lowered()
    tell(refusals, 10.0, 1000, 5, busy=False)
    assert refusals.returns(10.0) == 0.0
    assert refusals.too_many(10.0, busy=False), "nor is it waited for"


def test_more_than_a_third_are_never_taken_for_its_own() -> None:
    refusals = lowered(2)
    tell(refusals, 10.0, 400, 2)
    assert refusals.returns(10.0) == refusals.own == 0.0
    assert too_many(refusals, 10.0)


def test_half_of_all_are_too_many_whatever_its_own_are() -> None:
    refusals = lowered(3.1)
    tell(refusals, 10.0, 200, 3.1)
    assert refusals.returns(10.0) == 30.0
    assert refusals.own == pytest.approx(0.32, abs=0.01)
    tell(refusals, 30.0, 300, 2.2)
    assert not too_many(refusals, 30.0), "45 %, and its own share and a half would be 58"
    tell(refusals, 30.0, 300, 1.85)
    assert too_many(refusals, 30.0)


def test_of_what_was_seen_on_the_way_the_last_counts() -> None:
    """In hours of calm at a limit that has fallen a little hardly anything was refused."""
    refusals = Refusals()
    tell(refusals, 30.0, 100, 5)
    assert refusals.lowered(30.0)
    tell(refusals, 25.0, 5000, 50)
    tell(refusals, 20.0, 400, 4)
    tell(refusals, 10.0, 200, 20 / 3)
    assert refusals.returns(10.0) == refusals.own == 0.0, "15 % are far fewer than 25"
    tell(refusals, 30.0, 100, 5)
    assert refusals.lowered(30.0)
    tell(refusals, 25.0, 5000, 50)
    tell(refusals, 20.0, 400, 5)
    tell(refusals, 10.0, 400, 5)
    assert refusals.returns(10.0) == 30.0


def test_who_was_compared_in_vain_waits_longer_for_the_next_time() -> None:
    refusals = lowered(4)
    tell(refusals, 10.0, 200, 7)
    assert refusals.lowered(10.0)
    tell(refusals, 8.0, 200, 5)
    tell(refusals, 3.0, 399, 5)
    assert refusals.returns(3.0) == 0.0
    tell(refusals, 3.0, 1, 5)
    assert refusals.returns(3.0) == 10.0


def test_what_was_believed_of_times_is_kept_while_refusals_lower_the_limit() -> None:
    gradient = Gradient(1, 1000)
    gradient._capacity.begin(16.0, 0.03)
    for _ in range(5):
        gradient._capacity.observe(16.0, 0.0, 0.02)
    believed = list(gradient._capacity._likely)
    for number in range(100):  # every fifth, from 16 to a third of it
        if number % 5:
            gradient._refusals.count(16.0, refused=False, busy=True)
        else:
            gradient.overloaded(1.0 + number, 16)
    assert gradient._capacity._likely != believed
    for number in range(3000):
        if gradient.limit == 16:
            break
        if number % 5:
            gradient._refusals.count(gradient._level, refused=False, busy=True)
        else:
            gradient.overloaded(200.0 + number, 1000)
    assert gradient.limit == 16
    assert gradient._capacity._likely == believed


def test_where_too_little_was_seen_on_the_way_it_is_looked_at_again() -> None:
    refusals = Refusals()
    tell(refusals, 30.0, 100, 5)
    refusals.lowered(30.0)
    tell(refusals, 10.0, 200, 5)
    assert refusals.returns(10.0) == 30.0
    assert refusals.own == 0.0
    tell(refusals, 25.0, 120, 5)
    tell(refusals, 10.0, 200, 5)
    assert refusals.returns(10.0) == 30.0
    assert refusals.own == pytest.approx(0.2, abs=0.01)


def test_a_limit_that_is_higher_by_now_is_not_set_back() -> None:
    refusals = lowered()
    tell(refusals, 10.0, 200, 5)
    assert refusals.returns(200.0) == 0.0


def test_what_it_refuses_no_more_is_forgotten() -> None:
    refusals = lowered()
    tell(refusals, 10.0, 200, 5)
    refusals.returns(10.0)
    tell(refusals, 30.0, 3000, 1000)
    assert refusals.own < 0.01
    tell(refusals, 30.0, 100, 5)
    assert too_many(refusals, 30.0)


def test_a_limit_that_has_grown_again_begins_anew() -> None:
    refusals = lowered()
    tell(refusals, 15.0, 300, 1000)
    tell(refusals, 25.0, 1, 1000)
    tell(refusals, 25.0, 100, 5)
    assert refusals.lowered(25.0)
