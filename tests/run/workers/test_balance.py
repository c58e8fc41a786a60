"""Connections go to the worker that has fewest."""

import os
import socket
from collections.abc import Iterator
from functools import partial

import pytest

from proxy.run.workers.balance import Balance, Counts, Inbox, Inboxes, shared_file


class Crew:
    """The parts of so many workers."""

    def __init__(self, slots: int) -> None:
        self.file = shared_file(slots)
        self.counts = Counts(self.file, slots)
        self.inboxes = Inboxes(slots)
        self.workers = [
            Balance(slot, self.counts, self.inboxes.sending, self.inboxes.receiving[slot])
            for slot in range(slots)
        ]
        self.served: list[tuple[int, socket.socket]] = []

    async def accept(self, slot: int, client: socket.socket) -> None:
        """A worker accepts a connection; all read their inboxes."""
        await self.workers[slot].spread(partial(self._serve, slot))(client)
        for other, worker in enumerate(self.workers):
            while True:
                try:
                    handed, _ = worker.inbox.accept()
                except BlockingIOError:
                    break
                await worker.counted(partial(self._serve, other))(handed)

    async def _serve(self, slot: int, client: socket.socket) -> None:
        self.served.append((slot, client))
        held = [each for each in self.served if each[0] == slot]
        self.workers[slot].connections = held

    def close(self) -> None:
        for _, client in self.served:
            client.close()
        self.inboxes.close()
        self.counts.close()
        os.close(self.file)


@pytest.fixture
def crew() -> Iterator[Crew]:
    made = Crew(3)
    for worker in made.workers:
        worker.open()
    yield made
    made.close()


@pytest.fixture
def clients() -> Iterator[list[socket.socket]]:
    """Ends of the clients; the other ends are accepted."""
    made: list[socket.socket] = []
    yield made
    for end in made:
        end.close()


def _connection(clients: list[socket.socket]) -> socket.socket:
    client, accepted = socket.socketpair()
    clients.append(client)
    return accepted


async def test_whoever_accepts_all_have_the_same_number(
    crew: Crew, clients: list[socket.socket]
) -> None:
    for _ in range(30):
        await crew.accept(0, _connection(clients))
    assert [crew.counts.get(slot) for slot in range(3)] == [10, 10, 10]
    for number, (_, accepted) in enumerate(crew.served):
        clients[number].sendall(b"%d" % number)
        assert accepted.recv(9) == b"%d" % number


async def test_a_worker_that_takes_none_gets_none(crew: Crew, clients: list[socket.socket]) -> None:
    crew.workers[1].close()
    for _ in range(6):
        await crew.accept(0, _connection(clients))
    assert [crew.counts.get(slot) for slot in range(3)] == [3, None, 3]
    crew.workers[1].publish()
    assert crew.counts.get(1) is None


async def test_a_small_difference_is_left_alone(crew: Crew, clients: list[socket.socket]) -> None:
    for slot, number in enumerate((105, 100, 101)):
        crew.counts.set(slot, number)
    assert crew.counts.least(0) == 0
    crew.counts.set(0, 107)
    assert crew.counts.least(0) == 1
    assert crew.counts.least(1) == 1


async def test_a_full_inbox_is_served_by_who_accepted(
    crew: Crew, clients: list[socket.socket]
) -> None:
    served: list[socket.socket] = []

    async def serve(client: socket.socket) -> None:
        served.append(client)

    crew.workers[0].connections = range(10_000)
    crew.workers[0].publish()
    spread = crew.workers[0].spread(serve)
    for _ in range(2_000):
        crew.counts.set(1, 0)  # as if it did nothing
        crew.counts.set(2, 50_000)
        await spread(_connection(clients))
        if served:
            break
    assert len(served) == 1
    served[0].close()


async def test_a_connection_that_comes_to_nothing_counts_no_more(
    crew: Crew, clients: list[socket.socket]
) -> None:
    seen: list[int | None] = []

    async def fail(client: socket.socket) -> None:
        seen.append(crew.counts.get(0))
        client.close()
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await crew.workers[0].spread(fail)(_connection(clients))
    assert seen == [1]
    assert crew.counts.get(0) == 0


async def test_what_lies_in_an_inbox_waits_for_the_next_worker(
    crew: Crew, clients: list[socket.socket]
) -> None:
    crew.counts.set(0, 5)

    async def never(_: socket.socket) -> None:
        pytest.fail("it belongs to another")

    await crew.workers[0].spread(never)(_connection(clients))
    crew.workers[1].inbox.close()
    # The next worker of the slot has a descriptor of the same end, as the parent has.
    ends = [Inbox(end) for end in crew.inboxes.receiving if end.fileno() >= 0]
    crew.counts.set(2, 0)
    await crew.workers[0].spread(never)(_connection(clients))
    [found] = [end for end in ends if _has(end)]
    handed, _ = found.accept()
    handed.close()


def _has(inbox: Inbox) -> bool:
    with socket.socket(fileno=os.dup(inbox.fileno())) as end:
        try:
            return bool(end.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except BlockingIOError:
            return False


def test_counts_are_one_memory() -> None:
    file = shared_file(2)
    one, other = Counts(file, 2), Counts(file, 2)
    assert one.get(0) is None
    one.set(0, 7)
    assert other.get(0) == 7
    other.leave(0)
    assert one.get(0) is None
    assert one.least(0) == 0
    one.close()
    other.close()
    os.close(file)
