"""Clients over TLS that have sent all they will, and wait for their answer (RFC 8446 6.1)."""

import asyncio
import socket

import pytest

from tests.support.authority import Authority
from tests.support.half_tls import HalfTls
from tests.support.message import OK, get
from tests.support.proxy import Proxy, fronted
from tests.support.tls_client import encrypted, trusting


async def connected(proxy: Proxy, authority: Authority) -> HalfTls:
    assert isinstance(proxy.address, tuple)
    sock = socket.create_connection(proxy.address)
    return await asyncio.to_thread(HalfTls, sock, trusting(authority), server=False)


@pytest.mark.parametrize(
    ("policy", "at_once", "waits"),
    [
        ("answer", -1.0, True),
        ("auto", 600.0, True),
        ("auto", -1.0, False),
        ("leave", 600.0, False),
    ],
)
async def test_a_close_notify_is_taken_as_half_close_says(
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    policy: str,
    at_once: float,
    waits: bool,
) -> None:
    """Its kernel is not asked: a client on asyncio that leaves still holds its socket."""
    monkeypatch.setattr("proxy.edge.http1.transport.AT_ONCE", at_once)
    go = asyncio.Event()
    async with fronted(
        [go, OK],
        server={**encrypted(authority), "half_close": policy},
    ) as (upstream, proxy):
        client = await connected(proxy, authority)
        with client:
            client.write(get())
            await upstream.until(lambda: len(upstream.requests) == 1)
            client.end(fin=False)
            if not waits:
                assert (await proxy.record()).status == 499
                return
            await proxy.breathe()
            go.set()
            answer = await asyncio.to_thread(client.rest)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b"\r\n\r\nok")
        assert (await proxy.record()).status == 200


async def test_one_that_waits_and_then_leaves_is_noticed(authority: Authority) -> None:
    server = {**encrypted(authority), "half_close": "answer"}
    async with fronted(["hold"], server=server) as (upstream, proxy):
        client = await connected(proxy, authority)
        with client:
            client.write(get())
            await upstream.until(lambda: len(upstream.requests) == 1)
            client.end(fin=False)
            await proxy.breathe()
        assert (await proxy.record()).status == 499


async def test_of_one_that_has_gone_nothing_is_left_for_the_next(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one with the same descriptor was refused: its upload broke, its upgrade failed."""
    monkeypatch.setattr("proxy.edge.http1.transport.AT_ONCE", 600.0)
    async with fronted(
        ["hold"],
        ["wait-body", OK],
        server=encrypted(authority),
    ) as (upstream, proxy):
        client = await connected(proxy, authority)
        with client:
            client.write(get())
            await upstream.until(lambda: len(upstream.requests) == 1)
            client.end(fin=True)
            assert (await proxy.record()).status == 499
        await proxy.breathe()
        assert not proxy.runtime._tracker.hangups._told
