"""A process that was stopped or frozen does not take its own pause for silence of its peers.

Containers are frozen, machines are moved or suspended, SIGSTOP or a debugger holds the process.
When it goes on, loops look at their timers before they read. A reply that had come in time was
answered 504, a body was cut, and a client that had sent its request in time got 408.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.message import CHUNKED_HEAD, OK, get
from tests.support.process import PATIENCE, Process, started
from tests.support.upstream import RawUpstream

CLOCK = 1.5
CONFIG = """
[server]
listen = "127.0.0.1:0"
body_idle_timeout = "{clock:g}s"
request_headers_timeout = "{clock:g}s"
keepalive_timeout = "{clock:g}s"
[timeouts]
first_byte = "{clock:g}s"
idle = "{clock:g}s"
per_try = "{per_try}"
[retry]
attempts = 2
[[upstreams]]
name = "api"
servers = ["{url}"]
"""


@asynccontextmanager
async def running(
    folder: Path, upstream: RawUpstream, per_try: str = "0"
) -> AsyncIterator[Process]:
    config = folder / "config.toml"
    config.write_text(CONFIG.format(url=upstream.url, clock=CLOCK, per_try=per_try))
    async with started("run", str(config)) as proxy:
        await proxy.ready()
        yield proxy


@asynccontextmanager
async def stopped(proxy: Process) -> AsyncIterator[None]:
    """Stand still until every clock is over, whatever comes meanwhile."""
    os.kill(proxy.process.pid, signal.SIGSTOP)
    try:
        yield
        await asyncio.sleep(CLOCK + 0.5)
    finally:
        os.kill(proxy.process.pid, signal.SIGCONT)


@pytest.mark.parametrize("per_try", ["0", "1200ms"])
async def test_a_reply_that_came_in_time_is_passed_on(tmp_path: Path, per_try: str) -> None:
    go = asyncio.Event()
    async with (
        RawUpstream([go, OK]) as upstream,
        running(tmp_path, upstream, per_try) as proxy,
        await proxy.client() as client,
    ):
        await client.send(get())
        await upstream.until(lambda: upstream.requests)
        async with stopped(proxy):
            go.set()
        assert (await client.receive(patience=PATIENCE)).status == 200
        assert len(upstream.requests) == 1


async def test_a_body_that_went_on_in_time_is_whole(tmp_path: Path) -> None:
    go = asyncio.Event()
    async with (
        RawUpstream([CHUNKED_HEAD, b"5\r\n12345\r\n", go, b"5\r\n67890\r\n0\r\n\r\n"]) as upstream,
        running(tmp_path, upstream) as proxy,
        await proxy.client() as client,
    ):
        await client.send(get())
        await client.read_until(b"12345")
        async with stopped(proxy):
            go.set()
        await client.read_until(b"67890\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        (b"GET / HTTP/1.1\r\n", b"Host: a\r\n\r\n"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na", b"b"),
        (get(), get()),  # an idle connection
    ],
    ids=["head", "body", "idle"],
)
async def test_a_request_that_came_in_time_is_served(
    tmp_path: Path, first: bytes, rest: bytes
) -> None:
    async with (
        RawUpstream(["wait-body", OK]) as upstream,
        running(tmp_path, upstream) as proxy,
        await proxy.client() as client,
    ):
        await client.send(first)
        if first == rest:
            assert (await client.receive(patience=PATIENCE)).status == 200
        else:
            await asyncio.sleep(CLOCK / 15)  # it is read before the process stands still
        async with stopped(proxy):
            await client.send(rest)
        assert (await client.receive(patience=PATIENCE)).status == 200


async def test_who_was_silent_all_the_time_is_late(tmp_path: Path) -> None:
    async with (
        RawUpstream(["hold"]) as upstream,
        running(tmp_path, upstream) as proxy,
        await proxy.client() as client,
    ):
        await client.send(get())
        await upstream.until(lambda: upstream.requests)
        async with stopped(proxy):
            pass
        assert (await client.receive(patience=PATIENCE)).status == 504
