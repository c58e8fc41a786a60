"""More clients at once than there are descriptors for.

With `ulimit -n 64` and 40 clients that connected at once, 8 were served though 21 may be at a time:
those that were refused kept the descriptors that the others wanted for the upstream.
"""

import asyncio
import contextlib
import re
from pathlib import Path
from typing import Any

import pytest

from proxy.run.descriptors import Descriptors
from proxy.run.runtime import Runtime
from tests.support.client import RawClient
from tests.support.message import OK
from tests.support.process import PATIENCE, started
from tests.support.proxy import parsed
from tests.support.upstream import RawUpstream

HELLO = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CONFIG = """
[server]
listen = "127.0.0.1:0"
max_connections = {most}
[[upstreams]]
name = "api"
servers = ["{url}"]
"""


async def test_as_many_are_served_at_a_time_as_the_warning_says(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    all_there = asyncio.Event()
    async with RawUpstream([all_there, OK]) as upstream:
        config.write_text(CONFIG.format(url=upstream.url, most=10000))
        async with started("run", str(config), prefix="ulimit -n 64") as proxy:
            warning = await proxy.line("max_connections")
            at_a_time = int(re.findall(r"at most (\d+) clients", warning)[0])
            assert at_a_time > 10
            await proxy.ready()

            async def ask() -> tuple[int, bytes]:
                async with await proxy.client() as client:
                    response = await client.ask(HELLO, patience=PATIENCE)
                    return response.status, response.body if response.status != 200 else b""

            asking = [asyncio.ensure_future(ask()) for _ in range(2 * at_a_time)]
            async with asyncio.timeout(PATIENCE):
                while len(upstream.requests) < at_a_time:  # noqa: ASYNC110 - nobody notifies tests
                    await asyncio.sleep(0.01)
            all_there.set()
            answers = await asyncio.gather(*asking)
            assert answers.count((200, b"")) >= at_a_time
            for status, body in answers:
                # nobody was let in who could not be connected upstream
                assert status == 200 or b"No connection is free" in body


async def test_no_more_are_refused_at_a_time_than_there_are_descriptors_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever has not closed yet holds one; the next client waits in the kernel's queue."""
    monkeypatch.setattr("proxy.edge.http1.write_stall.LINGER", 1000.0)
    monkeypatch.setattr("proxy.edge.longest_rested.ENOUGH", 1000.0)  # nobody makes room
    found, served = Descriptors(1024, 956), 2
    assert (found.connections(10000), found.scarce(10000)) == (served, True)
    config = parsed(CONFIG.format(url="http://127.0.0.1:9", most=10000))
    runtime = Runtime(config, (), found)
    await runtime.open()
    await no_more_are_refused_at_a_time(runtime, served, found.refused)
    await runtime.close()


async def no_more_are_refused_at_a_time(runtime: Runtime, served: int, most: int) -> None:
    host, _, port = runtime.http[0].rpartition(":")
    refused: set[Any] = runtime._tracker.refused
    async with contextlib.AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(await RawClient.connect((host, int(port))))
            for _ in range(served + most + 5)
        ]
        first = clients[served:-5]
        for client in first:
            assert (await client.receive(patience=PATIENCE)).status == 503
        await asyncio.sleep(0.2)  # time to accept the others
        assert len(refused) == most
        for client in first[:5]:
            client.close()
        for client in clients[-5:]:
            assert (await client.receive(patience=PATIENCE)).status == 503
        assert len(refused) == most
    async with asyncio.timeout(PATIENCE):
        while refused:  # noqa: ASYNC110 - nobody notifies tests
            await asyncio.sleep(0.01)


async def test_a_reload_to_more_clients_than_there_are_descriptors_for_has_them_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a start with few clients it was said that accepting never runs out of descriptors."""
    monkeypatch.setattr("proxy.edge.http1.write_stall.LINGER", 1000.0)
    found = Descriptors(1 << 20, (1 << 20) - 64 - 8192 - 2 * 2)
    assert (found.scarce(2), found.scarce(3)) == (False, True)
    few, more = (parsed(CONFIG.format(url="http://127.0.0.1:9", most=most)) for most in (2, 3))
    runtime = Runtime(few, (), found)
    await runtime.open()
    await runtime.reload(more)
    await no_more_are_refused_at_a_time(runtime, 3, found.refused)
    await runtime.close()


async def test_the_warning_is_said_again_for_a_reload(caplog: pytest.LogCaptureFixture) -> None:
    url = "http://127.0.0.1:9"
    runtime = Runtime(parsed(CONFIG.format(url=url, most=2)), (), Descriptors(1024, 12))
    await runtime.open()
    assert "max_connections" not in caplog.text
    for _ in range(2):
        await runtime.reload(parsed(CONFIG.format(url=url, most=900)))
    assert caplog.text.count("at most 474 clients are served at a time") == 1
    await runtime.close()


async def test_clients_beyond_max_connections_are_refused_and_not_cut(tmp_path: Path) -> None:
    """One connection may be open, many are accepted at once, and descriptors are scarce."""
    config = tmp_path / "config.toml"
    held = asyncio.Event()
    async with RawUpstream([held, OK]) as upstream:
        text = CONFIG.format(url=upstream.url, most=1)
        config.write_text(text)
        async with started("run", str(config), prefix="ulimit -n 64") as proxy:
            await proxy.ready()

            async def ask() -> int:
                async with await proxy.client() as client:
                    return (await client.ask(HELLO, patience=PATIENCE)).status

            asking = [asyncio.ensure_future(ask()) for _ in range(12)]
            done = 0
            async with asyncio.timeout(PATIENCE):
                while done < 11:
                    await asyncio.wait(asking, timeout=0.01)
                    done = sum(one.done() for one in asking)
            held.set()
            assert sorted(await asyncio.gather(*asking)) == [200] + [503] * 11
