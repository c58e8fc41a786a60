"""More clients at once than ``max_connections``, to workers: what a burst takes is given back."""

import asyncio
import contextlib
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.authority import Authority
from tests.support.client import RawClient, ask
from tests.support.message import get
from tests.support.process import PATIENCE, Process, started
from tests.support.tls_client import TlsClient, trusting
from tests.support.upstream import RawUpstream
from tests.support.workers import configured, reloaded, stopped, until, where

CROWD = 40
MOST = 8
LIMIT = f"max_connections = {MOST}"
INTRODUCED = 'trusted_proxies = ["127.0.0.0/8"]\nproxy_protocol = true'


@contextlib.asynccontextmanager
async def limited(folder: Path, upstream: RawUpstream, server: str) -> AsyncIterator[Process]:
    async with started("run", configured(folder, upstream.url, server=server)) as proxy:
        await proxy.ready()
        yield proxy
        assert (await stopped(proxy))[0] == 0


async def burst(proxy: Process, clients: int = CROWD) -> Counter[int]:
    """What so many are answered that connect at once and stay until all are answered."""
    async with contextlib.AsyncExitStack() as stack:
        made = await asyncio.gather(
            *(RawClient.connect(where(proxy.http[0])) for _ in range(clients))
        )
        for each in made:
            await stack.enter_async_context(each)
        # one that is refused may be closed before it has asked
        await asyncio.gather(*(each.send(get()) for each in made), return_exceptions=True)
        answers = await asyncio.gather(*(each.receive(patience=PATIENCE) for each in made))
        return Counter(answer.status for answer in answers)


def nobody(found: Any) -> bool:
    return not any(each["connections"] for each in found["workers"])


async def served_after_bursts(proxy: Process) -> None:
    for _ in range(4):
        answers = await burst(proxy)
        assert set(answers) == {200, 503}  # nobody is closed without a word
        assert answers[200] <= MOST
        await until(proxy, nobody)
    assert await burst(proxy, 2) == {200: 2}


async def test_slots_are_given_back_after_a_burst(tmp_path: Path) -> None:
    """They were lost for good: after some bursts everybody got 503, with no client there."""
    async with RawUpstream() as upstream, limited(tmp_path, upstream, LIMIT) as proxy:
        await served_after_bursts(proxy)


async def test_the_same_where_a_reload_lets_clients_in_at_once(tmp_path: Path) -> None:
    async with (
        RawUpstream() as upstream,
        limited(tmp_path, upstream, f"{LIMIT}\n{INTRODUCED}") as proxy,
    ):
        await reloaded(proxy, tmp_path, upstream, LIMIT)
        await served_after_bursts(proxy)


async def test_silent_clients_make_room_once_a_reload_wants_an_introduction(
    tmp_path: Path,
) -> None:
    async with RawUpstream() as upstream, limited(tmp_path, upstream, LIMIT) as proxy:
        await reloaded(proxy, tmp_path, upstream, f"{LIMIT}\n{INTRODUCED}")
        async with contextlib.AsyncExitStack() as stack:
            silent = [
                await stack.enter_async_context(await RawClient.connect(where(proxy.http[0])))
                for _ in range(CROWD)
            ]
            ends = await asyncio.gather(*(each.rest() for each in silent[: CROWD - 2 * MOST]))
            assert set(ends) == {b""}


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_reload_changes_how_many_are_served_at_a_time(tmp_path: Path, workers: int) -> None:
    def write(most: int) -> None:
        path = configured(tmp_path, upstream.url, server=f"max_connections = {most}")
        text = Path(path).read_text()
        Path(path).write_text(text.replace("workers = 2", f"workers = {workers}"))

    async with RawUpstream() as upstream:
        write(2)
        async with started("run", str(tmp_path / "config.toml")) as proxy:
            await proxy.ready()
            assert (await burst(proxy, 6))[200] <= 2
            for most in (50, 2, 50):
                write(most)
                proxy.process.send_signal(signal.SIGHUP)
                assert "changed [server] (max_connections)" in await proxy.line("reload (SIGHUP)")
                await all_left(proxy)
                served = (await burst(proxy, 6))[200]
                assert served == 6 if most == 50 else served <= 2
            await stopped(proxy)


async def all_left(proxy: Process) -> None:
    """Wait until no client is connected."""
    asked = get("/metrics", host=b"127.0.0.1")
    async with asyncio.timeout(PATIENCE):
        while True:
            lines = (await ask(where(proxy.admin), asked)).body.splitlines()
            if b"sidecar_proxy_client_connections 0.0" in lines:
                return
            await asyncio.sleep(0.02)


async def test_slots_are_given_back_after_a_burst_of_handshakes(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    files = (authority.path(f"server.{kind}") for kind in ("pem", "key"))
    tls = 'tls = {{ certificates = [{{ cert_file = "{}", key_file = "{}" }}] }}'.format(*files)
    context = trusting(authority)
    async with RawUpstream() as upstream, limited(tmp_path, upstream, f"{LIMIT}\n{tls}") as proxy:
        address = where(proxy.http[0])
        for _ in range(3):
            opening = (TlsClient.open(address, context) for _ in range(CROWD))
            found = await asyncio.gather(*opening, return_exceptions=True)
            made = [each for each in found if isinstance(each, TlsClient)]
            assert made
            for each in made:
                each.close()
            await until(proxy, nobody)
        async with await TlsClient.open(address, context) as client:
            assert (await client.ask(get())).status == 200
