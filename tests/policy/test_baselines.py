"""Slow paths are told from slow times."""

import pytest

from proxy.policy.baselines import KEYS, Baselines


def known(baselines: Baselines, key: bytes, seconds: float) -> bool:
    """Have a path come until it has a baseline of its own, or clearly will not."""
    return any(baselines.learn(key, seconds) for _ in range(40))


def test_a_path_that_comes_often_has_a_baseline_of_its_own() -> None:
    baselines = Baselines()
    common = baselines.of(b"/slow")
    assert [baselines.learn(b"/slow", 4.0) for _ in range(20)] == [False] * 19 + [True]
    own = baselines.of(b"/slow")
    assert own is not common
    assert own.value == pytest.approx(4.0)


def test_paths_that_come_once_share_one() -> None:
    baselines = Baselines()
    for number in range(1000):
        assert not baselines.learn(b"/items/%d" % number, 1.0)
    assert baselines.of(b"/items/1") is baselines.of(b"/items/2")


def test_a_place_is_given_up_only_by_a_path_that_has_not_come_for_long() -> None:
    baselines = Baselines()
    for number in range(KEYS):
        assert known(baselines, b"/%d" % number, 1.0)
        baselines.of(b"/%d" % number)
    assert not known(baselines, b"/late", 1.0)
    for _ in range(10_000):
        baselines.learn(b"/1", 1.0)
        baselines.of(b"/1")
    assert known(baselines, b"/late", 1.0)
