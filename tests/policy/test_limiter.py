"""Permits and the queue for them."""

from collections import Counter
from collections.abc import Hashable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.limiter import ConcurrencyLimiter
from proxy.policy.queue import Fair, Queue, Waiter


class Client:
    """One that waits, and what it was told."""

    def __init__(self, key: Hashable = None, urgency: int = 3, *, hears: bool = True) -> None:
        self.said: list[bool] = []
        self.hears = hears
        self.waiter = Waiter(key, urgency, self._told)

    def _told(self, through: bool) -> bool:
        if self.hears:
            self.said.append(through)
        return self.hears


def full(order: str, size: int = 100, limit: int = 1) -> ConcurrencyLimiter:
    """A limiter without a permit left, all of them held by ``held``."""
    limiter = ConcurrencyLimiter(limit, Queue(size, order))
    assert all(limiter.try_acquire("held") for _ in range(limit))
    return limiter


def served(
    limiter: ConcurrencyLimiter, waiters: dict[str, Client], held: Hashable = "held"
) -> list[str]:
    """In which order they get the permit that comes back again and again."""
    order: list[str] = []
    key = held
    while limiter.waiting:
        limiter.release(key, 0.0)
        (name,) = [n for n, w in waiters.items() if True in w.said and n not in order]
        order.append(name)
        key = waiters[name].waiter.key
    return order


def joined(limiter: ConcurrencyLimiter, *entries: tuple[str, Hashable, int]) -> dict[str, Client]:
    waiters = {name: Client(key, urgency) for name, key, urgency in entries}
    assert all(limiter.enqueue(waiter.waiter) for waiter in waiters.values())
    return waiters


@pytest.mark.parametrize(
    ("order", "expected"), [("fifo", "abcd"), ("lifo", "dcba"), ("fair", "adbc")]
)
def test_who_is_next(order: str, expected: str) -> None:
    """a, b and c are one client's, d is another's."""
    limiter = full(order)
    waiters = joined(limiter, ("a", 1, 3), ("b", 1, 3), ("c", 1, 3), ("d", 2, 3))
    assert "".join(served(limiter, waiters)) == expected


@pytest.mark.parametrize("order", ["fifo", "lifo", "fair"])
def test_the_more_urgent_go_first(order: str) -> None:
    limiter = full(order)
    waiters = joined(limiter, ("late", 1, 5), ("usual", 2, 3), ("urgent", 1, 0))
    assert served(limiter, waiters) == ["urgent", "usual", "late"]


def test_a_client_of_slow_requests_has_no_more_of_them_under_way_than_others() -> None:
    limiter = full("fair", limit=3)
    waiters = joined(
        limiter, *((f"a{i}", "a", 3) for i in range(5)), ("b0", "b", 3), ("b1", "b", 3)
    )
    for _ in range(3):
        limiter.release("held", 0.0)
    through = [name for name, waiter in waiters.items() if waiter.said]
    assert through == ["a0", "a1", "b0"]  # two and one: b was second
    limiter.release("a", 0.0)
    assert waiters["b1"].said == [True]


def test_whoever_comes_first_goes_at_once_and_nobody_overtakes() -> None:
    limiter = ConcurrencyLimiter(2, Queue(10, "fifo"))
    assert limiter.try_acquire(None)
    assert limiter.try_acquire(None)
    assert not limiter.try_acquire(None)
    waiter = Client()
    assert limiter.enqueue(waiter.waiter)
    limiter.release(None, 0.0)
    assert waiter.said == [True]
    assert limiter.in_flight == 2


def test_without_a_queue_nobody_waits() -> None:
    limiter = ConcurrencyLimiter(1)
    assert limiter.try_acquire(None)
    assert not limiter.enqueue(Client().waiter)
    assert limiter.refused == 1


@pytest.mark.parametrize(("order", "loser"), [("fifo", "new"), ("lifo", "old"), ("fair", "new")])
def test_a_full_queue_refuses_who_would_be_served_last(order: str, loser: str) -> None:
    limiter = full(order, size=2)
    old, second, new = Client(1), Client(1), Client(1)
    assert limiter.enqueue(old.waiter)
    assert limiter.enqueue(second.waiter)
    assert limiter.enqueue(new.waiter) is (loser != "new")
    assert old.said == ([False] if loser == "old" else [])
    assert limiter.waiting == 2


def test_a_full_queue_has_room_for_a_client_that_has_less_in_it() -> None:
    limiter = full("fair", size=3)
    hogs = [Client("hog") for _ in range(3)]
    assert all(limiter.enqueue(hog.waiter) for hog in hogs)
    assert limiter.enqueue(Client("small").waiter)
    assert [hog.said for hog in hogs] == [[], [], [False]]
    assert not limiter.enqueue(Client("small").waiter)  # two and one: no more to be had
    assert (limiter.evicted, limiter.refused) == (1, 1)


def test_a_full_queue_has_room_for_what_is_more_urgent() -> None:
    limiter = full("fifo", size=2)
    usual = [Client(urgency=3), Client(urgency=3)]
    assert all(limiter.enqueue(waiter.waiter) for waiter in usual)
    assert not limiter.enqueue(Client(urgency=4).waiter)
    assert limiter.enqueue(Client(urgency=2).waiter)
    assert [waiter.said for waiter in usual] == [[], [False]]


def test_a_permit_for_nobody_goes_to_the_next() -> None:
    limiter = full("fair")
    deaf, next_one = Client(1, hears=False), Client(2)
    limiter.enqueue(deaf.waiter)
    limiter.enqueue(next_one.waiter)
    limiter.release("held", 0.0)
    assert next_one.said == [True]
    assert limiter.in_flight == 1


def test_a_higher_limit_lets_more_through_at_once() -> None:
    limiter = full("fifo")
    waiters = [Client() for _ in range(3)]
    for waiter in waiters:
        limiter.enqueue(waiter.waiter)
    limiter.limit = 3
    limiter.wake_waiters()
    assert [waiter.said for waiter in waiters] == [[True], [True], []]


def test_retry_after_is_how_long_the_queue_takes() -> None:
    limiter = full("fifo", limit=1)
    assert limiter.retry_after(100.0) == 10.0  # nothing has ended lately
    for moment in range(20):
        limiter.release("held", 100.0 + moment / 2)
        limiter.try_acquire("held")
    for _ in range(9):
        limiter.enqueue(Client().waiter)
    assert limiter.retry_after(109.9) == 5.0  # ten more, two a second
    assert limiter.finished_per_second(109.9) == 2.0


def test_the_keys_of_which_the_most_wait_are_told_first() -> None:
    limiter = full("fair")
    waiting = (("a", 3, 5.0), ("b", 3, 6.0), ("c", 3, 7.0), ("b", 3, 8.0), ("c", 3, 9.0))
    for key, urgency, since in (*waiting, ("c", 1, 6.5)):
        limiter.enqueue(Waiter(key, urgency, lambda _: True, since))
    assert list(limiter.busiest(2).items()) == [("c", (3, 6.5)), ("b", (2, 6.0))]


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
    limiter = ConcurrencyLimiter(limit, Queue(size, order))
    under_way: list[Hashable] = []
    waiting: list[Client] = []
    for step, key, number in steps:
        if step == "ask":
            if limiter.try_acquire(key):
                under_way.append(key)
            else:
                waiter = Client(key, number)
                if limiter.enqueue(waiter.waiter):
                    waiting.append(waiter)
        elif step == "end" and under_way:
            limiter.release(under_way.pop(number % len(under_way)), 0.0)
        elif step == "leave" and waiting:
            waiter = waiting.pop(number % len(waiting))
            assert limiter.dequeue(waiter.waiter)
        elif step == "limit":
            limiter.limit = 1 + number
            limiter.wake_waiters()
        under_way += [waiter.waiter.key for waiter in waiting if waiter.said == [True]]
        waiting = [waiter for waiter in waiting if not waiter.said]
        assert limiter.in_flight == len(under_way)
        assert limiter.waiting == len(waiting) <= size
        assert not (waiting and limiter.in_flight < limiter.limit), (
            "a permit is free and somebody waits"
        )
        if order == "fair" and limiter._queue is not None:
            assert limiter._queue.permits_by_key == Counter(under_way)
            lengths = {key: number for key, (number, _) in limiter._queue.by_key().items()}
            assert lengths == Counter(waiter.waiter.key for waiter in waiting)


@given(
    st.lists(st.one_of(keys.map(lambda key: ("ask", key)), st.just(("end", ""))), max_size=150),
    st.integers(1, 5),
)
def test_no_key_gets_more_than_its_share_while_others_wait(
    steps: list[tuple[str, str]], limit: int
) -> None:
    """A permit goes to a key that has no more than any other that waits."""
    limiter = ConcurrencyLimiter(limit, Queue(1000, "fair"))
    under_way: Counter[Hashable] = Counter()
    waiting: list[Client] = []
    for step, key in steps:
        if step == "ask":
            if limiter.try_acquire(key):
                under_way[key] += 1
            else:
                waiting.append(Client(key))
                limiter.enqueue(waiting[-1].waiter)
        elif under_way.total():
            ended = max(under_way, key=lambda k: under_way[k])
            under_way[ended] -= 1
            limiter.release(ended, 0.0)
            for waiter in [w for w in waiting if w.said]:
                chosen = waiter.waiter.key
                assert under_way[chosen] == min(under_way[w.waiter.key] for w in waiting)
                first = next(w for w in waiting if w.waiter.key == chosen)
                assert waiter is first, "overtaken by its own"
                under_way[chosen] += 1
                waiting.remove(waiter)


def test_a_queue_that_is_never_empty_does_not_grow() -> None:
    queue = Queue(100, "fair")
    limiter = ConcurrencyLimiter(10, queue)
    for _ in range(10):
        limiter.try_acquire("a")
    for _ in range(50):
        limiter.enqueue(Client("a").waiter)
    for _ in range(5_000):
        limiter.release("a", 0.0)
        limiter.enqueue(Client("a").waiter)
    lines = [each for each in queue._disciplines if isinstance(each, Fair)]
    assert max(len(line._heap) for line in lines) < 200


@pytest.mark.parametrize("before", ["fair", "fifo", "lifo"])
@pytest.mark.parametrize("after", ["fair", "fifo", "lifo"])
def test_those_that_wait_move_to_another_queue_with_room_for_all(before: str, after: str) -> None:
    limiter = full(before)
    clients = [Client(key) for key in "abcd"]
    assert all(limiter.enqueue(client.waiter) for client in clients)
    limiter.queue_up(Queue(2, after))
    assert limiter.waiting == 4
    limiter.enqueue(Client("e").waiter)
    assert limiter.waiting == 4  # it is full for newcomers: one comes, one goes
    limiter.limit = 100
    limiter.wake_waiters()
    assert limiter.waiting == 0
    lost = sum(client.said == [False] for client in clients)
    assert lost == limiter.evicted  # none but for a newcomer that had more right to its place
    assert all(client.said in ([True], [False]) for client in clients)


def test_without_a_queue_nobody_comes_to_those_that_wait() -> None:
    limiter = full("fair")
    first = Client("a")
    assert limiter.enqueue(first.waiter)
    limiter.queue_up(None)
    assert not limiter.enqueue(Client("b").waiter)
    limiter.release("held", 1.0)
    assert first.said == [True]
    limiter.release("a", 2.0)
    assert (limiter.in_flight, limiter.waiting) == (0, 0)
