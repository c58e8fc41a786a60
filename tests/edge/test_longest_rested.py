"""Which client connections give way to others."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.edge.longest_rested import ENOUGH, LongestRested

NOW = 100.0


class Client:
    """A connection that rests since then, and its own clock."""

    def __init__(self, since: float, *, gives_way: bool = True) -> None:
        self.at = since
        self._gives_way = gives_way
        self.closed = False
        self.looks = 0

    @property
    def clock(self) -> "Client":
        self.looks += 1
        return self

    @property
    def since(self) -> float:
        return inf if self.closed else self.at

    def give_way(self) -> bool:
        self.closed = self._gives_way
        return self._gives_way


@pytest.mark.parametrize(
    ("since", "closed"),
    [
        ([], None),
        ([inf, inf], None),
        ([50, 20, inf, 30], 1),
        ([NOW - ENOUGH], 0),
        ([NOW - ENOUGH / 2, inf], None),  # it may be about to ask
    ],
)
def test_the_one_that_has_rested_longest_goes(since: list[float], closed: int | None) -> None:
    clients = [Client(each) for each in since]
    found = LongestRested().close_one(clients, NOW)
    assert found is (None if closed is None else clients[closed])
    assert [each.closed for each in clients] == [n == closed for n in range(len(clients))]


def test_one_with_something_under_way_is_left_out() -> None:
    busy, other = Client(10, gives_way=False), Client(20)
    assert LongestRested().close_one([busy, other], NOW) is other


def test_one_that_was_used_meanwhile_has_a_place_behind_the_others() -> None:
    clients = [Client(10), Client(20), Client(30)]
    rested = LongestRested()
    assert rested.close_one(clients, NOW) is clients[0]
    clients[1].at = NOW
    assert rested.close_one(clients, NOW + 0.1) is clients[2]
    assert rested.close_one(clients, NOW + 0.2) is None
    assert rested.close_one(clients, NOW + ENOUGH) is clients[1]


def test_one_that_has_ended_is_not_held() -> None:
    clients = [Client(10), Client(20)]
    rested = LongestRested()
    assert rested.close_one(clients, NOW) is clients[0]
    rested.forget(clients[1])
    rested.forget(clients[0])
    assert rested.close_one(clients, NOW) is None
    assert not rested._ordered


def test_a_crowd_is_looked_at_once_in_a_while() -> None:
    """Ten thousand are at the limit, and as many want in: neither case costs their product."""
    for since in (10.0, inf, NOW - ENOUGH / 2):
        clients = [Client(since) for _ in range(1000)]
        rested = LongestRested()
        for _ in range(1000):
            rested.close_one(clients, NOW)
        assert sum(each.looks for each in clients) <= 2 * len(clients)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3)), max_size=40))
def test_nobody_goes_while_another_has_rested_longer(
    steps: list[tuple[int, int]],
) -> None:
    """Some are asked something, time passes, and a place is wanted."""
    clients = [Client(0.0) for _ in range(20)]
    rested, now = LongestRested(), NOW
    for number, passed in steps:
        now += passed / 2
        if number < 20:
            clients[number].at = now
            continue
        before = sorted(each.since for each in clients)
        found = rested.close_one(clients, now)
        if found is not None:
            assert isinstance(found, Client)
            assert found.at == before[0] <= now - ENOUGH
        else:
            assert before[0] > now - ENOUGH
