"""A stop says what is in flight, how long it may take and how it ended; the exit status tells too.

The end of a stream of events or of a tunnel is no failure: they have no end of their own.
"""

import asyncio
import signal
from pathlib import Path

import pytest

from tests.support.message import OK
from tests.support.process import started
from tests.support.upstream import RawUpstream, Script

PLAIN = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
SOCKET = (
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
EVENTS: Script = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"9\r\ndata: 1\n\n\r\n",
    "hold",
)
DOWNLOAD: Script = (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", "hold")
TUNNEL: Script = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "hold",
)
CONFIG = """
[server]
listen = "127.0.0.1:0"
[shutdown]
grace_period = "{grace}"
[[upstreams]]
name = "api"
servers = ["{url}"]
"""


@pytest.mark.parametrize(
    ("request_", "script", "what", "status"),
    [
        (PLAIN, EVENTS, "ending 1 stream of events", 0),
        (SOCKET, TUNNEL, "ending 1 tunnel", 0),
        (PLAIN, DOWNLOAD, "cutting 1 request", 1),
        (PLAIN, ("hold",), "cutting 1 request", 1),
    ],
    ids=["stream of events", "tunnel", "download", "no head yet"],
)
async def test_the_end_of_the_grace_period(
    tmp_path: Path, request_: bytes, script: Script, what: str, status: int
) -> None:
    async with RawUpstream(script) as upstream:
        config = tmp_path / "config.toml"
        config.write_text(CONFIG.format(url=upstream.url, grace="300ms"))
        async with started("run", str(config)) as proxy:
            await proxy.ready()
            async with await proxy.client() as client:
                await client.send(request_)
                await upstream.until(lambda: len(upstream.requests) == 1)
                if script != ("hold",):
                    await client.read_until(b"\r\n\r\n", 60)
                proxy.process.send_signal(signal.SIGTERM)
                await proxy.line("SIGTERM")
                assert "in flight, up to 0.3 s" in await proxy.line("draining")
                assert what in await proxy.line("grace_period of 0.3 s is over")
                assert (await proxy.ended())[0] == status


async def test_a_request_that_ends_in_time(tmp_path: Path) -> None:
    answer = asyncio.Event()
    async with RawUpstream([answer, OK]) as upstream:
        config = tmp_path / "config.toml"
        config.write_text(CONFIG.format(url=upstream.url, grace="0"))
        async with started("run", str(config)) as proxy:
            await proxy.ready()
            async with await proxy.client() as client:
                await client.send(PLAIN)
                await upstream.until(lambda: len(upstream.requests) == 1)
                proxy.process.send_signal(signal.SIGINT)
                await proxy.line("SIGINT: stopping")
                assert "1 request in flight, as long as it takes" in await proxy.line("draining")
                answer.set()
                assert (await client.receive(patience=60)).status == 200
            assert "nothing was cut" in await proxy.line("drained after")
            assert (await proxy.ended())[0] == 0


async def test_nothing_in_flight(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.format(url="http://127.0.0.1:9", grace="30s"))
    async with started("run", str(config)) as proxy:
        await proxy.ready()
        async with await proxy.client() as idle:
            proxy.process.send_signal(signal.SIGTERM)
            assert "draining: nothing in flight" in await proxy.line("draining")
            assert "nothing was cut" in await proxy.line("drained after")
            assert await idle.closed(60) == "fin"
        assert (await proxy.ended())[0] == 0


async def test_a_second_signal_that_ends_streams_only_is_no_failure(tmp_path: Path) -> None:
    async with RawUpstream(EVENTS) as upstream:
        config = tmp_path / "config.toml"
        config.write_text(CONFIG.format(url=upstream.url, grace="0"))
        async with started("run", str(config)) as proxy:
            await proxy.ready()
            async with await proxy.client() as client:
                await client.send(PLAIN)
                await client.read_until(b"\r\n\r\n", 60)
                proxy.process.send_signal(signal.SIGTERM)
                await proxy.line("draining")
                proxy.process.send_signal(signal.SIGTERM)
                assert "cutting 1 stream of events" in await proxy.line("SIGTERM again")
                assert (await proxy.ended())[0] == 0
