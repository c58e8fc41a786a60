"""Who waits for a server, and who tries."""

import asyncio
import itertools

import pytest

from proxy.core.errors import ConnectTimeout
from proxy.middleware.concurrency.reconnection import Reconnection, Try
from proxy.policy.queue import Queue
from tests.support.loop import JumpingLoop
from tests.support.scope import ServersOnly


class Requests:
    """Requests that wait, and the order in which they are told to go."""

    def __init__(self, size: int = 10, order: str = "fifo") -> None:
        self.servers = ServersOnly()
        self.waiting = Reconnection(self.servers, Queue(size, order))
        self.told: list[tuple[str, bool, float]] = []
        self._begun = asyncio.get_running_loop().time()
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def come(self, name: str, key: bytes | None = None, *, again: bool = False) -> Try | None:
        async def runs() -> None:
            await asyncio.sleep(1e6)

        def notify(sent: bool) -> bool:
            since = asyncio.get_running_loop().time() - self._begun
            self.told.append((name, sent, round(since, 3)))
            return not name.startswith("left")

        task = self.tasks.get(name) or asyncio.create_task(runs())
        self.tasks[name] = task
        waiter = Try(key, 3, notify, 0.0, task)
        return waiter if self.waiting.enqueue(waiter, again=again) else None

    @property
    def sent(self) -> list[str]:
        return [name for name, sent, _ in self.told if sent]


async def test_one_at_a_time_tries_every_tenth_of_a_second(jumping: JumpingLoop) -> None:
    requests = Requests()
    requests.come("a")
    requests.come("b")
    await asyncio.sleep(0.15)
    assert requests.told == [("a", True, 0.1)]
    requests.come("a", again=True)
    requests.waiting.tried(requests.tasks["a"])
    await asyncio.sleep(0.11)
    assert requests.told[1:] == [("b", True, 0.25)]


async def test_another_one_tries_where_the_first_shows_nothing_for_a_second(
    jumping: JumpingLoop,
) -> None:
    requests = Requests()
    for name in "abc":
        requests.come(name)
    await asyncio.sleep(2.15)
    assert requests.told == [("a", True, 0.1), ("b", True, 1.1), ("c", True, 2.1)]
    assert requests.waiting.waiting, "the last one still tries"
    requests.waiting.tried(requests.tasks["a"])
    assert requests.waiting.waiting
    requests.waiting.tried(requests.tasks["c"])
    assert not requests.waiting.waiting


async def test_a_connection_wakes_all_in_their_order(jumping: JumpingLoop) -> None:
    requests = Requests(order="fair")
    for number, key in enumerate([b"x", b"x", b"x", b"y"]):
        requests.come(f"{key.decode()}{number}", key)
    assert requests.servers.on_connect == [requests.waiting.connected]
    requests.servers.on_connect[0]()
    assert requests.sent == ["x0", "y3", "x1", "x2"]
    assert not requests.waiting.waiting


async def test_nothing_is_listened_to_and_no_timer_runs_when_nobody_waits(
    jumping: JumpingLoop,
) -> None:
    requests = Requests()
    waiter = requests.come("a")
    assert waiter is not None
    assert requests.waiting.dequeue(waiter)
    assert requests.servers.on_connect == []
    await asyncio.sleep(5)
    assert requests.told == []
    requests.come("b")
    await asyncio.sleep(0.11)
    assert requests.servers.on_connect, "while it tries, a connection wakes those that come"
    requests.waiting.tried(requests.tasks["b"])
    assert requests.servers.on_connect == []


async def test_who_has_left_does_not_try(jumping: JumpingLoop) -> None:
    requests = Requests()
    requests.come("left")
    requests.come("a")
    await asyncio.sleep(0.11)
    assert requests.told == [("left", True, 0.1), ("a", True, 0.1)]


async def test_who_has_tried_has_its_place_again_and_a_newcomer_has_none(
    jumping: JumpingLoop,
) -> None:
    requests = Requests(size=1)
    assert requests.come("a")
    assert requests.come("b") is None
    await asyncio.sleep(0.11)
    assert requests.come("c")
    assert requests.come("a", again=True), "it had a place before"
    assert (requests.waiting._queue.waiting, requests.waiting.refused) == (2, 1)
    assert requests.come("d") is None


async def test_the_newest_takes_the_place_of_the_oldest_with_lifo(jumping: JumpingLoop) -> None:
    requests = Requests(size=1, order="lifo")
    requests.come("a")
    requests.come("b")
    assert requests.told == [("a", False, 0.0)]
    samples = {each.name: each.value for each in requests.waiting.describe(0.0)}
    assert samples == {
        "connect_waiting": 1,
        "connect_woken": 0,
        "connect_refused": 1,
        "connect_timed_out": 0,
    }


async def test_the_last_failure_says_how_long_was_waited(jumping: JumpingLoop) -> None:
    waiting = Requests().waiting
    failures = [ConnectTimeout(detail) for detail in ("first", "last")]
    for failure in failures:
        waiting.fails_with(failure)
    told = [waiting.last_failure(30.0) for _ in range(2)]
    for error, other in itertools.permutations([*told, failures[1]], 2):
        assert error is not other
    for error in told:
        assert type(error) is ConnectTimeout
        assert error.detail == "last; waited for wait_for_connect of 30 s"
        assert error.stage is failures[1].stage
        assert error.patience_over
    assert not waiting.last_failure(0.0).patience_over  # it is raised instead of a wait
    assert failures[1].detail == "last"


@pytest.mark.parametrize("order", ["fair", "fifo", "lifo"])
async def test_every_order_lets_all_go_in_the_end(jumping: JumpingLoop, order: str) -> None:
    requests = Requests(order=order)
    names = [f"{number}" for number in range(6)]
    for name in names:
        requests.come(name, name[-1:].encode())
    await asyncio.sleep(0.11)
    requests.waiting.connected()
    assert sorted(requests.sent) == names
