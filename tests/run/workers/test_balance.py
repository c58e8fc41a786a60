"""Connections go to the worker that has fewest."""

import os
import socket
from collections.abc import Iterator
from functools import partial

import pytest

from proxy.run.workers.balance import Balance, Counts, Inboxes, shared_file


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
                await worker.here(partial(self._serve, other))(handed)

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
    assert [crew.counts.get(slot) for slot in range(3)] == [3, 0, 3]
    crew.workers[1].publish()
    assert not crew.counts.takes(1)


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
    seen: list[int] = []

    async def fail(client: socket.socket) -> None:
        seen.append(crew.counts.get(0))
        client.close()
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await crew.workers[0].spread(fail)(_connection(clients))
    assert seen == [1]
    assert crew.counts.get(0) == 0


async def test_one_on_its_way_counts_already(crew: Crew, clients: list[socket.socket]) -> None:
    for _ in range(3):
        await crew.workers[0].spread(partial(crew._serve, 0))(_connection(clients))
    assert [crew.counts.get(slot) for slot in range(3)] == [1, 1, 1]
    assert [slot for slot, _ in crew.served] == [0]


async def test_a_worker_that_was_replaced_leaves_the_counts_to_the_next(crew: Crew) -> None:
    successor = Balance(1, crew.counts, crew.inboxes.sending, crew.inboxes.receiving[1])
    successor.connections = range(4)
    successor.open()
    crew.workers[1].close(replaced=True)
    crew.workers[1].publish()
    assert crew.counts.get(1) == 4


async def test_what_lies_in_an_inbox_waits_for_the_next_worker(
    crew: Crew, clients: list[socket.socket]
) -> None:
    crew.counts.set(0, 5)
    crew.counts.set(2, 5)

    async def never(_: socket.socket) -> None:
        pytest.fail("it belongs to another")

    kept = crew.inboxes.receiving[1].dup()  # as the parent has it
    await crew.workers[0].spread(never)(_connection(clients))
    crew.workers[1].inbox.close()
    crew.counts.leave(1)
    successor = Balance(1, crew.counts, crew.inboxes.sending, kept)
    successor.open()
    assert crew.counts.get(1) == 1
    handed, _ = successor.inbox.accept()
    with pytest.raises(BlockingIOError):
        successor.inbox.accept()
    assert crew.counts.get(1) == 1
    clients[0].sendall(b"hello")
    assert handed.recv(5) == b"hello"
    handed.close()
    kept.close()


def test_counts_are_one_memory() -> None:
    file = shared_file(2)
    one, other = Counts(file, 2), Counts(file, 2)
    assert not one.takes(0)
    one.set(0, 7)
    one.send(0)
    assert other.get(0) == 8
    other.receive_all(0)
    assert one.get(0) == 7
    other.leave(0)
    assert not one.takes(0)
    assert one.least(0) == 0
    one.close()
    other.close()
    os.close(file)


def test_what_lies_in_the_inbox_of_another_slot_can_be_taken() -> None:
    file = shared_file(2)
    counts, inboxes = Counts(file, 2), Inboxes(2)
    here = Balance(0, counts, inboxes.sending, inboxes.receiving[0])
    one, other = socket.socketpair()
    counts.send(1)
    socket.send_fds(inboxes.sending[1], [b"\0"], [one.fileno()])
    taken, _ = here.inbox_of(1, inboxes.receiving[1]).accept()
    assert counts.get(1) == 0
    for each in (one, other, taken, inboxes, counts):
        each.close()
    os.close(file)
