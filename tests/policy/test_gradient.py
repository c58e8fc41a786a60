"""A limit that follows the API."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.waiting.adaptive import KINDS, Day, Kind
from proxy.policy.gradient import Baseline, Gradient


def fed(gradient: Gradient, usual: Baseline, seconds: float, rounds: int, now: float) -> float:
    """So many rounds of answers that take that long while the limit is in use; the time then."""
    rng = random.Random(1)
    for _ in range(rounds * 200):
        now += seconds / gradient.limit
        drawn = seconds * rng.uniform(0.9, 1.1)
        gradient.observe(usual, drawn, now, gradient.limit)
    return now


def test_while_all_is_well_it_grows() -> None:
    gradient, usual = Gradient(4, 1000), Baseline()
    assert gradient.limit == 16
    fed(gradient, usual, 0.1, 10, 0.0)
    assert gradient.limit > 100
    assert usual.value == pytest.approx(0.1, rel=0.1)


def test_a_round_of_however_many_answers_takes_its_time() -> None:
    """What a round costs would be more than all of its answers do."""
    gradient, usual = Gradient(1, 1000), Baseline()
    assert not any(gradient.observe(usual, 0.001, n / 10_000, 16) for n in range(500))
    assert gradient.limit == 16
    assert gradient.observe(usual, 0.001, 0.0501, 16)
    assert gradient.limit == 8


@pytest.mark.parametrize("most", [20, 32, 1000])
def test_a_limit_that_nobody_needs_stays(most: int) -> None:
    gradient, usual, now = Gradient(4, most), Baseline(), 0.0
    for _ in range(2000):
        now += 0.05
        gradient.observe(usual, 0.1, now, 2)
    assert gradient.limit == 16


def test_fewer_than_the_limit_may_be_too_many() -> None:
    gradient, usual = Gradient(4, 1000), Baseline()
    now = fed(gradient, usual, 0.1, 20, 0.0)
    high = gradient.limit
    for _ in range(2000):  # as many as half of the limit are there, and only eight are worked on
        now += 0.1 / 8
        in_flight = max(gradient.limit // 2, 8)
        gradient.observe(usual, 0.1 * in_flight / 8, now, in_flight)
    assert gradient.limit < high / 4


def test_what_takes_twice_as_long_halves_it_until_it_helps() -> None:
    """An API that shares itself among all: less at a time is faster."""
    gradient, usual, now = Gradient(4, 1000), Baseline(), 0.0
    for _ in range(20_000):
        limit = gradient.limit
        seconds = 0.1 * max(1.0, limit / 30)
        now += seconds / limit
        gradient.observe(usual, seconds * random.uniform(0.95, 1.05), now, limit)
    assert 25 <= gradient.limit <= 40


def test_what_is_slower_whatever_the_limit_is_the_usual_from_then_on() -> None:
    gradient, usual = Gradient(4, 64), Baseline()
    now = fed(gradient, usual, 0.1, 10, 0.0)
    now = fed(gradient, usual, 0.4, 30, now)
    assert gradient.limit > 40
    # Twice of that is too much for it again.
    for _ in range(4000):
        limit = gradient.limit
        seconds = 0.4 * max(1.0, limit / 20)
        now += seconds / limit
        gradient.observe(usual, seconds, now, limit)
    assert 16 <= gradient.limit <= 26


def test_an_api_that_says_it_has_too_much_is_asked_less() -> None:
    gradient = Gradient(4, 1000)
    assert gradient.overloaded(1.0, 16)
    assert gradient.limit == 14
    assert not gradient.overloaded(1.05, 16), "one refusal after another is one"
    for moment in range(50):
        gradient.overloaded(2.0 + moment, 16)
    assert gradient.limit == 4


@pytest.mark.parametrize(("in_use", "after"), [(16, 21), (6, 16)])
def test_what_came_at_once_says_nothing_of_the_api(in_use: int, after: int) -> None:
    """However long it took. The limit grows where it is in use."""
    gradient, usual, now = Gradient(4, 1000), Baseline(), 0.0
    for number in range(80):
        now += 0.001
        gradient.observe(usual, 0.001 * (1 + number), now, in_use, at_once=number % 3 > 0)
    assert gradient.limit == after
    assert usual.value == 0.001


def test_answers_of_which_half_came_at_once_are_as_good_as_others() -> None:
    some, none, now = Gradient(4, 1000), Gradient(4, 1000), 0.0
    usual, other = Baseline(), Baseline()
    rng = random.Random(1)
    for number in range(4000):
        now += 0.1 / none.limit
        seconds = 0.1 * max(1.0, none.limit / 30) * rng.uniform(0.9, 1.1)
        some.observe(usual, seconds, now, some.limit, at_once=number % 3 == 0)
        none.observe(other, seconds, now, none.limit)
        assert some.limit == none.limit
    assert some.limit < 60


def test_a_slow_first_answer_does_not_hold_what_comes_at_once_back() -> None:
    gradient, usual, now = Gradient(1, 1024), Baseline(), 100.0
    gradient.observe(usual, 3.0, now, gradient.limit)
    while gradient.limit <= 64:
        assert now < 112  # three times three seconds until the first round ends, and a little
        for _ in range(gradient.limit):
            now += 0.0001
            gradient.observe(usual, 0.002, now, gradient.limit, at_once=True)


def test_routes_have_their_own_usual() -> None:
    """A mix of a fast and a slow route is no sign of load."""
    gradient, fast, slow = Gradient(4, 200), Baseline(), Baseline()
    now = 0.0
    for turn in range(20_000):
        now += 0.002
        # The mix moves to and fro between one and the other.
        if random.Random(turn).random() < (0.1 if turn // 2000 % 2 else 0.9):
            gradient.observe(fast, 0.05, now, gradient.limit)
        else:
            gradient.observe(slow, 1.0, now, gradient.limit)
    assert gradient.limit > 100
    assert fast.value == pytest.approx(0.05)
    assert slow.value == pytest.approx(1.0)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0.0, 30), st.floats(0, 1), st.booleans(), st.booleans()), max_size=400
    ),
    st.integers(1, 8),
    st.integers(8, 100),
)
def test_it_never_leaves_its_bounds(
    answers: list[tuple[float, float, bool, bool]], least: int, most: int
) -> None:
    gradient, usual, now = Gradient(least, most), Baseline(), 0.0
    for seconds, gap, refused, at_once in answers:
        now += gap
        before = gradient.limit
        changed = (
            gradient.overloaded(now, gradient.limit)
            if refused
            else gradient.observe(usual, seconds, now, gradient.limit, at_once=at_once)
        )
        assert least <= gradient.limit <= most
        assert changed is (gradient.limit != before)


@pytest.mark.parametrize("seed", [1, 2])
def test_it_finds_what_an_api_sustains_and_follows_it(seed: int) -> None:
    stages = Day(seed, KINDS[0], [20, 60, 20], 60.0, None).run()
    for stage in stages:
        ideal = stage.capacity / 0.2 * 60
        assert stage.good > 0.88 * ideal
        assert stage.p99() < 2.0
        settled = stage.limits[len(stage.limits) // 2 :]
        assert 0.95 < sum(settled) / len(settled) / stage.capacity < 1.05


@pytest.mark.parametrize("kind", KINDS[1:], ids=lambda kind: kind.name)
@pytest.mark.parametrize("seed", [2, 23])
def test_neither_noise_nor_different_routes_lead_it_astray(seed: int, kind: Kind) -> None:
    for stage in Day(seed, kind, [20, 60, 20], 120.0, None).run():
        assert stage.good > 0.92 * stage.capacity / 0.2 * 120


def test_after_a_cut_the_first_answers_are_not_taken_for_all() -> None:
    """The quick ones come back first: their mean says that it helped more than it did."""
    gradient, usual, now = Gradient(4, 100), Baseline(), 0.0
    while gradient.limit < 50:
        now += 0.02
        gradient.observe(usual, 1.0, now, gradient.limit)
    high, now = gradient.limit, now + 2.0
    while gradient.limit >= high:
        now += 0.02
        gradient.observe(usual, 6.0, now, gradient.limit)
    cut = gradient.limit
    for _ in range(200):  # within 4 s of the cut only those come back that take no longer
        now += 0.02
        gradient.observe(usual, 0.5, now, gradient.limit)
    assert gradient.limit == cut


def test_without_a_limit_the_same_api_does_nothing_any_more() -> None:
    [stage] = Day(1, KINDS[0], [20], 60.0, 0).run()
    assert stage.good < 20 * 60
    assert stage.p99() == 10.0


def met(gradient: Gradient, usual: Baseline, sustained: int, answers: int, now: float) -> float:
    """So many answers of an API with so many workers and a queue before them; the time then."""
    rng = random.Random(1)
    for _ in range(answers):
        seconds = 0.1 * max(1.0, gradient.limit / sustained) * rng.uniform(0.8, 1.2)
        now += seconds / gradient.limit
        gradient.observe(usual, seconds, now, gradient.limit)
    return now


@pytest.mark.parametrize("sustained", [1, 2, 3, 5, 8])
def test_an_api_that_is_given_too_many_from_the_beginning_is_given_fewer(sustained: int) -> None:
    """Its first answers are slow already: what they take is not what is usual."""
    gradient = Gradient(1, 1000)
    met(gradient, Baseline(), sustained, 6000, 0.0)
    assert sustained <= gradient.limit <= sustained + 1


def test_a_few_at_a_time_that_are_too_many_do_not_stay() -> None:
    [stage] = Day(1, KINDS[0], [4], 240.0, None).run()
    settled = stage.limits[len(stage.limits) // 2 :]
    assert sum(settled) / len(settled) < 5


def test_a_limit_of_one_is_left_again() -> None:
    gradient, usual = Gradient(1, 1000), Baseline()
    now = met(gradient, usual, 1, 6000, 0.0)
    assert gradient.limit <= 2
    met(gradient, usual, 5, 6000, now)
    assert 5 <= gradient.limit <= 6


def test_requests_on_loan_are_not_in_flight() -> None:
    """Where all that answer are, none is."""
    gradient, usual, now = Gradient(1, 16), Baseline(), 0.0
    for _ in range(1000):
        now += 0.1
        assert not gradient.observe(usual, 0.1, now, 0)


def test_what_takes_far_longer_lowers_the_limit_before_its_round_is_full() -> None:
    gradient, usual, rng = Gradient(4, 64), Baseline(), random.Random(1)
    now, answers, slower = 0.0, 0, 1.0
    for number in range(20_000):
        limit = gradient.limit
        seconds = 0.1 * slower * rng.lognormvariate(0.0, 0.8)
        now += 0.1 * slower / limit
        gradient.observe(usual, seconds, now, limit)
        if number > 10_000:
            slower = 6.0
            answers += 1
            if gradient.limit < 40:
                break
    assert answers < 2.5 * 64  # a full round has four for each permit


def test_after_a_cut_for_refusals_rounds_do_not_raise_the_limit_at_once() -> None:
    """Of a quick API there are several rounds between two cuts."""
    gradient, usual = Gradient(4, 1000), Baseline()
    now = fed(gradient, usual, 0.005, 20, 0.0)
    while not gradient.overloaded(now, gradient.limit):
        now += 0.001
    cut, lowered = now, gradient.limit
    while gradient.limit < 1.1 * lowered:
        now += 0.005 / gradient.limit
        gradient.observe(usual, 0.005, now, gradient.limit)
    assert 0.3 <= now - cut < 1.0
