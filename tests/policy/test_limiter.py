"""Permits and the queue for them."""

from collections import Counter
from collections.abc import Hashable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.limiter import Gate
from proxy.policy.queue import Fair, Place, Queue


class Waiter:
    """One that waits, and what it was told."""

    def __init__(self, key: Hashable = None, urgency: int = 3, *, hears: bool = True) -> None:
        self.said: list[bool] = []
        self.hears = hears
        self.place = Place(key, urgency, self._told)

    def _told(self, through: bool) -> bool:
        if self.hears:
            self.said.append(through)
        return self.hears


def full(order: str, size: int = 100, limit: int = 1) -> Gate:
    """A gate without a permit left, all of them held by ``held``."""
    gate = Gate(limit, Queue(size, order))
    assert all(gate.take("held") for _ in range(limit))
    return gate


def served(gate: Gate, waiters: dict[str, Waiter], held: Hashable = "held") -> list[str]:
    """In which order they get the permit that comes back again and again."""
    order: list[str] = []
    key = held
    while gate.waiting:
        gate.give_back(key, 0.0)
        (name,) = [n for n, w in waiters.items() if True in w.said and n not in order]
        order.append(name)
        key = waiters[name].place.key
    return order


def joined(gate: Gate, *entries: tuple[str, Hashable, int]) -> dict[str, Waiter]:
    waiters = {name: Waiter(key, urgency) for name, key, urgency in entries}
    assert all(gate.join(waiter.place) for waiter in waiters.values())
    return waiters


@pytest.mark.parametrize(
    ("order", "expected"), [("fifo", "abcd"), ("lifo", "dcba"), ("fair", "adbc")]
)
def test_who_is_next(order: str, expected: str) -> None:
    """a, b and c are one client's, d is another's."""
    gate = full(order)
    waiters = joined(gate, ("a", 1, 3), ("b", 1, 3), ("c", 1, 3), ("d", 2, 3))
    assert "".join(served(gate, waiters)) == expected


@pytest.mark.parametrize("order", ["fifo", "lifo", "fair"])
def test_the_more_urgent_go_first(order: str) -> None:
    gate = full(order)
    waiters = joined(gate, ("late", 1, 5), ("usual", 2, 3), ("urgent", 1, 0))
    assert served(gate, waiters) == ["urgent", "usual", "late"]


def test_a_client_of_slow_requests_has_no_more_of_them_under_way_than_others() -> None:
    gate = full("fair", limit=3)
    waiters = joined(gate, *((f"a{i}", "a", 3) for i in range(5)), ("b0", "b", 3), ("b1", "b", 3))
    for _ in range(3):
        gate.give_back("held", 0.0)
    through = [name for name, waiter in waiters.items() if waiter.said]
    assert through == ["a0", "a1", "b0"]  # two and one: b was second
    gate.give_back("a", 0.0)
    assert waiters["b1"].said == [True]


def test_whoever_comes_first_goes_at_once_and_nobody_overtakes() -> None:
    gate = Gate(2, Queue(10, "fifo"))
    assert gate.take(None)
    assert gate.take(None)
    assert not gate.take(None)
    waiter = Waiter()
    assert gate.join(waiter.place)
    gate.give_back(None, 0.0)
    assert waiter.said == [True]
    assert gate.in_flight == 2


def test_without_a_queue_nobody_waits() -> None:
    gate = Gate(1)
    assert gate.take(None)
    assert not gate.join(Waiter().place)
    assert gate.refused == 1


@pytest.mark.parametrize(("order", "loser"), [("fifo", "new"), ("lifo", "old"), ("fair", "new")])
def test_a_full_queue_refuses_who_would_be_served_last(order: str, loser: str) -> None:
    gate = full(order, size=2)
    old, second, new = Waiter(1), Waiter(1), Waiter(1)
    assert gate.join(old.place)
    assert gate.join(second.place)
    assert gate.join(new.place) is (loser != "new")
    assert old.said == ([False] if loser == "old" else [])
    assert gate.waiting == 2


def test_a_full_queue_has_room_for_a_client_that_has_less_in_it() -> None:
    gate = full("fair", size=3)
    hogs = [Waiter("hog") for _ in range(3)]
    assert all(gate.join(hog.place) for hog in hogs)
    assert gate.join(Waiter("small").place)
    assert [hog.said for hog in hogs] == [[], [], [False]]
    assert not gate.join(Waiter("small").place)  # two and one: no more to be had
    assert (gate.evicted, gate.refused) == (1, 1)


def test_a_full_queue_has_room_for_what_is_more_urgent() -> None:
    gate = full("fifo", size=2)
    usual = [Waiter(urgency=3), Waiter(urgency=3)]
    assert all(gate.join(waiter.place) for waiter in usual)
    assert not gate.join(Waiter(urgency=4).place)
    assert gate.join(Waiter(urgency=2).place)
    assert [waiter.said for waiter in usual] == [[], [False]]


def test_a_permit_for_nobody_goes_to_the_next() -> None:
    gate = full("fair")
    deaf, next_one = Waiter(1, hears=False), Waiter(2)
    gate.join(deaf.place)
    gate.join(next_one.place)
    gate.give_back("held", 0.0)
    assert next_one.said == [True]
    assert gate.in_flight == 1


def test_a_higher_limit_lets_more_through_at_once() -> None:
    gate = full("fifo")
    waiters = [Waiter() for _ in range(3)]
    for waiter in waiters:
        gate.join(waiter.place)
    gate.limit = 3
    gate.admit()
    assert [waiter.said for waiter in waiters] == [[True], [True], []]


def test_retry_after_is_how_long_the_queue_takes() -> None:
    gate = full("fifo", limit=1)
    assert gate.retry_after(100.0) == 10.0  # nothing has ended lately
    for moment in range(20):
        gate.give_back("held", 100.0 + moment / 2)
        gate.take("held")
    for _ in range(9):
        gate.join(Waiter().place)
    assert gate.retry_after(109.9) == 5.0  # ten more, two a second
    assert gate.report(109.9)["finished_per_s"] == 2.0


keys = st.sampled_from("abc")
moves = st.lists(
    st.tuples(st.sampled_from(["ask", "end", "leave", "limit"]), keys, st.integers(0, 7)),
    max_size=120,
)


@given(moves, st.sampled_from(["fair", "fifo", "lifo"]), st.integers(1, 4), st.integers(1, 6))
def test_permits_are_conserved_whatever_happens(
    steps: list[tuple[str, str, int]], order: str, limit: int, size: int
) -> None:
    """Of those that asked each has a permit, waits, or has been told no; and nobody twice."""
    gate = Gate(limit, Queue(size, order))
    under_way: list[Hashable] = []
    waiting: list[Waiter] = []
    for step, key, number in steps:
        if step == "ask":
            if gate.take(key):
                under_way.append(key)
            else:
                waiter = Waiter(key, number)
                if gate.join(waiter.place):
                    waiting.append(waiter)
        elif step == "end" and under_way:
            gate.give_back(under_way.pop(number % len(under_way)), 0.0)
        elif step == "leave" and waiting:
            waiter = waiting.pop(number % len(waiting))
            assert gate.leave(waiter.place)
        elif step == "limit":
            gate.limit = 1 + number
            gate.admit()
        under_way += [waiter.place.key for waiter in waiting if waiter.said == [True]]
        waiting = [waiter for waiter in waiting if not waiter.said]
        assert gate.in_flight == len(under_way)
        assert gate.waiting == len(waiting) <= size
        assert not (waiting and gate.in_flight < gate.limit), "a permit is free and somebody waits"
        if order == "fair" and gate._queue is not None:
            assert gate._queue.held == Counter(under_way)
            lengths = {key: number for key, (number, _) in gate._queue.by_key().items()}
            assert lengths == Counter(waiter.place.key for waiter in waiting)


@given(
    st.lists(st.one_of(keys.map(lambda key: ("ask", key)), st.just(("end", ""))), max_size=150),
    st.integers(1, 5),
)
def test_no_key_gets_more_than_its_share_while_others_wait(
    steps: list[tuple[str, str]], limit: int
) -> None:
    """A permit goes to a key that has no more than any other that waits."""
    gate = Gate(limit, Queue(1000, "fair"))
    under_way: Counter[Hashable] = Counter()
    waiting: list[Waiter] = []
    for step, key in steps:
        if step == "ask":
            if gate.take(key):
                under_way[key] += 1
            else:
                waiting.append(Waiter(key))
                gate.join(waiting[-1].place)
        elif under_way.total():
            ended = max(under_way, key=lambda k: under_way[k])
            under_way[ended] -= 1
            gate.give_back(ended, 0.0)
            for waiter in [w for w in waiting if w.said]:
                chosen = waiter.place.key
                assert under_way[chosen] == min(under_way[w.place.key] for w in waiting)
                first = next(w for w in waiting if w.place.key == chosen)
                assert waiter is first, "overtaken by its own"
                under_way[chosen] += 1
                waiting.remove(waiter)


def test_a_queue_that_is_never_empty_does_not_grow() -> None:
    queue = Queue(100, "fair")
    gate = Gate(10, queue)
    for _ in range(10):
        gate.take("a")
    for _ in range(50):
        gate.join(Waiter("a").place)
    for _ in range(5_000):
        gate.give_back("a", 0.0)
        gate.join(Waiter("a").place)
    lines = [line for line in queue._lines if isinstance(line, Fair)]
    assert max(len(line._heap) for line in lines) < 200
