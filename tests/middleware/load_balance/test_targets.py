"""The endpoints of an upstream as one route reaches them: what changes, and what stays."""

import re
from typing import Any

import pytest

from proxy.core.exchange import Handler
from proxy.middleware.load_balance.ejection import CircuitBreakerOptions
from proxy.middleware.load_balance.targets import Targets, TargetSet
from tests.support.endpoint import Live, StateOnly
from tests.support.loop import Script, reply
from tests.support.samples import told


def linked(endpoint: StateOnly) -> Handler:
    return Script(reply())


def target_set(live: Live[StateOnly], **options: Any) -> TargetSet[StateOnly]:
    table = CircuitBreakerOptions(**{"consecutive_failures": 1, **options})
    return TargetSet(live, linked, table)


def eject(targets: TargetSet[StateOnly], *endpoints: StateOnly) -> None:
    """Have each fail once, which is enough."""
    for endpoint in endpoints:
        breaker = targets.now.by_endpoint[endpoint].breaker
        assert breaker is not None
        permission = breaker.allow(0.0)
        assert permission is not None
        permission.failed(0.0)


def ejected(targets: TargetSet[StateOnly]) -> list[str]:
    states = told(targets, 1.0).items()
    kind = "breaker_state "
    return [
        name.removeprefix(kind)
        for name, value in states
        if name.startswith(kind) and value != "closed"
    ]


def test_other_endpoints_are_another_snapshot_in_which_the_breakers_stay() -> None:
    a, b, c = StateOnly("a"), StateOnly("b"), StateOnly("c", backup=True)
    live = Live(a, b)
    targets = target_set(live)
    before = targets.now
    live.become(b, c)
    assert targets.now is not before
    assert targets.now.by_endpoint[b] is before.by_endpoint[b]
    assert (targets.now.primaries, targets.now.backups) == ([b], [c])


def test_who_asks_is_told_of_states_and_members_until_the_set_is_closed() -> None:
    a, b = StateOnly("a"), StateOnly("b")
    live = Live(a)
    targets, other = target_set(live), target_set(live)
    told: list[str] = []
    targets.on_state.append(lambda: told.append("closed"))
    other.on_state.append(lambda: told.append("other"))
    targets.close()
    before = targets.now
    live.become(a, b)
    assert told == ["other"]
    live.tell_state()
    assert targets.now is before
    assert other.now.primaries == [a, b]
    assert told == ["other"] * 2
    other.close()
    assert live.on_membership == live.on_state == []


@pytest.mark.parametrize("remembered", [True, False])
def test_the_breaker_of_an_endpoint_that_comes_back_is_kept_while_that_is_remembered(
    remembered: bool,
) -> None:
    a, b = StateOnly("a"), StateOnly("b")
    live = Live(a, b)
    targets = target_set(live)
    eject(targets, a)
    live.become(b, away=(a,) if remembered else ())
    assert told(targets, 1.0) == {
        "breaker_state b": "closed",
        "breaker_ejections b": 0,
        "breaker_open_seconds b": 0.0,
    }
    live.become(a, b)
    assert ejected(targets) == (["a"] if remembered else [])


@pytest.mark.parametrize(
    ("percent", "size", "most"), [(50, 4, 2), (50, 3, 1), (100, 3, 3), (0, 3, 1), (10, 20, 2)]
)
def test_only_a_share_of_the_endpoints_is_ejected_but_always_one(
    percent: float, size: int, most: int
) -> None:
    endpoints = [StateOnly(str(number)) for number in range(size)]
    targets = target_set(Live(*endpoints), max_ejection_percent=percent)
    eject(targets, *endpoints)
    assert ejected(targets) == [endpoint.name for endpoint in endpoints[:most]]


def test_without_options_no_endpoint_has_a_breaker() -> None:
    a = StateOnly("a")
    targets = TargetSet(Live(a), linked, None)
    assert targets.now.by_endpoint[a].breaker is None
    assert told(targets) == {}


def test_why_no_endpoint_may_be_asked_is_said_and_when_the_first_may_be() -> None:
    a, b, c = StateOnly("a"), StateOnly("b"), StateOnly("c")
    targets = target_set(Live(a, b, c), max_ejection_percent=100)
    for endpoint, ejected_at in ((a, 100.0), (b, 102.0), (c, 104.0)):
        breaker = targets.now.by_endpoint[endpoint].breaker
        assert breaker is not None
        breaker.eject(ejected_at)
    error = targets.now.none_usable(102.5)
    out = r"is ejected until \d\d:\d\d:\d\d UTC"
    assert re.fullmatch(f"no server may be asked: a {out}, b {out}, c {out}", error.detail)
    assert error.retry_after == 2.5
    c.healthy = False
    error = targets.now.none_usable(106.5)
    on_trial = f"a is on trial, b {out}, c is unhealthy"
    assert re.fullmatch(f"no server may be asked: {on_trial}", error.detail)
    a.withdrawn = True
    assert "a was withdrawn by an operator" in targets.now.none_usable(106.5).detail
    assert Targets(()).none_usable(0.0).detail == "no server may be asked: there is none"


def test_there_is_headroom_while_a_third_of_the_endpoints_is_well() -> None:
    a, b, c = StateOnly("a"), StateOnly("b"), StateOnly("c")
    targets = target_set(Live(a, b, c))
    assert targets.has_headroom(10.0)
    a.pause(11.0)
    assert targets.has_headroom(10.0)
    eject(targets, b)
    assert targets.has_headroom(10.0)
    c.pause(11.0)
    assert not targets.has_headroom(10.0)
    assert targets.has_headroom(12.0)
    four = StateOnly("a"), StateOnly("b"), StateOnly("c"), StateOnly("d")
    targets = target_set(Live(*four))
    for each in four[:3]:
        each.pause(11.0)
    assert not targets.has_headroom(10.0)
    alone = StateOnly("d")
    alone.pause(11.0)
    assert not target_set(Live(alone)).has_headroom(10.0)


def test_a_server_that_an_operator_has_withdrawn_is_not_usable() -> None:
    a = StateOnly("a")
    [target] = target_set(Live(a)).now.by_endpoint.values()
    assert target.usable(0.0)
    a.withdrawn = True
    assert not target.usable(0.0)
    assert not target.usable(0.0, pauses=False)


def passive_set(live: Live[StateOnly]) -> TargetSet[StateOnly]:
    """As it is made where nobody has asked for breakers."""
    options = CircuitBreakerOptions(consecutive_failures=1)
    return TargetSet(live, linked, options, passive=True)


@pytest.mark.parametrize("why", ["unhealthy", "withdrawn"])
@pytest.mark.parametrize(("size", "gone", "most"), [(2, 1, 0), (3, 1, 1), (4, 2, 1), (6, 2, 2)])
def test_what_gets_no_requests_anyway_is_no_server_that_is_left(
    why: str, size: int, gone: int, most: int
) -> None:
    endpoints = [StateOnly(str(number)) for number in range(size)]
    for each in endpoints[:gone]:
        each.healthy, each.withdrawn = why != "unhealthy", why == "withdrawn"
    targets = passive_set(Live(*endpoints))
    eject(targets, *endpoints[gone:])
    assert ejected(targets) == [each.name for each in endpoints[gone:][:most]]


def test_the_share_that_may_be_ejected_is_of_those_that_do_the_work() -> None:
    endpoints = [StateOnly(str(number)) for number in range(4)]
    endpoints[0].healthy, endpoints[1].withdrawn = False, True
    targets = target_set(Live(*endpoints), max_ejection_percent=50)
    eject(targets, *endpoints[2:])
    assert ejected(targets) == ["2"]


def test_a_server_that_is_not_in_service_says_nothing_of_when_to_come_again() -> None:
    a, b, c, d = endpoints = [StateOnly(name) for name in "abcd"]
    targets = target_set(Live(*endpoints), max_ejection_percent=100)
    a.healthy, b.withdrawn = False, True
    for each, ejected_at in ((b, 0.0), (c, 2.0), (d, 3.0)):
        breaker = targets.now.by_endpoint[each].breaker
        assert breaker is not None
        breaker.eject(ejected_at)
    assert targets.now.none_usable(3.0).retry_after == 4.0


def test_there_is_headroom_only_where_servers_in_service_have_it() -> None:
    a, b, c, d = endpoints = [StateOnly(name) for name in "abcd"]
    targets = target_set(Live(*endpoints))
    a.healthy = b.healthy = False
    assert targets.has_headroom(0.0)
    c.healthy = False
    assert not targets.has_headroom(0.0), "one of four"
    b.withdrawn = True
    assert targets.has_headroom(0.0), "one of three"
    d.withdrawn = True
    assert not targets.has_headroom(0.0)
