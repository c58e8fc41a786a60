"""Many streams and sockets at a time: nothing of them is left. ``make soak`` has more of them."""

import asyncio
import contextlib
import os
from collections.abc import Callable

from benchmarks.soak import Clients, answer
from tests.support.proxy import proxied

MANY = 100


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def until(holds: Callable[[], bool], what: Callable[[], object]) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(60):
            while not holds():  # noqa: ASYNC110 - of what happens elsewhere nobody tells
                await asyncio.sleep(0.02)
    assert holds(), what()


def held() -> tuple[int, int]:
    return len(asyncio.all_tasks()), descriptors()


async def opened(clients: Clients) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(each()) for each in (clients.stream, clients.socket) * MANY]
    await until(lambda: clients.open == len(tasks), lambda: clients.open)
    return tasks


async def test_nothing_is_left_of_streams_and_sockets() -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1000)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    limits = {"upstream_options": {"limit": 1000}, "shutdown": {"grace_period": "50ms"}}
    before = held()
    async with proxied(url, **limits) as proxy:
        port = int(proxy.runtime.http[0].rpartition(":")[2])
        at_rest = held()
        clients = Clients(port)
        leaving = await opened(clients)
        await until(
            lambda: all(len(delays) >= 2 * MANY for delays in clients.delays.values()),
            lambda: clients.delays,
        )
        traffic = proxy.runtime._tracker
        assert (len(traffic.tunnels), len(traffic.connections)) == (MANY, 2 * MANY)
        assert not clients.ends
        assert set(clients.delays) == {"streams", "sockets"}
        for task in leaving:
            task.cancel()
        await asyncio.wait(leaving)
        await until(lambda: held() == at_rest, lambda: (held(), at_rest))
        assert not traffic.tunnels
        assert not traffic.connections
        assert traffic.in_flight == 0

        clients = Clients(port)
        staying = await opened(clients)
        assert await proxy.runtime.drain()  # no request was cut: streams have no end of their own
        assert not traffic.tunnels
        assert clients.ends == {"socket closed with 1001": MANY}
    await asyncio.wait(staying)
    assert clients.ends["stream cut (rst)"] == MANY
    await until(lambda: held() == before, lambda: (held(), before))
    server.close()
    await server.wait_closed()
