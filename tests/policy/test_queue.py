"""A queue that is full costs the same whatever stands in it: nobody looks through it."""

from collections import OrderedDict
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.policy.limiter import ConcurrencyLimiter
from proxy.policy.queue import URGENCIES, Fair, Queue, Waiter
from tests.policy.test_limiter import Client


class Unscanned(OrderedDict[Any, Any]):
    """Finds by key, and lets nobody walk through it."""

    def _walked(self) -> NoReturn:
        raise AssertionError("somebody looks through all keys")

    values = items = keys = _walked
    __iter__ = _walked


def place(key: object) -> Waiter:
    return Waiter(key, 3, lambda _: True)


def test_no_newcomer_to_a_full_queue_has_all_keys_looked_through() -> None:
    queue = Queue(1000, "fair")
    for number in range(1000):
        assert queue.enqueue(place(number)) is None
    [line] = [each for each in queue._disciplines if isinstance(each, Fair) and len(each)]
    line.keys = Unscanned(line.keys)
    for number in range(1000, 3000):
        newcomer = place(number)
        assert queue.enqueue(newcomer) is newcomer


@pytest.mark.parametrize("order", ["fifo", "lifo", "fair"])
def test_places_are_taken_from_either_end_without_a_scan(order: str) -> None:
    """The first of a plain dict whose first entries are gone is found by walking past them."""
    queue = Queue(1000, order)
    for _ in range(1000):
        queue.enqueue(place("one"))
    line: Any = next(each for each in queue._disciplines if len(each))
    held = line.keys["one"] if order == "fair" else line._waiters
    assert isinstance(held, OrderedDict)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("jjjpx"), st.integers(0, 5)), max_size=80))
def test_it_is_always_known_who_waits_most(steps: list[tuple[str, int]]) -> None:
    queue = Queue(12, "fair")
    waiting: list[Waiter] = []
    for act, number in steps:
        if act == "j":
            newcomer = place(number)
            victim = queue.enqueue(newcomer)
            if victim is not newcomer:
                waiting.append(newcomer)
            if victim is not None and victim is not newcomer:
                counts = [each.key for each in waiting if each is not newcomer]
                assert counts.count(victim.key) == max(map(counts.count, counts))
                waiting.remove(victim)
        elif act == "p" and waiting:
            first = queue.pop()
            waiting.remove(first)
            queue.reprioritize(first.key)  # whoever gives permits out says so
        elif act == "x" and waiting:
            assert queue.dequeue(waiting.pop(number % len(waiting)))
        assert queue.waiting == len(waiting)
        [line] = [queue._disciplines[3]]
        assert isinstance(line, Fair)
        keys = [each.key for each in waiting]
        most = line._most
        assert (most is None) == (len(set(keys)) < 2)  # one alone is compared with nobody
        largest = len(keys) if most is None else most.largest
        assert largest == max(map(keys.count, keys), default=0)
        if most is not None:
            assert {n: set(found) for n, found in most._keys.items()} == {
                n: {key for key in keys if keys.count(key) == n} for n in set(map(keys.count, keys))
            }


@pytest.mark.parametrize("order", ["fair", "fifo", "lifo"])
def test_the_next_one_is_found_where_a_more_urgent_one_has_left(order: str) -> None:
    limiter = ConcurrencyLimiter(1, Queue(10, order))
    assert limiter.try_acquire("holder")
    urgent, usual = Client("urgent", 1), Client("usual", 3)
    for each in (urgent, usual):
        assert limiter.enqueue(each.waiter)
    assert limiter.dequeue(urgent.waiter)
    limiter.release("holder", 0.0)
    assert (urgent.said, usual.said) == ([], [True])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("jjjpx"), st.integers(0, 7)), max_size=80),
    st.sampled_from(["fair", "fifo", "lifo"]),
)
def test_it_is_always_known_how_many_wait_and_how_urgently(
    steps: list[tuple[str, int]], order: str
) -> None:
    queue = Queue(12, order)
    waiting: list[Waiter] = []
    for act, number in steps:
        if act == "j":
            newcomer = Waiter("abc"[number % 3], number, lambda _: True)
            waiting.append(newcomer)
            if (victim := queue.enqueue(newcomer)) is not None:
                waiting.remove(victim)
        elif act == "p" and waiting:
            first = queue.pop()
            assert first.urgency == min(each.urgency for each in waiting)
            waiting.remove(first)
            queue.reprioritize(first.key)  # whoever gives permits out says so
        elif act == "x" and waiting:
            left = waiting.pop(number % len(waiting))
            assert queue.dequeue(left)
            assert not queue.dequeue(left)
        found = [each.urgency for each in waiting]
        assert queue._numbers == [found.count(urgency) for urgency in range(URGENCIES)]
        assert queue.waiting == len(waiting)


def test_one_that_had_a_place_has_one_again_whatever_the_size() -> None:
    queue = Queue(1, "fifo")
    first, second, third = (place(name) for name in "abc")
    assert queue.enqueue(first) is None
    assert queue.enqueue(second) is second
    assert queue.enqueue(third, again=True) is None
    assert queue.waiting == 2
    assert [queue.pop(), queue.pop()] == [first, third]


@pytest.mark.parametrize("order", ["fair", "fifo", "lifo"])
@pytest.mark.parametrize("keys", ["aaaa", "aabab"])
def test_those_that_wait_move_in_the_order_of_their_turn(order: str, keys: str) -> None:
    turns = []
    for moves in (False, True):
        limiter = ConcurrencyLimiter(0, Queue(100, order))
        clients = [Client(key) for key in keys]
        for client in clients:
            assert limiter.enqueue(client.waiter)
        if moves:
            limiter.queue_up(Queue(2, order))
        turn = []
        for _ in clients:
            before = [client.said == [True] for client in clients]
            limiter.limit = limiter.in_flight + 1
            limiter.wake_waiters()
            turn += [n for n, client in enumerate(clients) if client.said and not before[n]]
        turns.append(turn)
    assert turns[0] == turns[1]
    assert sorted(turns[0]) == list(range(len(keys)))
