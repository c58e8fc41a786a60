"""Who is accepted, who makes room for others, and when nobody is accepted."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from proxy.run.sockets.acceptor import ENOUGH, Acceptor, Bounds

PATIENCE = 30.0


class Door:
    """Lets nobody in until it is told to, and counts."""

    def __init__(self) -> None:
        self.begun: list[socket.socket] = []
        self.opened = asyncio.Event()

    async def admit(self, client: socket.socket) -> None:
        self.begun.append(client)
        with client:
            await self.opened.wait()

    async def until(self, number: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while len(self.begun) < number:  # noqa: ASYNC110 - nobody notifies tests
                await asyncio.sleep(0.001)


@asynccontextmanager
async def listening() -> AsyncIterator[socket.socket]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound


@asynccontextmanager
async def clients(place: socket.socket, number: int) -> AsyncIterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(socket.socket()) for _ in range(number)]
        for client in made:  # all of them before the loop sees the first
            client.connect(place.getsockname())
            client.setblocking(False)
        yield made


async def ended(client: socket.socket) -> bool:
    """Whether the other side closed it."""
    with contextlib.suppress(ConnectionResetError):
        async with asyncio.timeout(PATIENCE):
            return await asyncio.get_running_loop().sock_recv(client, 1) == b""
    return True


def open_ones(sockets: list[socket.socket]) -> int:
    return sum(one.fileno() >= 0 for one in sockets)


async def test_clients_that_come_at_once_each_take_the_place_of_another() -> None:
    """They used to cancel the same one, and its descriptors and theirs were all in use."""
    door = Door()
    async with listening() as place:
        acceptor = Acceptor(place, door.admit, Bounds(most=3))
        async with clients(place, 10) as made:
            for client in made[:7]:
                assert await ended(client)
            assert acceptor.admitting == 3
            door.opened.set()
            await acceptor.settle(PATIENCE)
        acceptor.close()


async def test_without_a_bound_nobody_makes_room() -> None:
    door = Door()
    async with listening() as place:
        acceptor = Acceptor(place, door.admit, Bounds())
        async with clients(place, 40):
            await door.until(40)
            assert acceptor.admitting == 40
            assert open_ones(door.begun) == 40
            door.opened.set()
            await acceptor.settle(PATIENCE)
        acceptor.close()


async def test_what_is_being_admitted_counts_where_room_is_little() -> None:
    door, limit = Door(), 5
    async with listening() as place:
        acceptor = Acceptor(
            place, door.admit, Bounds(room=lambda: limit - acceptor.admitting - gone)
        )
        gone = 0
        async with clients(place, 8):
            await door.until(limit)
            await asyncio.sleep(0.1)  # it has had the time to accept more
            assert len(door.begun) == limit
            door.opened.set()
            await door.until(8)  # others are accepted as soon as these are through
            await acceptor.settle(PATIENCE)
        acceptor.close()


async def test_who_is_silent_makes_room_where_there_is_none() -> None:
    """Descriptors are scarce, and all that may be had are with clients that say nothing."""
    door = Door()
    async with listening() as place:
        acceptor = Acceptor(
            place, door.admit, Bounds(most=100, room=lambda: 2 - acceptor.admitting)
        )
        began = asyncio.get_running_loop().time()
        async with clients(place, 3) as made:
            assert await ended(made[0])
            assert asyncio.get_running_loop().time() - began >= ENOUGH
            await door.until(3)
            assert acceptor.admitting == 2
            door.opened.set()
            await acceptor.settle(PATIENCE)
        acceptor.close()
