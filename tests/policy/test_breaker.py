"""When a server is left alone, and how it comes back."""

import math
from itertools import pairwise
from typing import Any, NamedTuple

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


def test_a_trial_keeps_others_out_for_a_bounded_time_which_doubles() -> None:
    breaker = opened()
    admitted(breaker, 5)
    for until in (10, 20, 40, 80):
        assert not breaker.would_allow(until - 0.1)
        assert breaker.allow(until - 0.1) is None
        admitted(breaker, until)
    fail(breaker, 200)
    now = breaker.until
    admitted(breaker, now)
    assert breaker.allow(now + 5 - 0.1) is None
    admitted(breaker, now + 5)  # it begins anew


@pytest.mark.parametrize("good", [True, False])
def test_the_first_verdict_of_several_trials_counts(good: bool) -> None:
    breaker = opened()
    slow, quick = admitted(breaker, 5), admitted(breaker, 10)
    (quick.succeeded if good else quick.failed)(11)
    state = breaker.state(11)
    assert state == ("closed" if good else "open")
    (slow.failed if good else slow.succeeded)(12)
    assert breaker.state(12) == state


def test_an_older_trial_that_is_given_up_lets_nobody_in_but_the_newest_does() -> None:
    breaker = opened()
    older, newest = admitted(breaker, 5), admitted(breaker, 10)
    older.abandoned()
    assert breaker.allow(11) is None
    newest.abandoned()
    admitted(breaker, 11)


def test_a_trial_that_waits_for_its_client_is_none() -> None:
    breaker = opened()
    assert breaker.allow(5, lambda now: now - 3) is not None  # 2 s of it were before
    assert breaker.allow(5.9) is None
    uploading = breaker.allow(6, lambda now: min(now - 6, 0.9))
    assert uploading is not None  # all is here within a second: it is a trial like any other
    assert breaker.allow(10.9) is None
    uploading.succeeded(10.9)
    assert breaker.state(10.9) == "closed"


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


class Trial(NamedTuple):
    """One that has no verdict yet."""

    permission: Pass
    began: float
    drips: bool  # nothing but its client is waited for


class Machine(RuleBasedStateMachine):
    """Any interleaving of attempts."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.breaker = Breaker(consecutive_failures=2, base_ejection_time=5, max_ejection_time=20)
        self.passes: list[Pass] = []
        self.trials: list[Trial] = []

    @rule(seconds=st.floats(0, 12))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(drips=st.booleans())
    def begin(self, drips: bool) -> None:
        before, until, began = self.breaker.state(self.now), self.breaker.until, self.now
        expected = self.breaker.would_allow(self.now)
        permission = self.breaker.allow(self.now, lambda now: drips * (now - began))
        assert (permission is not None) is expected
        if permission is None:
            assert before == "open" or self.trials
        elif before == "half-open":
            assert self.now >= until
            self.trials.append(Trial(permission, began, drips))
        else:
            assert before == "closed"
            self.passes.append(permission)

    @precondition(lambda self: self.passes)
    @rule(good=st.booleans(), data=st.data())
    def end(self, good: bool, data: st.DataObject) -> None:
        permission = self.passes.pop(data.draw(st.integers(0, len(self.passes) - 1)))
        before = self.breaker.state(self.now)
        (permission.succeeded if good else permission.failed)(self.now)
        if before != "closed":
            assert self.breaker.state(self.now) == before

    @precondition(lambda self: self.trials)
    @rule(how=st.sampled_from(["succeeded", "failed", "abandoned"]), data=st.data())
    def decide(self, how: str, data: st.DataObject) -> None:
        trial, *_ = self.trials.pop(data.draw(st.integers(0, len(self.trials) - 1)))
        if how == "abandoned":
            trial.abandoned()
            assert self.breaker.state(self.now) == "half-open"
            return
        (trial.succeeded if how == "succeeded" else trial.failed)(self.now)
        state = self.breaker.state(self.now)
        assert state == ("closed" if how == "succeeded" else "open")
        for other, *_ in self.trials:  # they come too late
            other.failed(self.now)
            other.succeeded(self.now)
            other.abandoned()
        self.trials.clear()
        assert self.breaker.state(self.now) == state

    @invariant()
    def trials_come_one_by_one(self) -> None:
        for before, after in pairwise(self.trials):
            assert after.began - before.began >= (1 if before.drips else 5) - 1e-6
        at_work = sum(not trial.drips for trial in self.trials)
        if at_work:
            since = self.now - min(trial.began for trial in self.trials if not trial.drips)
            assert 5 * (2 ** (at_work - 1) - 1) <= since + 1e-6

    @invariant()
    def nobody_is_kept_out_for_long(self) -> None:
        if self.breaker.state(self.now) == "half-open":
            newest = max((trial.began for trial in self.trials), default=-math.inf)
            if self.now - newest >= 5 * 2 ** len(self.trials):
                assert self.breaker.would_allow(self.now)

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
