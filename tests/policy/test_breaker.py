"""When a server is left alone, and how it comes back."""

import math
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from proxy.policy.breaker import Breaker, Pass


def admitted(breaker: Breaker, now: float) -> Pass:
    permission = breaker.allow(now)
    assert permission is not None
    return permission


def fail(breaker: Breaker, now: float, times: int = 1) -> None:
    for _ in range(times):
        admitted(breaker, now).failed(now)


def opened(**options: Any) -> Breaker:
    """Out from 0 to 5."""
    breaker = Breaker(**{"consecutive_failures": 1, "base_ejection_time": 5, **options})
    fail(breaker, 0)
    assert breaker.state(0) == "open"
    return breaker


def test_failures_in_a_row_eject() -> None:
    breaker = Breaker(consecutive_failures=3, base_ejection_time=5)
    for _ in range(10):
        fail(breaker, 0, 2)
        admitted(breaker, 0).succeeded(0)
    assert breaker.state(0) == "closed"
    fail(breaker, 1, 3)
    assert (breaker.state(1), breaker.until, breaker.ejections) == ("open", 6, 1)
    assert breaker.allow(5.9) is None
    assert not breaker.would_allow(5.9)


def test_zero_switches_the_row_off() -> None:
    breaker = Breaker(consecutive_failures=0)
    fail(breaker, 0, 100)
    assert breaker.state(0) == "closed"


def test_a_share_of_failures_ejects_once_there_were_enough_requests() -> None:
    breaker = Breaker(consecutive_failures=0, failure_ratio=0.5, min_requests=10, interval=10)
    for at in range(4):
        fail(breaker, at)
        admitted(breaker, at).succeeded(at)
    assert breaker.state(4) == "closed"
    admitted(breaker, 4).succeeded(4)
    fail(breaker, 4)
    assert breaker.state(4) == "open"


def test_old_failures_do_not_count() -> None:
    breaker = Breaker(consecutive_failures=0, failure_ratio=0.5, min_requests=4, interval=10)
    fail(breaker, 0, 3)
    for _ in range(5):
        admitted(breaker, 20).succeeded(20)
    fail(breaker, 20)
    assert breaker.state(20) == "closed"


def test_one_trial_at_a_time_decides() -> None:
    breaker = opened()
    assert breaker.state(5) == "half-open"
    trial = admitted(breaker, 5)
    assert breaker.allow(5) is None
    trial.succeeded(5)
    assert breaker.state(5) == "closed"
    assert breaker.allow(5) is not None


def test_a_trial_that_is_given_up_lets_the_next_one_in() -> None:
    breaker = opened()
    admitted(breaker, 5).abandoned()
    assert breaker.state(5) == "half-open"
    trial = admitted(breaker, 5)
    trial.abandoned()
    trial.abandoned()
    other = admitted(breaker, 5)
    trial.succeeded(5)  # its word was said
    assert breaker.state(5) == "half-open"
    other.failed(5)
    assert breaker.state(5) == "open"


def test_what_began_before_an_ejection_says_nothing_about_it() -> None:
    breaker = Breaker(consecutive_failures=1, base_ejection_time=5)
    early, late = admitted(breaker, 0), admitted(breaker, 0)
    fail(breaker, 0)
    early.failed(4)
    late.succeeded(4)
    assert (breaker.state(4), breaker.until, breaker.ejections) == ("open", 5, 1)
    trial = admitted(breaker, 5)
    early.failed(5)
    assert breaker.allow(5) is None
    trial.succeeded(5)
    late.failed(6)
    assert breaker.state(6) == "closed"


def test_each_relapse_takes_twice_as_long_up_to_a_limit() -> None:
    breaker = opened(max_ejection_time=15)
    lasted = []
    for _ in range(4):
        lasted.append(breaker.until)
        now = breaker.until
        admitted(breaker, now).failed(now)
        lasted[-1] = breaker.until - now
    assert lasted == [10, 15, 15, 15]


def test_good_times_make_relapses_forgotten() -> None:
    breaker = opened()
    admitted(breaker, 5).succeeded(5)
    fail(breaker, 6)
    assert breaker.until - 6 == 10
    admitted(breaker, 16).succeeded(16)
    fail(breaker, 16 + 10)
    assert breaker.until - 26 == 10  # one relapse was forgotten, this is another
    admitted(breaker, 36).succeeded(36)
    fail(breaker, 1000)
    assert breaker.until - 1000 == 5


def test_nobody_is_ejected_where_that_would_be_too_many() -> None:
    allowed = False
    breaker = Breaker(consecutive_failures=2, may_open=lambda: allowed)
    fail(breaker, 0, 10)
    assert breaker.state(0) == "closed"
    allowed = True
    fail(breaker, 0)
    assert breaker.state(0) == "open"


@pytest.mark.parametrize("state", ["open", "half-open"])
def test_a_reply_that_breaks_later_counts_only_while_closed(state: str) -> None:
    breaker = opened()
    now = 1 if state == "open" else 6
    breaker.note_failure(now)
    assert (breaker.state(now), breaker.ejections) == (state, 1)


class Machine(RuleBasedStateMachine):
    """Any interleaving of attempts."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.breaker = Breaker(consecutive_failures=2, base_ejection_time=5, max_ejection_time=20)
        self.passes: list[Pass] = []
        self.trials: list[Pass] = []

    @rule(seconds=st.floats(0, 12))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def begin(self) -> None:
        before, until = self.breaker.state(self.now), self.breaker.until
        expected = self.breaker.would_allow(self.now)
        permission = self.breaker.allow(self.now)
        assert (permission is not None) is expected
        if permission is None:
            assert before == "open" or self.trials
        elif before == "half-open":
            assert self.now >= until
            self.trials.append(permission)
        else:
            assert before == "closed"
            self.passes.append(permission)

    @precondition(lambda self: self.passes)
    @rule(good=st.booleans(), data=st.data())
    def end(self, good: bool, data: st.DataObject) -> None:
        permission = self.passes.pop(data.draw(st.integers(0, len(self.passes) - 1)))
        (permission.succeeded if good else permission.failed)(self.now)

    @precondition(lambda self: self.trials)
    @rule(how=st.sampled_from(["succeeded", "failed", "abandoned"]))
    def decide(self, how: str) -> None:
        trial = self.trials.pop()
        if how == "abandoned":
            trial.abandoned()
            assert self.breaker.state(self.now) == "half-open"
        elif how == "succeeded":
            trial.succeeded(self.now)
            assert self.breaker.state(self.now) == "closed"
        else:
            trial.failed(self.now)
            assert self.breaker.state(self.now) == "open"

    @invariant()
    def one_trial(self) -> None:
        assert len(self.trials) <= 1

    @invariant()
    def bounded(self) -> None:
        # The sum that ``until`` is may be rounded up, by no more than its own last digit.
        until = self.breaker.until
        assert until - self.now <= 20 + 2 * math.ulp(until)


TestBreaker = Machine.TestCase


def test_what_it_did_before_it_came_back_counts_no_more() -> None:
    breaker = Breaker(
        consecutive_failures=0,
        failure_ratio=0.5,
        min_requests=4,
        interval=60,
        base_ejection_time=5,
    )
    fail(breaker, 0, 4)
    admitted(breaker, 5).succeeded(5)
    assert breaker.state(5) == "closed"
    fail(breaker, 6)
    assert breaker.state(6) == "closed"
