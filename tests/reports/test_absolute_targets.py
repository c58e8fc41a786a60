"""An absolute target says whom it is for; Host is then ignored (RFC 9112 3.2.2)."""

import pytest

from tests.support.proxy import dialled, fronted, proxied
from tests.support.upstream import RawUpstream

CASES = [
    (b"http://other.test/x?y", b"proxy.test", b"/x?y", b"other.test"),
    (b"http://a:81/p", b"a:82", b"/p", b"a:81"),
    (b"http://a:81/p", b"a", b"/p", b"a:81"),
    (b"http://[::1]:81/p", b"a", b"/p", b"[::1]:81"),
    (b"HTTP://Other.test", b"proxy.test", b"/", b"Other.test"),
    (b"https://a:80/p", b"a", b"/p", b"a:80"),
    # the same host in another spelling stays as the field has it
    (b"http://PROXY.test:80/x", b"proxy.test", b"/x", b"proxy.test"),
    (b"HTTPS://PROXY.test:443/x", b"proxy.test", b"/x", b"proxy.test"),
]


@pytest.mark.parametrize(("target", "host", "sent", "named"), CASES)
async def test_the_target_decides_and_host_follows_it(
    target: bytes, host: bytes, sent: bytes, named: bytes
) -> None:
    async with dialled() as (upstream, _, client):
        for number in range(2):
            data = b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (target, host)
            assert (await client.ask(data)).status == 200
            request = upstream.requests[number]
            assert request.line == b"GET %b HTTP/1.1" % sent
            assert request.head.value("Host") == named
            assert request.head.value("X-Forwarded-Host") == named


async def test_the_route_is_that_of_the_target() -> None:
    routes = [{"host": "private.test", "upstream": "other"}, {"upstream": "api"}]
    async with RawUpstream() as api, RawUpstream() as other:
        others = [{"name": "other", "servers": [other.url]}]
        async with proxied(api, routes=routes, others=others) as proxy:
            for target, host in (
                (b"private.test", b"public.test"),
                (b"public.test", b"private.test"),
            ):
                data = b"GET http://%b/ HTTP/1.1\r\nHost: %b\r\n\r\n" % (target, host)
                assert (await proxy.ask(data)).status == 200
            assert other.requests[0].head.value("Host") == b"private.test"
            assert api.requests[0].head.value("Host") == b"public.test"


@pytest.mark.parametrize("case", CASES[:6])
async def test_strict_refuses_the_contradiction(case: tuple[bytes, ...]) -> None:
    async with fronted(server={"strict": True}) as (upstream, proxy):
        data = b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % case[:2]
        assert (await proxy.ask(data)).status == 400
        assert upstream.requests == []


@pytest.mark.parametrize("case", CASES[6:])
async def test_strict_takes_the_same_host_in_another_spelling(case: tuple[bytes, ...]) -> None:
    async with fronted(server={"strict": True}) as (upstream, proxy):
        data = b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % case[:2]
        assert (await proxy.ask(data)).status == 200
        assert len(upstream.requests) == 1


@pytest.mark.parametrize("fields", [b"", b"Host: a\r\nHost: a\r\n", b"Host: a b\r\n", b"Host:\r\n"])
async def test_host_must_be_there_and_valid_all_the_same(fields: bytes) -> None:
    """RFC 9112 3.2."""
    async with fronted() as (upstream, proxy):
        assert (await proxy.ask(b"GET http://a/ HTTP/1.1\r\n%b\r\n" % fields)).status == 400
        assert upstream.requests == []
