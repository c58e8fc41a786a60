"""Shares, order, and who is left out."""

import random
from collections import Counter
from collections.abc import Sequence
from itertools import cycle, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.balance import (
    POLICIES,
    Hash,
    LeastRequest,
    PeakEwma,
    RoundRobin,
    eligible,
    slow_start_factor,
)
from tests.support.endpoint import StateOnly


class Server(StateOnly):
    def __init__(
        self, name: str, weight: float = 1.0, in_flight: int = 0, latency: float = 0.0
    ) -> None:
        super().__init__(name, weight=weight)
        self.in_flight = in_flight
        if latency:
            self.latency.observe(latency, now=0)


weights = st.lists(st.floats(0.1, 100), min_size=1, max_size=8)
seeds = st.integers(0, 2**32)
loads = st.lists(
    st.tuples(st.floats(0.1, 10), st.integers(0, 50), st.floats(0.001, 60)), min_size=2, max_size=6
)


def fleet(shares: Sequence[float]) -> list[Server]:
    return [Server(f"10.0.0.{index}:80", weight) for index, weight in enumerate(shares)]


def loaded(states: Sequence[tuple[float, int, float]]) -> list[Server]:
    return [Server(str(index), *state) for index, state in enumerate(states)]


def assert_shares(counts: Counter[str], servers: Sequence[Server]) -> None:
    """Within six standard deviations: not by chance in any run."""
    total, picks = sum(each.weight for each in servers), counts.total()
    for each in servers:
        share = each.weight / total
        slack = 6 * (picks * share * (1 - share)) ** 0.5 + 5
        assert abs(counts[each.name] - picks * share) <= slack, (each.name, counts)


@pytest.mark.parametrize("policy", POLICIES)
@given(
    rounds=st.lists(
        st.tuples(
            st.lists(st.integers(0, 9), min_size=1, unique=True),
            st.none() | st.binary(),
            st.floats(0, 1e6),
        )
    )
)
def test_a_pick_is_one_of_the_candidates_however_they_change(
    policy: str, rounds: list[tuple[list[int], bytes | None, float]]
) -> None:
    servers, picker = (
        fleet([1.0 + number for number in range(10)]),
        POLICIES[policy](random.Random(1)),
    )
    for present, key, now in rounds:
        candidates = [servers[index] for index in present]
        picked = picker.pick(candidates, key, now)
        assert picked in candidates
        picked.in_flight += 1


def turns(policy: RoundRobin, servers: Sequence[Server], count: int, now: float = 0) -> str:
    return "".join(policy.pick(servers, None, now).name for _ in range(count))


@pytest.mark.parametrize(("weight", "expected"), [(1, "abcabca"), (5, "aabacaa" * 2)])
def test_round_robin_goes_in_turn_and_spreads_the_turns_of_the_heavy(
    weight: float, expected: str
) -> None:
    servers = [Server("a", weight), Server("b"), Server("c")]
    assert turns(RoundRobin(), servers, len(expected)) == expected


@given(st.lists(st.integers(1, 9), min_size=2, max_size=6), st.integers(1, 5))
def test_round_robin_gives_each_its_weight_exactly(shares: list[int], rounds: int) -> None:
    servers, policy = fleet(shares), RoundRobin()
    counts = Counter(policy.pick(servers, None, 0).name for _ in range(sum(shares) * rounds))
    assert counts == {each.name: each.weight * rounds for each in servers}


def test_who_was_away_has_nothing_to_catch_up_with() -> None:
    a, b, c = servers = [Server("a"), Server("b"), Server("c")]
    policy = RoundRobin()
    turns(policy, [a, b], 100)
    assert sorted(turns(policy, servers, 3)) == ["a", "b", "c"]
    turns(policy, [b, c], 101)
    assert max(Counter(turns(policy, servers, 6)).values()) <= 3


def test_a_retry_elsewhere_does_not_upset_the_turns() -> None:
    servers, policy = [Server("a"), Server("b"), Server("c")], RoundRobin()
    counts: Counter[str] = Counter()
    for failing in islice(cycle(servers), 300):
        counts[policy.pick(servers, None, 0).name] += 1
        counts[policy.pick([each for each in servers if each is not failing], None, 0).name] += 1
    assert all(195 <= count <= 205 for count in counts.values())


def test_round_robin_forgets_who_left() -> None:
    a, b, c = Server("a", 2), Server("b"), Server("c")
    policy = RoundRobin()
    assert turns(policy, [a, b], 1) == "a"  # it has paid, and would wait for its next turn
    turns(policy, [b, c], 1, now=61)
    assert turns(policy, [a, Server("d", 1.5)], 1, now=61) == "a"


@given(weights, seeds)
def test_least_request_follows_the_weights_where_nothing_waits(
    shares: list[float], seed: int
) -> None:
    servers, policy = fleet(shares), LeastRequest(random.Random(seed))
    assert_shares(Counter(policy.pick(servers, None, 0).name for _ in range(500)), servers)


@given(weights, seeds)
def test_least_request_fills_servers_by_weight(shares: list[float], seed: int) -> None:
    servers, policy = fleet(shares), LeastRequest(random.Random(seed))
    for _ in range(500):
        policy.pick(servers, None, 0).in_flight += 1
    assert_shares(Counter({each.name: each.in_flight for each in servers}), servers)


@given(loads, seeds)
def test_least_request_never_picks_the_worse_of_its_two(
    states: list[tuple[float, int, float]], seed: int
) -> None:
    one, other = pair = loaded(states[:2])
    picked = LeastRequest(random.Random(seed)).pick(pair, None, 0)
    left = other if picked is one else one
    assert picked.in_flight * left.weight < (left.in_flight + 1) * picked.weight * (1 + 1e-9)
    one.weight = other.weight = 1.0
    picked = LeastRequest(random.Random(seed)).pick(pair, None, 0)
    assert picked.in_flight == min(one.in_flight, other.in_flight)


@given(loads, seeds)
def test_peak_ewma_never_picks_the_worst(states: list[tuple[float, int, float]], seed: int) -> None:
    servers = loaded(states)
    picked = PeakEwma(random.Random(seed)).pick(servers, None, 0)
    cost = {each: each.latency.value(0) * (each.in_flight + 1) / each.weight for each in servers}
    assert any(cost[picked] <= cost[each] * (1 + 1e-9) for each in servers if each is not picked)


@given(weights, seeds)
def test_peak_ewma_fills_equally_fast_servers_by_weight(shares: list[float], seed: int) -> None:
    servers, policy = fleet(shares), PeakEwma(random.Random(seed))
    for each in servers:
        each.latency.observe(0.2, now=0)
    for _ in range(500):
        policy.pick(servers, None, 0).in_flight += 1
    assert_shares(Counter({each.name: each.in_flight for each in servers}), servers)


@pytest.mark.parametrize("busy", [0, 7])
def test_an_unknown_server_is_tried_but_not_run_over(busy: int) -> None:
    known, unknown = Server("known", latency=30, in_flight=busy), Server("unknown")
    policy = PeakEwma(random.Random(1))
    assert policy.pick([known, unknown], None, 0) is unknown
    unknown.in_flight += 1
    for _ in range(20):
        policy.pick([known, unknown], None, 0).in_flight += 1
        assert unknown.in_flight <= known.in_flight + 1


def test_unknown_servers_share_the_first_requests() -> None:
    servers, policy = fleet([1, 1]), PeakEwma(random.Random(1))
    for _ in range(40):
        policy.pick(servers, None, 0).in_flight += 1
    assert [each.in_flight for each in servers] == [20, 20]


def test_one_request_finds_out_about_a_server_that_was_slow() -> None:
    slow, fast = Server("slow", latency=30), Server("fast", latency=0.1)
    policy, now, tries = PeakEwma(random.Random(1)), 0.0, 0
    while tries < 2:
        now += 1
        assert now < 300
        if policy.pick([slow, fast], None, now) is slow:
            tries += 1
            assert all(policy.pick([slow, fast], None, now + 0.1 * n) is fast for n in range(20))
        fast.latency.observe(0.1, now)
    assert now > 50


def test_a_server_that_fails_at_once_is_no_fast_server() -> None:
    good, bad = Server("good", latency=20), Server("bad")
    policy = PeakEwma(random.Random(1))
    ends: list[float] = []
    failed = 0
    for second in range(600):
        now = float(second)
        while ends and ends[0] <= now:
            good.latency.observe(20, ends.pop(0))
            good.in_flight -= 1
        if policy.pick([good, bad], None, now) is good:
            good.in_flight += 1
            ends.append(now + 20)
        else:
            bad.latency.penalise(now, seconds=1)
            failed += 1
    assert 1 <= failed <= 60


KEYS = [b"/items/%d" % number for number in range(500)]


@given(weights, st.binary())
def test_only_the_keys_of_a_server_move_when_it_leaves_or_comes(
    shares: list[float], key: bytes
) -> None:
    servers, policy = fleet(shares), Hash(random.Random(1))
    owner = policy.pick(servers, key, 0)
    for gone in servers:
        if gone is not owner:
            assert policy.pick([each for each in servers if each is not gone], key, 0) is owner
    assert policy.pick(servers[::-1], key, 0) is owner


@given(weights)
def test_keys_are_spread_by_weight(shares: list[float]) -> None:
    servers, policy = fleet(shares), Hash(random.Random(1))
    owners = {key: policy.pick(servers, key, 0) for key in KEYS}
    assert_shares(Counter(each.name for each in owners.values()), servers)
    servers[0].weight *= 2
    assert all(policy.pick(servers, key, 0) in (owners[key], servers[0]) for key in KEYS)


def test_the_keys_of_a_server_that_left_go_to_all_others() -> None:
    servers, policy = fleet([5, 1, 2, 3]), Hash(random.Random(1))
    moved = [key for key in KEYS if policy.pick(servers, key, 0) is servers[0]]
    assert_shares(Counter(policy.pick(servers[1:], key, 0).name for key in moved), servers[1:])


def test_keys_stay_where_they_are_after_a_restart() -> None:
    policy = Hash(random.Random())
    picked = [policy.pick([Server("a"), Server("b")], key, 0).name for key in KEYS[:12]]
    assert "".join(picked) == "bbaaabbbbabb"


def test_without_a_key_the_less_busy_is_picked() -> None:
    idle = Server("idle")
    assert Hash(random.Random(1)).pick([Server("busy", in_flight=1), idle], None, 0) is idle


@pytest.mark.parametrize(
    ("age", "factor"), [(-1, 0.1), (0, 0.1), (10, 0.4), (15, 0.55), (30, 1), (31, 1)]
)
def test_a_slow_start_goes_evenly_from_a_tenth_to_all(age: float, factor: float) -> None:
    assert slow_start_factor(age, 30) == pytest.approx(factor)
    assert slow_start_factor(age, 0) == 1


PRIMARIES, BACKUPS = fleet([1, 1, 1, 1]), [Server("spare"), Server("reserve")]


@pytest.mark.parametrize(
    ("primaries", "usable", "panic_threshold", "expected"),
    [
        (PRIMARIES, PRIMARIES, 100, PRIMARIES),
        (PRIMARIES, PRIMARIES[1:] + BACKUPS, 75, PRIMARIES[1:]),
        (PRIMARIES, PRIMARIES[1:] + BACKUPS, 76, PRIMARIES),
        (PRIMARIES, PRIMARIES[:1], 0, PRIMARIES[:1]),
        (PRIMARIES, BACKUPS[:1], 50, BACKUPS[:1]),
        (PRIMARIES, [], 1, PRIMARIES),
        (PRIMARIES, [], 0, []),
        ([], BACKUPS, 0, BACKUPS),
    ],
)
def test_who_may_be_picked(
    primaries: list[Server], usable: list[Server], panic_threshold: float, expected: list[Server]
) -> None:
    picked = eligible(primaries, BACKUPS, usable.__contains__, panic_threshold)
    assert picked == expected
    assert (picked is PRIMARIES) == (expected is PRIMARIES)  # nothing is built without need
