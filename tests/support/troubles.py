"""The proxy of the demo, with its usual load, and one of its troubles."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

from proxy.demo.command import configuration
from proxy.demo.deaf import DeafServer
from proxy.demo.process import DemoProcess
from proxy.demo.traffic import TROUBLES, Traffic, Trouble
from proxy.run.runtime import Runtime

CAUSES = ("first_byte", "queue", "connect", "body", "retries", "client")
BY_CAUSE = {each.cause: each for each in TROUBLES}
_KNOWN = 25
"""Calls of each route, so that the proxy knows what is usual."""


@contextlib.asynccontextmanager
async def usual() -> AsyncIterator[tuple[Runtime, Traffic]]:
    """A proxy that has served enough to know what is usual on each of its routes."""
    with DemoProcess("127.0.0.1:0") as demo, DeafServer() as deaf:
        runtime = Runtime(configuration(demo.url, deaf.url, "127.0.0.1:0", "127.0.0.1:0"))
        await runtime.open()
        traffic = Traffic(runtime.http[0], deaf, random.Random(3))
        load = asyncio.ensure_future(traffic.usual())
        try:
            async with asyncio.timeout(60):
                while not _is_known(runtime):  # noqa: ASYNC110 - it tells nobody
                    await asyncio.sleep(0.1)
            await asyncio.sleep(1.0)  # the second in which it is learnt ends
            yield runtime, traffic
        finally:
            load.cancel()
            await asyncio.gather(load, return_exceptions=True)
            await runtime.close()


def _is_known(runtime: Runtime) -> bool:
    counted = {
        sample.labels["route"]: sample.value
        for sample in runtime.describe()
        if sample.name == "route_requests"
    }
    return all(int(counted.get(route, 0)) >= _KNOWN for route in ("/", "/reports", "/billing"))


@contextlib.asynccontextmanager
async def brought(cause: str, traffic: Traffic) -> AsyncIterator[Trouble]:
    """The trouble with this cause."""
    async with traffic.trouble(BY_CAUSE[cause]):
        yield BY_CAUSE[cause]
