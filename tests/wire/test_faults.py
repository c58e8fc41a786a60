"""Every way in which an upstream misbehaves, and that it harms nobody else."""

import asyncio

import pytest

from tests.support.message import OK, get, length
from tests.support.proxy import Proxy, fronted
from tests.support.upstream import HEALTHY, Connection, Request, Script
from tests.wire.faults import AFTER_THE_HEAD, BEFORE_THE_HEAD, JUNK, ODD, ONCE, Cut, Fault


async def healthy(proxy: Proxy) -> None:
    """Two other clients get what is theirs."""
    for _ in range(2):
        response = await proxy.ask(get())
        assert (response.status, response.body, response.ended) == (200, b"ok", "complete")


@pytest.mark.parametrize("fault", BEFORE_THE_HEAD, ids=lambda fault: fault.name)
async def test_what_goes_wrong_before_the_head_becomes_a_status(fault: Fault) -> None:
    async with fronted(fault.script, HEALTHY, **fault.options) as (upstream, proxy):
        async with await proxy.connect() as client:
            response = await client.ask(get())
            assert (response.status, response.ended) == (fault.status, "complete")
            assert response.value("Proxy-Status") == b"sidecar-proxy; error=" + fault.error.encode()
            assert (await client.ask(get())).body == b"ok"
        await healthy(proxy)
        assert len(upstream.requests) == 4
        await upstream.until(upstream.connections[0].closed.is_set)
        assert len(upstream.connections[0].requests) == 1  # never used again
        assert (await proxy.record()).error == fault.error


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("cut", AFTER_THE_HEAD, ids=lambda cut: cut.name)
async def test_what_breaks_after_the_head_is_cut_and_never_ends_cleanly(
    cut: Cut, version: str
) -> None:
    """Only a reset shows a client of HTTP/1.0 that a body without a length is not whole."""
    request = get().replace(b"1.1", version.encode())
    async with fronted(cut.script, HEALTHY, **cut.options) as (upstream, proxy):
        response = await proxy.ask(request)
        assert response.status == 200
        assert cut.body.startswith(response.body)  # a reset may overtake what was sent before it
        if response.framing == "close":
            assert response.ended == "rst"
        else:
            assert response.ended in ("fin-short", "rst")
            assert response.body == cut.body or response.ended == "rst"
        record = await proxy.record()
        assert (record.status, record.error) == (200, cut.error)
        await healthy(proxy)
        await upstream.until(upstream.connections[0].closed.is_set)
        assert len(upstream.connections[0].requests) == 1


@pytest.mark.parametrize(("name", "script", "status", "body"), ODD, ids=[odd[0] for odd in ODD])
async def test_what_is_only_odd_goes_through_and_leaks_into_nobody_s_answer(
    name: str, script: Script, status: int, body: bytes
) -> None:
    async with fronted(script, HEALTHY, **ONCE) as (_, proxy):
        async with await proxy.connect() as client:
            response = await client.ask(get())
            assert (response.status, response.body, response.ended) == (status, body, "complete"), (
                name
            )
            assert (await client.ask(get())).body == b"ok"
        await healthy(proxy)


async def test_a_body_on_a_reply_to_head_leaks_into_nobody_s_answer() -> None:
    async with fronted([length(b"hello")], HEALTHY, **ONCE) as (_, proxy):
        async with await proxy.connect() as client:
            response = await client.ask(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (response.status, response.value("Content-Length")) == (200, b"5")
            assert (await client.ask(get())).body == b"ok"
        await healthy(proxy)


@pytest.mark.parametrize(
    "late", [JUNK, b"x", b"\r\n", b"HTTP/1.1 408 Timeout\r\nContent-Length: 0\r\n\r\n"]
)
@pytest.mark.parametrize("wait", [0.0, 0.03])
async def test_bytes_on_an_idle_connection_are_nobody_s_answer(late: bytes, wait: float) -> None:
    """The worst thing a proxy can do is to give them to the next client."""
    spoken = asyncio.Event()

    async def speak(connection: Connection, _: Request) -> None:
        await asyncio.sleep(0.02)
        await connection.send(late)
        spoken.set()

    async with fronted([OK, speak], HEALTHY, **ONCE) as (upstream, proxy):
        assert (await proxy.ask(get())).body == b"ok"
        await spoken.wait()
        await asyncio.sleep(wait)
        await healthy(proxy)
        assert len(upstream.connections[0].requests) == 1
        await upstream.until(upstream.connections[0].closed.is_set)


@pytest.mark.parametrize("end", ["rst", "fin"])
async def test_an_idle_connection_that_ends_harms_nobody(end: str) -> None:
    async with fronted([OK, 0.02, end], HEALTHY, **ONCE) as (upstream, proxy):
        assert (await proxy.ask(get())).body == b"ok"
        await upstream.until(upstream.connections[0].closed.is_set)
        await proxy.breathe()
        await healthy(proxy)
