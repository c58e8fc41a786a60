"""A server that was left alone is tried by one request."""

import asyncio

from tests.support.message import OK, get
from tests.support.proxy import proxied
from tests.support.upstream import HEALTHY, RawUpstream
from tests.wire.test_ejection import SICK, breaker, breakers, burst, counts, over


async def test_one_trial_at_a_time_brings_a_server_back() -> None:
    gate = asyncio.Event()
    async with (
        RawUpstream(SICK, [gate, OK]) as server,
        proxied(server, **over(server), **breaker(1, base_ejection_time="1h")) as proxy,
    ):
        assert await burst(proxy, 1) == [500]
        [(_, _, ejected)] = proxy.tree._targets[0].now.by_endpoint.values()
        assert ejected is not None
        ejected.until = 0.0  # the hour is over; a trial keeps others out for as long
        trial = asyncio.ensure_future(proxy.ask(get()))
        await server.until(lambda: len(server.requests) == 2)
        assert await burst(proxy, 3) == [503] * 3
        gate.set()
        assert [(await trial).status, *await burst(proxy, 3)] == [200] * 4
        assert counts(server) == [5]


async def test_a_trial_that_fails_is_followed_by_a_longer_rest() -> None:
    async with RawUpstream(SICK) as server:
        options = breaker(1, base_ejection_time="1s")
        async with proxied(server, **over(server), **options) as proxy:
            assert await burst(proxy, 1) == [500]
            status = 503
            async with asyncio.timeout(30):
                while status == 503:
                    await asyncio.sleep(0.02)
                    [status] = await burst(proxy, 1)
            assert [status, *await burst(proxy, 1)] == [500, 503]
            [state] = await breakers(proxy)
            assert (state["ejections"], state["state"]) == (2, "open")
            assert 1 < state["for_s"] <= 2


async def test_a_client_that_leaves_during_a_trial_frees_its_place() -> None:
    async with RawUpstream(SICK, ["hold"], HEALTHY) as server:
        options = breaker(1, base_ejection_time="20ms")
        async with proxied(server, **over(server), **options) as proxy:
            assert await burst(proxy, 1) == [500]
            await asyncio.sleep(0.03)
            async with await proxy.connect() as client:
                await client.send(get())
                await server.until(lambda: len(server.requests) == 2)
            await server.connections[-1].closed.wait()
            assert await burst(proxy, 2) == [200, 200]
