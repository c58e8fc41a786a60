"""Six troubles, and six causes that the proxy tells."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from proxy.demo.traffic import TROUBLES, Traffic, drive
from tests.support.troubles import BY_CAUSE, CAUSES, brought, usual


async def told(live: aiohttp.ClientResponse, cause: str) -> dict[str, Any]:
    """What ``/api/live`` says of a cause, as soon as it says something."""
    async for line in live.content:
        if line.startswith(b"data: "):
            for each in json.loads(line.removeprefix(b"data: "))["causes"]:
                if each["cause"] == cause:
                    found: dict[str, Any] = each
                    return found
    raise AssertionError("the stream has ended")


@pytest.mark.parametrize("cause", CAUSES)
async def test_a_trouble_is_told_by_its_cause(cause: str) -> None:
    async with (
        usual() as (runtime, traffic),
        aiohttp.ClientSession(read_bufsize=1 << 22) as session,
        session.get(f"http://{runtime.admin}/api/live") as live,
        asyncio.timeout(60),
    ):
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with brought(cause, traffic) as trouble:
            found = await told(live, cause)
            print(f"{cause}: told after {loop.time() - began:.1f} s: {found['text']}")
        route = {"queue": "/reports", "connect": "/billing"}.get(cause, "/")
        assert found["route"] == route
        assert found["number"] <= trouble.at_a_time + 4  # and the usual callers
        assert (found["upstream"], bool(found["server"])) == (
            {"/": "api", "/reports": "reports", "/billing": "billing"}[route],
            route != "/reports",
        )


async def test_troubles_come_in_turn_and_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("proxy.demo.traffic.QUIET", 0.001)
    monkeypatch.setattr("proxy.demo.traffic.LASTS", 0.001)

    class Nothing(Traffic):
        def __init__(self) -> None:
            pass

        async def usual(self, at_a_time: int = 4) -> None:
            await asyncio.Event().wait()

        def trouble(self, trouble: Any) -> Any:
            return asyncio.timeout(None)

    task = asyncio.ensure_future(drive(Nothing(), said.append))
    async with asyncio.timeout(30):
        while len(said) < 2 * len(TROUBLES) + 1:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.001)
    task.cancel()
    assert said[0] == "now: a stall: the API thinks for 4 s; the page says: first byte"
    assert said[1] == "over"
    assert said[2 * len(TROUBLES)] == said[0]
    assert set(CAUSES) <= set(BY_CAUSE)
