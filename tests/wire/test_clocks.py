"""Every clock with a small value: what it ends, and what it leaves alone."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.client import RawClient
from tests.support.message import CHUNKED_HEAD, OK, chunked, get, post
from tests.support.proxy import dialled, fronted, proxied
from tests.support.timing import taking_at_least
from tests.support.upstream import HEALTHY, Connection, Request

ONCE = {"retry": {"attempts": 1}}
TARDY = b"sidecar-proxy; error=http_response_timeout"


def clocks(**timeouts: str) -> dict[str, Any]:
    """These clocks, and no retries that would run them twice."""
    return {"timeouts": timeouts, **ONCE}


@pytest.mark.parametrize("clock", ["first_byte", "total"])
async def test_a_reply_that_does_not_begin_is_given_up(clock: str) -> None:
    options = clocks(**{"first_byte": "0", "connect": "500ms", clock: "600ms"})
    async with fronted(["hold"], HEALTHY, **options) as (upstream, proxy):
        with taking_at_least(0.6):
            response = await proxy.ask(get())
        assert (response.status, response.value("Proxy-Status")) == (504, TARDY)
        await upstream.until(upstream.connections[0].closed.is_set)
        assert (await proxy.ask(get())).body == b"ok"


async def test_a_reply_that_begins_in_time_may_take_its_time() -> None:
    script = [
        0.3,
        CHUNKED_HEAD,
        *(s for _ in range(6) for s in (b"1\r\nx\r\n", 0.3)),
        b"0\r\n\r\n",
    ]
    options = clocks(first_byte="2s", per_try="2s", idle="2s")
    async with fronted(script, **options) as (_, proxy):
        response = await proxy.ask(get())
        assert (response.body, response.ended) == (b"x" * 6, "complete")


async def test_first_byte_starts_when_the_request_has_been_sent() -> None:
    options = clocks(first_byte="2s")
    async with fronted(**options) as (upstream, proxy):
        async with await proxy.connect() as client:
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")
            for byte in b"slow":
                await asyncio.sleep(0.55)
                await client.send(bytes([byte]))
            assert (await client.receive()).status == 200
        assert upstream.requests[0].body == b"slow"


async def test_first_byte_off_waits() -> None:
    async with fronted([0.15, OK], **clocks(first_byte="0")) as (_, proxy):
        assert (await proxy.ask(get())).status == 200


async def test_a_reply_that_stalls_is_cut() -> None:
    script = [CHUNKED_HEAD, b"1\r\nx\r\n", "hold"]
    async with fronted(script, **clocks(idle="80ms")) as (_, proxy):
        with taking_at_least(0.08):
            response = await proxy.ask(get())
        assert (response.body, response.ended) in ((b"x", "fin-short"), (b"x", "rst"))
        assert (await proxy.record()).error == "http_response_timeout"


@pytest.mark.parametrize("clock", ["idle", "progress"])
async def test_a_reply_waits_for_the_rest_of_its_request(clock: str) -> None:
    """nginx and HAProxy wait too: it is the client that takes its time."""
    head = CHUNKED_HEAD.replace(b"\r\n\r\n", b"\r\nContent-Type: text/event-stream\r\n\r\n")
    event = chunked(b"data: 1\n\n", end=b"")
    script = [head + event, "wait-body", event + b"0\r\n\r\n"]
    async with dialled(script, **clocks(**{clock: "300ms"})) as (_, _, client):
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(8):
            await client.send(b"1\r\nx\r\n")
            await asyncio.sleep(0.15)
        await client.send(b"0\r\n\r\n")
        response = await client.receive()
        assert (response.body, response.ended) == (b"data: 1\n\n" * 2, "complete")


async def test_total_cuts_a_reply_that_never_ends() -> None:
    async def tick(connection: Connection, _: Request) -> None:
        while not connection.closed.is_set():
            await connection.send(b"1\r\nx\r\n")
            await asyncio.sleep(0.02)

    options = clocks(total="600ms", first_byte="500ms", connect="500ms")
    async with fronted([CHUNKED_HEAD, tick], **options) as (upstream, proxy):
        with taking_at_least(0.6):
            response = await proxy.ask(get())
        assert response.status == 200
        assert response.ended in ("fin-short", "rst")
        await upstream.until(upstream.connections[0].closed.is_set)
        assert (await proxy.record()).error == "http_response_timeout"


async def test_total_spans_all_tries_and_their_waits() -> None:
    options = {
        "timeouts": {"total": "1500ms", "per_try": "600ms", "first_byte": "0", "connect": "500ms"},
        "retry": {"attempts": 10, "on": ["timeout"], "backoff_base": "1ms"},
    }
    async with fronted(["hold"], **options) as (upstream, proxy):
        with taking_at_least(1.5):
            response = await proxy.ask(get())
        assert (response.status, response.value("Proxy-Status")) == (504, TARDY)
        assert len(upstream.requests) in (2, 3)


@pytest.mark.parametrize(("scripts", "status", "sent"), [
    ((["hold"], HEALTHY), 200, 2), ((["hold"],), 504, 2)])  # fmt: skip
async def test_per_try_ends_one_attempt(scripts: Any, status: int, sent: int) -> None:
    options = {
        "timeouts": {"per_try": "700ms", "first_byte": "2s"},
        "retry": {"attempts": 2, "backoff_base": "1ms"},
    }
    async with fronted(*scripts, **options) as (upstream, proxy):
        assert (await proxy.ask(get())).status == status
        assert len(upstream.requests) == sent


@pytest.mark.parametrize(
    ("request_", "options"),
    [
        (post(b"x"), {}),  # a POST may have been executed
        (get(), {"retry": {"attempts": 1}}),
        (get(), {"retry": {"budget": {"percent": 0, "min_per_second": 0}}}),
    ],
)
async def test_per_try_ends_nothing_that_no_other_attempt_may_follow(
    request_: bytes, options: dict[str, Any]
) -> None:
    script = ["wait-body", 0.6, OK]
    bound = {"timeouts": {"per_try": "200ms"}, **options}
    async with fronted(script, **bound) as (upstream, proxy):
        response = await proxy.ask(request_)
        assert (response.status, response.ended) == (200, "complete")
        assert len(upstream.requests) == 1


async def test_what_per_try_ended_is_told_where_no_other_attempt_was_made_after_all() -> None:
    options = {
        "timeouts": {"per_try": "50ms"},
        "retry": {"attempts": 2, "backoff_base": "1ms"},
        "circuit_breaker": {"consecutive_failures": 1},  # the only server is ejected meanwhile
    }
    async with fronted(["hold"], **options) as (upstream, proxy):
        response = await proxy.ask(get())
        assert response.status == 504
        assert response.value("Proxy-Status") == b"sidecar-proxy; error=http_response_timeout"
        assert len(upstream.requests) == 1


async def test_the_last_attempt_has_what_is_left() -> None:
    options = {
        "timeouts": {"per_try": "200ms"},
        "retry": {"attempts": 2, "backoff_base": "1ms"},
    }
    async with fronted(["hold"], [0.8, OK], **options) as (upstream, proxy):
        assert (await proxy.ask(get())).status == 200
        assert len(upstream.requests) == 2


@contextlib.contextmanager
def deaf() -> Iterator[str]:
    """A server whose backlog is full: the handshake is never answered."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


async def test_a_connection_that_is_not_answered_is_given_up() -> None:
    with deaf() as url:
        async with proxied(url, **clocks(connect="80ms")) as proxy:
            with taking_at_least(0.08):
                response = await proxy.ask(get())
            told = response.value("Proxy-Status")
            assert (response.status, told) == (504, b"sidecar-proxy; error=connection_timeout")


async def test_an_upstream_that_does_not_read_an_upload_is_given_up() -> None:
    options = clocks(first_byte="100ms")
    async with fronted(["read-nothing", "hold"], **options) as (upstream, proxy):
        async with await proxy.connect() as client:
            with taking_at_least(0.1):
                sending = asyncio.ensure_future(_insist(client, post(b"x" * 30_000_000)))
                response = await client.receive()
            assert (response.status, response.value("Proxy-Status")) == (504, TARDY)
            sending.cancel()
        upstream.connections[0].transport.resume_reading()  # to see the end behind the bytes
        await upstream.until(upstream.connections[0].closed.is_set)


async def _insist(client: RawClient, data: bytes) -> None:
    with contextlib.suppress(ConnectionError, TimeoutError):
        await client.send(data)


async def test_an_upstream_that_reads_slowly_is_not_given_up() -> None:
    async def sip(connection: Connection, request: Request) -> None:
        for _ in range(8):
            connection.transport.pause_reading()
            await asyncio.sleep(0.3)
            connection.transport.resume_reading()
            await asyncio.sleep(0.002)

    options = clocks(first_byte="2s")
    body = b"x" * 12_000_000
    async with fronted([sip, "wait-body", OK], **options) as (upstream, proxy):
        assert (await proxy.ask(post(body))).status == 200
        assert len(upstream.requests[0].body) == len(body)


async def test_an_idle_connection_to_the_upstream_is_given_up() -> None:
    options = {"upstream_options": {"keepalive_timeout": "60ms"}}
    async with fronted(**options) as (upstream, proxy):
        with taking_at_least(0.04):
            await proxy.ask(get())
            await upstream.until(upstream.connections[0].closed.is_set)
        assert (await proxy.ask(get())).status == 200
        assert len(upstream.connections) == 2


async def test_many_small_chunks_within_idle_are_not_cut() -> None:
    script = [CHUNKED_HEAD, *(s for _ in range(20) for s in (b"1\r\nx\r\n", 0.12)), chunked()]
    async with fronted(script, **clocks(idle="2s")) as (_, proxy):
        assert (await proxy.ask(get())).body == b"x" * 20
