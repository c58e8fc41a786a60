"""A listener turns from plain to TLS and back, and begins and ends to want the PROXY protocol."""

import asyncio
import ssl

import pytest

from tests.support.authority import Authority
from tests.support.client import RawClient
from tests.support.message import OK, get
from tests.support.proxy import dialled, fronted
from tests.support.tls_client import TlsClient, encrypted, trusting
from tests.support.upstream import HEALTHY

PLAIN = {"listen": "127.0.0.1:0"}
BALANCED = {"listen": "127.0.0.1:0", "proxy_protocol": True, "trusted_proxies": ["127.0.0.0/8"]}
LINE = b"PROXY TCP4 192.0.2.7 10.0.0.1 5000 443\r\n"


async def test_a_listener_turns_to_tls_and_back_and_connections_that_stand_go_on(
    authority: Authority,
) -> None:
    context = trusting(authority)
    answer = asyncio.Event()
    async with dialled([answer, OK], HEALTHY) as (upstream, proxy, plain):
        address = proxy.address
        await plain.send(get("/plain"))
        await upstream.until(lambda: len(upstream.requests) == 1)
        await proxy.reload(server={**PLAIN, **encrypted(authority)})
        assert proxy.address == address
        async with await TlsClient.open(address, context) as secret:
            assert (await secret.ask(get("/tls"))).status == 200
            async with await RawClient.connect(address) as late:
                await late.send(get("/late"))
                assert (await late.receive()).status == 400  # plain HTTP is told so
            await proxy.reload(server=PLAIN)
            assert (await secret.ask(get("/tls/2"))).status == 200  # it stands, and goes on
            assert (await proxy.ask(get("/plain/2"))).status == 200
            with pytest.raises((ssl.SSLError, OSError)):
                await TlsClient.open(address, context)
        answer.set()
        assert (await plain.receive()).status == 200
        assert (await plain.ask(get("/plain/3"))).status == 200
    protos = {each.head.first: each.head.value("X-Forwarded-Proto") for each in upstream.requests}
    for line, proto in protos.items():
        assert proto == (b"https" if b"tls" in line else b"http"), line


async def test_a_listener_begins_and_ends_to_want_the_proxy_protocol() -> None:
    async with dialled() as (upstream, proxy, plain):
        assert (await plain.ask(get())).status == 200
        await proxy.reload(server=BALANCED)
        async with await proxy.connect() as named:
            await named.send(LINE + get())
            assert (await named.receive()).status == 200
            assert upstream.requests[-1].head.value("X-Forwarded-For") == b"192.0.2.7"
            assert (await plain.ask(get())).status == 200  # has no header to send any more
            assert upstream.requests[-1].head.value("X-Forwarded-For") == b"127.0.0.1"
            await proxy.reload(server={**PLAIN, "trusted_proxies": ["127.0.0.0/8"]})
            assert (await named.ask(get())).status == 200
            assert upstream.requests[-1].head.value("X-Forwarded-For") == b"192.0.2.7"
        assert (await proxy.ask(get())).status == 200
        assert (await proxy.ask(LINE + get())).status == 400


async def test_both_at_once_and_clients_that_connect_meanwhile_are_served(
    authority: Authority,
) -> None:
    context = trusting(authority)
    kinds = [PLAIN, {**PLAIN, **encrypted(authority)}, {**BALANCED, **encrypted(authority)}]
    async with fronted() as (_, proxy):
        for server in (*kinds, *reversed(kinds), kinds[0], kinds[2], kinds[0]):
            await proxy.reload(server=server)
            before = LINE if "proxy_protocol" in server else b""
            if "tls" in server:
                async with await TlsClient.open(proxy.address, context, before=before) as client:
                    assert (await client.ask(get())).status == 200
            else:
                assert (await proxy.ask(get())).status == 200
