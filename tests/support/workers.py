"""A proxy of two workers, in processes of its own."""

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

from tests.support.client import RawClient, ask
from tests.support.message import OK, get
from tests.support.process import PATIENCE, Process, started
from tests.support.upstream import RawUpstream

ADMIN: Final = get("/api/state", host=b"127.0.0.1")


_OPERATORS: Final = '[admin]\nlisten = "127.0.0.1:0"\n'


def configured(
    folder: Path,
    upstream: str,
    listen: str = '"127.0.0.1:0"',
    more: str = "",
    server: str = "",
    *,
    admin: str = _OPERATORS,
) -> str:
    """A file with two workers; ``listen`` as TOML writes it."""
    path = folder / "config.toml"
    path.write_text(
        f"[server]\nworkers = 2\nlisten = {listen}\n{server}\n{admin}"
        f'{more}\n[[upstreams]]\nname = "api"\nservers = ["{upstream}"]\n'
        '[[routes]]\nupstream = "api"\n'
    )
    return str(path)


@contextlib.asynccontextmanager
async def crew(
    folder: Path, upstream: RawUpstream, listen: str = '"127.0.0.1:0"', more: str = ""
) -> AsyncIterator[Process]:
    """Two workers in front of ``upstream``."""
    async with started("run", configured(folder, upstream.url, listen, more)) as proxy:
        await proxy.ready()
        try:
            yield proxy
        finally:
            if proxy.process.returncode is None:
                for _ in range(2):
                    proxy.process.send_signal(signal.SIGINT)
            await ended(proxy)


@contextlib.asynccontextmanager
async def two_held(
    folder: Path,
) -> AsyncIterator[tuple[Process, RawClient, RawClient, asyncio.Event]]:
    """Two workers, two clients whose requests are in flight, and what has these answered."""
    answer = asyncio.Event()
    async with (
        RawUpstream([answer, OK]) as upstream,
        crew(folder, upstream) as proxy,
        await proxy.client() as one,
        await proxy.client() as other,
    ):
        await one.send(get("/one"))
        await other.send(get("/other"))
        await upstream.until(lambda: len(upstream.requests) == 2)
        yield proxy, one, other, answer


async def ended(proxy: Process) -> list[str]:
    """Lines of standard error to its end, which is when the last process has ended."""
    assert proxy.process.stdout is not None
    lines = await proxy.said()
    async with asyncio.timeout(PATIENCE):
        await proxy.process.stdout.read()
    return lines


def where(address: str) -> tuple[str, int]:
    """An address as host and port."""
    host, _, port = address.rpartition(":")
    return host, int(port)


async def told(proxy: Process, path: str) -> Any:
    """What operators are told under a path of the API."""
    response = await ask(where(proxy.admin), get(path, host=b"127.0.0.1"))
    assert response.status == 200, response.body
    return json.loads(response.body)


async def state(proxy: Process) -> Any:
    return await told(proxy, "/api/state")


async def reloaded(proxy: Process, folder: Path, upstream: RawUpstream, server: str) -> None:
    """Serve by these options of ``[server]``."""
    configured(folder, upstream.url, server=server)
    proxy.process.send_signal(signal.SIGHUP)
    assert "refused" not in await proxy.line("reload (SIGHUP)")


async def until(proxy: Process, holds: Callable[[Any], bool]) -> Any:
    """The state as soon as this holds of it."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = await state(proxy)
            if holds(found):
                return found
            await asyncio.sleep(0.02)


def serving(found: Any) -> dict[int, int]:
    """Process by slot."""
    return {each["worker"]: each["pid"] for each in found["workers"] if each["state"] == "serving"}


def requests(found: Any) -> int:
    """How many the route has had."""
    number: int = found["counters"].get("/", {}).get("requests", 0)
    return number


async def replaced(proxy: Process, before: dict[int, int], slot: int) -> dict[int, int]:
    """The processes as soon as a slot has another one."""
    found = await until(
        proxy,
        lambda now: len(serving(now)) == 2 and serving(now)[slot] != before[slot],
    )
    return serving(found)


async def refused(proxy: Process) -> None:
    """Wait until nobody listens any more."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                async with await proxy.client():
                    await asyncio.sleep(0.01)
            except ConnectionRefusedError:
                return


async def stopped(proxy: Process) -> tuple[int, str]:
    """Exit status and standard output after SIGTERM."""
    proxy.process.send_signal(signal.SIGTERM)
    return await proxy.ended()
