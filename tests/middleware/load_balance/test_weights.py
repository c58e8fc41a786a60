"""What each server is to get."""

import pytest

from proxy.middleware.load_balance.targets import Target, Targets
from proxy.middleware.load_balance.weights import apply_weights, compare
from tests.support.endpoint import StateOnly
from tests.support.loop import Script


def targets(*endpoints: StateOnly) -> Targets:
    return Targets([Target(endpoint, Script(), None) for endpoint in endpoints])


def answered(name: str, seconds: float, times: int = 20) -> StateOnly:
    endpoint = StateOnly(name)
    for _ in range(times):
        endpoint.usual.observe(seconds)
    return endpoint


def test_a_server_that_is_slow_beside_the_others_gets_less_but_not_nothing() -> None:
    quick, other, slow = answered("a", 0.1), answered("b", 0.1), answered("c", 10.0)
    found = targets(quick, other, slow)
    compare(found, floor=0.05)
    assert (quick.share, other.share, slow.share) == (1.0, 1.0, 0.05)
    assert apply_weights(found, 0.0, now=0.0, floor=0.05)
    assert (quick.weight, slow.weight) == (1.0, 0.05)


def test_few_answers_say_nothing() -> None:
    quick, slow = answered("a", 0.1), answered("b", 10.0, times=2)
    compare(targets(quick, slow), floor=0.05)
    assert (quick.share, slow.share) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("age", "weight", "started"), [(0, 0.2, False), (5, 1.1, False), (10, 2.0, True)]
)
def test_a_server_is_given_its_weight_bit_by_bit(age: float, weight: float, started: bool) -> None:
    endpoint = StateOnly(weight=2.0)
    endpoint.available_since = 100.0
    assert apply_weights(targets(endpoint), 10.0, now=100.0 + age, floor=0) is started
    assert endpoint.weight == pytest.approx(weight)


def test_backups_are_not_started_slowly() -> None:
    endpoint = StateOnly(backup=True)
    assert apply_weights(targets(endpoint), 10.0, now=0.0, floor=0)
    assert endpoint.weight == 1.0


def test_who_is_slow_and_has_just_come_gets_both() -> None:
    endpoint = StateOnly()
    endpoint.share = 0.5
    apply_weights(targets(endpoint), 10.0, now=5.0, floor=0.05)
    assert endpoint.weight == pytest.approx(0.5 * 0.55)


def test_a_policy_that_does_not_weigh_gives_a_slow_server_its_whole_weight_back() -> None:
    slow = StateOnly(weight=2.0)
    slow.share = 0.05
    assert apply_weights(targets(slow), 0.0, now=0.0, floor=0)
    assert (slow.share, slow.weight) == (1.0, 2.0)
