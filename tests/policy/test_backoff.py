"""Full jitter, doubled each time."""

import random

from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.backoff import Backoff


@given(
    base=st.floats(0, 10),
    longest=st.floats(0, 100),
    attempt=st.integers(1, 10_000),
    seed=st.integers(),
)
def test_a_wait_is_never_longer_than_its_doubling_or_the_longest(
    base: float, longest: float, attempt: int, seed: int
) -> None:
    wait = Backoff(base, longest, random.Random(seed)).wait(attempt)
    assert 0 <= wait <= (longest or float("inf"))  # zero is no longest wait
    assert wait <= base * 2.0 ** min(attempt - 1, 60)


def test_waits_differ_from_one_another() -> None:
    backoff = Backoff(1, 10, random.Random(1))
    assert len({backoff.wait(3) for _ in range(20)}) == 20


def test_the_longest_first_wait_is_the_base() -> None:
    backoff = Backoff(1, 10, random.Random(1))
    waits = [backoff.wait(1) for _ in range(1000)]
    assert 0.95 < max(waits) <= 1
