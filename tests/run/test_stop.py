"""A stop of a real process loses no request of clients that keep their connections."""

import asyncio
import random
from pathlib import Path
from time import monotonic
from typing import Final

import pytest

from tests.support.client import PATIENCE, RawClient
from tests.support.message import post
from tests.support.process import Process, started
from tests.support.upstream import RawUpstream

CLIENTS: Final = 40
RESTED: Final = 0.7
REQUEST: Final = post(b"hello")


class Poster:
    """A client that keeps its connection, until a reply says that it ends."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.answered = 0
        self.told = 0
        """Replies with ``Connection: close``."""
        self.failed: list[str] = []
        self.late = False
        """Whether it ever asked on a connection that had rested for too long."""

    async def run(self, proxy: Process) -> None:
        """Post until nobody listens any more."""
        while True:
            try:
                client = await proxy.client()
            except (ConnectionRefusedError, FileNotFoundError):
                return  # the listener has closed: another instance has to be asked
            async with client:
                await self._post(client)

    async def _post(self, client: RawClient) -> None:
        heard = monotonic()
        while True:
            try:
                # A connection that rests in a stop has a second. A machine that is so busy that
                # the pause below takes as long says nothing of the proxy.
                late = monotonic() - heard > RESTED
                self.late |= late
                await client.send(REQUEST)
                response = await client.receive()
            except OSError as error:
                self.failed += [] if late else [repr(error)]
                return
            if (response.status, response.ended) != (200, "complete"):
                what = f"{response.status} {response.ended} {response.head.first!r}"
                self.failed += [] if late else [what]
                return
            heard = monotonic()
            self.answered += 1
            if response.value("Connection") == b"close":
                self.told += 1
                return
            # Whoever sees that the connection has ended does not use it again.
            if await client.read(self._rng.uniform(0.01, 0.05)) or client.end:
                return


def configured(tmp_path: Path, upstream: RawUpstream, listen: str, delay: str) -> str:
    path = tmp_path / "config.toml"
    path.write_text(
        f'[server]\nlisten = "{listen}"\n[shutdown]\ndelay = "{delay}"\n[log]\naccess = false\n'
        f'[[upstreams]]\nname = "api"\nservers = ["{upstream.url}"]\n'
        '[[routes]]\nupstream = "api"\n'
    )
    return str(path)


@pytest.mark.parametrize("delay", ["0s", "300ms"])
@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_a_stop_costs_no_client_a_request(kind: str, delay: str, tmp_path: Path) -> None:
    listen = "127.0.0.1:0" if kind == "tcp" else f"unix:{tmp_path / 'proxy.sock'}"
    rng = random.Random(7)
    async with (
        RawUpstream() as upstream,
        started("run", configured(tmp_path, upstream, listen, delay)) as proxy,
    ):
        await proxy.ready()
        posters = [Poster(random.Random(rng.random())) for _ in range(CLIENTS)]
        async with asyncio.timeout(2 * PATIENCE), asyncio.TaskGroup() as group:
            for poster in posters:
                group.create_task(poster.run(proxy))
            await upstream.until(lambda: len(upstream.requests) > 4 * CLIENTS)
            status = await proxy.stopped()
        assert [poster.failed for poster in posters if poster.failed] == []
        assert all(poster.told or poster.late for poster in posters)
        assert status == 0


async def test_replies_say_during_the_delay_that_the_connection_ends(tmp_path: Path) -> None:
    async with (
        RawUpstream() as upstream,
        started("run", configured(tmp_path, upstream, "127.0.0.1:0", "1s")) as proxy,
    ):
        await proxy.ready()
        async with await proxy.client() as client:
            assert (await client.ask(REQUEST)).value("Connection") is None
            stopped = asyncio.create_task(proxy.stopped())
            await proxy.line("stopping: the listeners close")
            assert (await client.ask(REQUEST)).value("Connection") == b"close"
            assert await client.closed() == "fin"
        assert await stopped == 0


async def test_an_idle_connection_has_one_more_request_after_the_listener_has_closed(
    tmp_path: Path,
) -> None:
    async with (
        RawUpstream() as upstream,
        started("run", configured(tmp_path, upstream, "127.0.0.1:0", "0s")) as proxy,
    ):
        await proxy.ready()
        async with await proxy.client() as used, await proxy.client() as silent:
            assert (await used.ask(REQUEST)).status == 200
            stopped = asyncio.create_task(proxy.stopped())
            await proxy.line("draining: nothing in flight")
            response = await used.ask(REQUEST)
            assert (response.status, response.value("Connection")) == (200, b"close")
            assert await used.closed() == "fin"
            assert await silent.closed() == "fin"
        assert await stopped == 0
