"""What becomes of a request that is ended since others wait for the permit that it does not use."""

import asyncio
from collections.abc import Sized
from functools import partial
from typing import Any

import pytest

from proxy.middleware.concurrency import concurrency, permit
from proxy.policy import permit_loans
from tests.support.message import get, length
from tests.support.proxy import fronted
from tests.support.upstream import HEALTHY, Script

LIMITED = {
    "concurrency": {"max_requests": 1, "min": 1},
    "queue": {"size": 9},
    # Four fifths of the time that a permit was held: a slow machine makes that long.
    "timeouts": {"queue": "60s"},
}
OWN = b"Content-Type: text/event-stream\r\nCache-Control: private\r\n"
EVENTS = length(b"data: x\n\n" * 3_000_000, fields=OWN)


def more_than(found: Sized, number: int) -> bool:
    """Whether there are."""
    return len(found) > number


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Permits are lent, and loans called in, after tenths of a second."""
    for module in (concurrency, permit):
        monkeypatch.setattr(module, "GRACE", 0.2)
    monkeypatch.setattr(permit, "LEFT", 0.4)
    monkeypatch.setattr(permit_loans, "_PAUSE", 0.1)


@pytest.mark.parametrize(
    "tables",
    [
        {},
        {"stream": {"heartbeat": "50ms"}},
        {"coalesce": {}},
        {"coalesce": {}, "stream": {"heartbeat": "50ms"}},
    ],
)
async def test_one_whose_client_reads_nothing_is_reset(tables: dict[str, Any]) -> None:
    """Also where its head went out before the reply came, or another task asked for it."""
    answer = [asyncio.Event() for _ in range(2)]
    scripts: list[Script] = [[each, EVENTS] for each in answer]
    async with fronted(*scripts, HEALTHY, **LIMITED, **tables) as (upstream, proxy):
        idle = [await proxy.connect(receive_buffer=4096) for _ in range(2)]
        for number, client in enumerate(idle):
            await client.send(get(f"/{number}", b"Accept: text/event-stream\r\n"))
            await upstream.until(partial(more_than, upstream.requests, number))
            if "stream" in tables:
                await client.read_until(b"\r\n\r\n")
            answer[number].set()
        assert (await proxy.ask(get(), patience=60)).status == 200
        cut = await proxy.record(0)
        assert cut.error == "connection_write_timeout"
        await idle[0].rest(60)
        assert idle[0].end == "rst"
        for client in idle:
            client.close()


async def test_one_whose_client_sends_nothing_is_answered_and_closed() -> None:
    async with fronted(HEALTHY, HEALTHY, HEALTHY, **LIMITED) as (upstream, proxy):
        idle = [await proxy.connect() for _ in range(2)]
        for number, client in enumerate(idle):
            await client.send(b"POST / HTTP/1.1\r\nHost: proxy.test\r\nContent-Length: 9\r\n\r\nab")
            await upstream.until(partial(more_than, upstream.connections, number))
        assert (await proxy.ask(get(), patience=60)).status == 200
        answer = await idle[0].receive(patience=60)
        assert answer.status == 408
        assert await idle[0].closed(60) == "fin"
        for client in idle:
            client.close()
