"""State changes are lines of their own, with stable keys."""

import asyncio
import logging
from typing import Any

import pytest

from tests.support.message import get, length
from tests.support.proxy import dialled, fronted
from tests.support.upstream import HEALTHY, PATIENCE, Script

FAILING: Script = ["wait-body", length(b"no", b"500 No")]


def events(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    plain = logging.makeLogRecord({}).__dict__.keys() | {"message", "asctime", "taskName"}
    return [
        {key: value for key, value in vars(record).items() if key not in plain}
        for record in caplog.records
        if record.name == "proxy.state"
    ]


async def until(caplog: pytest.LogCaptureFixture, event: str) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE):
        while True:
            for found in events(caplog):
                if found["event"] == event:
                    return found
            await asyncio.sleep(0.01)


async def test_a_server_is_ejected_and_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    options = {
        "circuit_breaker": {"consecutive_failures": 1, "base_ejection_time": "50ms"},
        "retry": {"attempts": 1},
    }
    async with fronted(FAILING, HEALTHY, **options) as (upstream, proxy):
        assert (await proxy.ask(get())).status == 500
        of = {"route": "/", "upstream": "api", "endpoint": upstream.url}
        assert await until(caplog, "ejected") == {"event": "ejected", **of, "for_s": 0.05}
        async with asyncio.timeout(PATIENCE):
            while (await proxy.ask(get())).status != 200:  # noqa: ASYNC110 - it is asked over HTTP
                await asyncio.sleep(0.02)
        assert await until(caplog, "back") == {"event": "back", **of}


async def test_health_checks_tell_both_ways(caplog: pytest.LogCaptureFixture) -> None:
    check = {"path": "/h", "interval": "20ms", "unhealthy_threshold": 1, "healthy_threshold": 1}
    async with fronted(FAILING, HEALTHY, health_check=check) as (upstream, _):
        of = {"upstream": "api", "endpoint": upstream.url}
        ill = {"event": "unhealthy", **of, "fault": "status 500"}
        assert await until(caplog, "unhealthy") == ill
        assert await until(caplog, "healthy") == {"event": "healthy", **of}


async def test_a_pause_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    busy: Script = ["wait-body", length(b"", b"503 Busy", b"Retry-After: 20\r\n")]
    options = {"retry": {"attempts": 1}, "circuit_breaker": {}}
    async with fronted(busy, **options) as (upstream, proxy):
        for _ in range(3):
            await proxy.ask(get())
        found = [each for each in events(caplog) if each["event"] == "paused"]
        [pause] = found
        assert pause["endpoint"] == upstream.url
        assert 15 < pause["for_s"] <= 20


async def test_a_drain_says_how_it_began_and_ended(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    shutdown = {"grace_period": "50ms"}
    async with dialled(["hold"], shutdown=shutdown) as (upstream, proxy, client):
        await client.send(get())
        await upstream.until(lambda: bool(upstream.requests))
        assert not await proxy.runtime.drain()
    in_flight = {"requests": 1, "streams": 0, "tunnels": 0}
    began, ended = events(caplog)
    assert began == {"event": "draining", **in_flight, "grace_s": 0.05}
    assert ended.pop("seconds") >= 0.049  # uvloop counts whole milliseconds
    assert ended == {"event": "drained", **in_flight}
