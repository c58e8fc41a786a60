"""Long uploads to the end, and to any other one: the same whether the kernel moves them or not."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.support.message import OK, get, length, post
from tests.support.proxy import dialled
from tests.support.uploads import (
    BODY,
    ENDLESS,
    MIB,
    NAMES,
    PATIENCE,
    Way,
    come,
    received,
    stuck,
    take,
    uploading,
)


@pytest.fixture(autouse=True, params=NAMES)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    """On each of the two."""
    yield from take(request.param, monkeypatch)


async def test_what_comes_behind_it_is_the_next_request(way: Way) -> None:
    async with dialled(["wait-body", OK]) as (upstream, _, client):
        await client.send(post(BODY) + get("/a") + post(BODY[::-1], "/b") + get("/c"))
        for _ in range(4):
            assert (await client.receive()).body == b"ok"
        targets = [request.line.split()[1] for request in upstream.requests]
        assert targets == [b"/", b"/a", b"/b", b"/c"]
        assert [request.raw for request in upstream.requests] == [BODY, b"", BODY[::-1], b""]
    way.held()


async def test_a_client_that_has_sent_all_it_will_has_its_answer(way: Way) -> None:
    async with dialled(["wait-body", OK]) as (upstream, _, client):
        await client.send(post(BODY))
        client.half_close()
        assert (await client.receive()).body == b"ok"
        assert upstream.requests[0].raw == BODY
    way.held()


async def test_a_client_that_waits_to_be_told_is_told(way: Way) -> None:
    script = [b"HTTP/1.1 100 Continue\r\n\r\n", "wait-body", OK]
    async with dialled(script) as (upstream, _, client):
        await client.send(post(BODY, fields=b"Expect: 100-continue\r\n")[: -len(BODY)])
        await client.read_until(b"HTTP/1.1 100 Continue\r\n\r\n")
        await client.send(BODY)
        assert (await client.receive()).body == b"ok"
        assert upstream.requests[0].raw == BODY
    way.held()


async def test_a_reply_may_come_while_it_does(way: Way) -> None:
    echoed = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY)
    script = [echoed + BODY[:MIB], "wait-body", BODY[MIB:]]
    async with dialled(script) as (upstream, proxy, client):
        async with uploading(client, BODY):
            answer = await client.receive()
        assert (answer.ended, answer.body) == ("complete", BODY)
        assert upstream.requests[0].raw == BODY
        assert (await proxy.record()).bytes_in == len(BODY)
    way.held()


@pytest.mark.parametrize("end", ["fin", "rst"])
async def test_a_refusal_that_comes_while_it_does_reaches_the_client(end: str, way: Way) -> None:
    refused = length(b"too large", b"413 Content Too Large", b"Connection: close\r\n")
    script = [("body", MIB), "read-nothing", refused, end]
    async with dialled(script) as (_, proxy, client):
        async with uploading(client):
            answer = await client.receive()
        if end == "fin":  # else the answer may have been taken away
            assert (answer.status, answer.body) == (413, b"too large")
        record = await proxy.record()
        assert record.status in ((413,) if end == "fin" else (413, 502))
        assert MIB <= record.bytes_in < ENDLESS
    way.held()


@pytest.mark.parametrize("end", ["fin", "rst"])
async def test_a_server_that_ends_it_without_a_word_is_a_502(end: str, way: Way) -> None:
    async with dialled([("body", MIB), end]) as (upstream, proxy, client):
        async with uploading(client):
            answer = await client.receive()
        assert answer.status == 502
        record = await proxy.record()
        assert (record.status, record.error) == (502, "connection_terminated")
        assert len(upstream.connections) == 1
    way.held()


@pytest.mark.parametrize(
    ("how", "reads"),
    [("fin", True), ("rst", True), ("rst", False)],  # a FIN waits behind what is not taken
    ids=["fin", "rst", "rst-not-taken"],
)
async def test_a_client_that_leaves_ends_it(how: str, reads: bool, way: Way) -> None:
    script = ["hold"] if reads else [("body", MIB), "read-nothing", "hold"]
    async with dialled(script) as (upstream, proxy, client):
        sent = b"" if reads else None
        async with uploading(client, sent):
            if reads:
                await upstream.until(lambda: upstream.requests)
                await client.send(bytes(2 * MIB))
                await come(upstream, 2 * MIB)
            else:
                await come(upstream)
                await stuck(proxy)
        client.reset() if how == "rst" else client.close()
        record = await proxy.record()
        assert (record.status, record.error) == (499, "client_gone")
        assert record.bytes_in < ENDLESS
        if not reads:
            upstream.connections[0].transport.resume_reading()
        async with asyncio.timeout(PATIENCE):
            await upstream.connections[0].closed.wait()
    way.held()


async def test_a_server_that_takes_nothing_holds_the_client_back_and_then_has_it_all(
    way: Way,
) -> None:
    go_on = asyncio.Event()
    script = [("body", MIB), "read-nothing", go_on, "read-on", "wait-body", OK]
    async with dialled(script) as (upstream, proxy, client):
        async with uploading(client):
            await come(upstream)
            await stuck(proxy)
            assert received(proxy) < ENDLESS
            go_on.set()
            assert (await client.receive()).body == b"ok"
        assert upstream.requests[0].raw == bytes(ENDLESS)
    way.held()


async def test_a_server_that_takes_nothing_is_ended_by_its_clock(way: Way) -> None:
    async with dialled(
        [("body", MIB), "read-nothing", "hold"],
        timeouts={"first_byte": "1s"},
    ) as (_, proxy, client):
        async with uploading(client):
            answer = await client.receive()
        assert answer.status == 504
        record = await proxy.record()
        assert record.error == "http_response_timeout"
        assert record.bytes_in < ENDLESS
    way.held()


async def test_a_client_that_stalls_is_ended_by_its_clock(way: Way) -> None:
    async with dialled(["hold"], server={"body_idle_timeout": "1s"}) as (upstream, proxy, client):
        await client.send(post(BODY)[:-MIB])
        answer = await client.receive()
        assert answer.status == 408
        record = await proxy.record()
        assert (record.status, record.bytes_in) == (408, len(BODY) - MIB)
        await upstream.connections[0].closed.wait()
    way.held()


async def test_total_ends_it(way: Way) -> None:
    async with dialled(["hold"], timeouts={"total": "2s"}) as (upstream, _, client):
        await client.send(post(BODY)[:-MIB])
        assert (await client.receive()).status == 504
        await upstream.connections[0].closed.wait()
    way.held()


async def test_a_drain_waits_for_it(way: Way) -> None:
    async with dialled(["wait-body", OK]) as (upstream, proxy, client):
        await client.send(post(BODY)[:-MIB])
        await come(upstream, len(BODY) - MIB)
        draining = asyncio.ensure_future(proxy.runtime.drain())
        await proxy.breathe()
        await client.send(BODY[-MIB:])
        answer = await client.receive()
        assert (answer.status, answer.value("connection")) == (200, b"close")
        assert await draining
    way.held()


async def test_the_end_of_a_drain_cuts_it(way: Way) -> None:
    async with dialled(["hold"], shutdown={"grace_period": "80ms"}) as (upstream, proxy, client):
        await client.send(post(BODY)[:-MIB])
        await come(upstream, len(BODY) - MIB)
        assert not await proxy.runtime.drain()
        await proxy.runtime.close()
        assert (await client.receive()).status == 503
        await upstream.connections[0].closed.wait()
    way.held()


async def test_an_urgent_byte_is_skipped(way: Way) -> None:
    """``splice`` stops before one, and the loop says again and again that there is something."""
    async with dialled(["wait-body", OK]) as (upstream, _, client):
        await client.send(post(BODY)[:-MIB])
        await come(upstream, len(BODY) - MIB)
        client.send_urgent()
        await client.send(BODY[-MIB:])
        assert (await client.receive()).body == b"ok"
        assert upstream.requests[0].raw == BODY
    way.held()
