"""Offers of another protocol: taken up with a body before them, or dropped without a trace.

docker exec and attach, and kubectl exec over SPDY, offer one with a body or ``Content-Length: 0``;
curl --http2 and Java's HttpClient offer h2c with every request and lost their connection by it.
"""

import asyncio

import pytest

from tests.support.message import get, post
from tests.support.peer import SWITCHING
from tests.support.proxy import dialled
from tests.support.upstream import HEALTHY

PATIENCE = 30.0
TCP = b"Connection: Upgrade\r\nUpgrade: tcp\r\n"
CURL = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n"
JAVA = (
    b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\nUpgrade: h2c\r\n"
)


@pytest.mark.parametrize(
    ("request_", "body", "framing"),
    [
        (
            post(b'{"Detach":false,"Tty":true}', fields=TCP),
            b'{"Detach":false,"Tty":true}',
            "length",
        ),
        (post(b"", fields=TCP.replace(b"tcp", b"SPDY/3.1")), b"", "length"),
        (
            get(fields=TCP + b"Transfer-Encoding: chunked\r\n") + b"5\r\nhello\r\n0\r\n\r\n",
            b"hello",
            "chunked",
        ),
        (get(fields=TCP), b"", "none"),
    ],
    ids=["docker exec", "kubectl exec", "chunked", "no body"],
)
@pytest.mark.parametrize("apart", [False, True])
async def test_a_body_goes_before_the_tunnel(
    request_: bytes, body: bytes, framing: str, apart: bool
) -> None:
    """And what came behind it is the tunnel's."""

    async def echo(connection: object, request: object) -> None:
        await upstream.until(lambda: upstream.received.endswith(b"early"))

    protocol = b"SPDY/3.1" if b"SPDY" in request_ else b"tcp"
    async with dialled(
        ["wait-body", SWITCHING % protocol, echo, b"late", "hold"],
    ) as (upstream, proxy, client):
        if apart:
            cut = request_.index(b"\r\n\r\n") + 4
            await client.send(request_[:cut])
            await proxy.breathe()
            await client.send(request_[cut:] + b"early")
        else:
            await client.send(request_ + b"early")
        head = await client.read_until(b"\r\n\r\n", PATIENCE)
        assert head.startswith(b"HTTP/1.1 101 ")
        assert await client.exactly(4, PATIENCE) == b"late"
        (request,) = upstream.requests
        assert (request.body, request.framing) == (body, framing)
        assert request.head.value("Upgrade") == protocol
        assert request.head.value("Connection") == b"Upgrade"


async def test_a_101_that_comes_before_the_body_waits_for_it() -> None:
    async with dialled([SWITCHING % b"tcp", "hold"]) as (upstream, proxy, client):
        await client.send(post(b"0123456789", fields=TCP)[:-5])
        await upstream.until(lambda: upstream.requests)
        await proxy.breathe()
        await client.send(b"56789early")
        await client.read_until(b"\r\n\r\n", PATIENCE)
        await upstream.until(lambda: upstream.received.endswith(b"0123456789early"))


@pytest.mark.parametrize("body", [b"hello", b""])
async def test_an_offer_with_a_body_that_is_refused_leaves_the_connection(body: bytes) -> None:
    async with dialled(["wait-body", *HEALTHY]) as (upstream, _, client):
        for _ in range(2):
            response = await client.ask(post(body, fields=TCP))
            assert (response.status, response.value("Connection")) == (200, None)
        assert [request.body for request in upstream.requests] == [body, body]


@pytest.mark.parametrize("offer", [CURL, JAVA, CURL.lower(), JAVA.replace(b", ", b",")])
@pytest.mark.parametrize("made", [get, post], ids=["get", "post"])
async def test_an_offer_of_h2c_is_dropped_and_the_connection_stays(offer: bytes, made) -> None:  # type: ignore[no-untyped-def]
    """RFC 9113 3.1: HTTP/2 over cleartext begins with prior knowledge, or not at all."""
    async with dialled(["wait-body", *HEALTHY]) as (upstream, _, client):
        for _ in range(3):
            response = await client.ask(made(fields=offer))
            assert (response.status, response.value("Connection")) == (200, None)
        for request in upstream.requests:
            for name in ("Upgrade", "Connection", "HTTP2-Settings"):
                assert request.head.values(name) == []


async def test_requests_behind_an_offer_of_h2c_are_served() -> None:
    async with dialled() as (upstream, _, client):
        await client.send(get("/1", fields=CURL) + get("/2", fields=JAVA) + get("/3"))
        for _ in range(3):
            assert (await client.receive(patience=PATIENCE)).status == 200
        await asyncio.sleep(0)
        assert len(upstream.requests) == 3
