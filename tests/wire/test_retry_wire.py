"""What the upstream really received: exactly as many requests as there were attempts."""

import asyncio
import contextlib
from typing import Any

import pytest

from tests.support.message import CHUNKED_HEAD, OK, chunked, get, length, post
from tests.support.proxy import fronted, proxied
from tests.support.upstream import HEALTHY, RawUpstream, Script, closed_port

QUICK = {"backoff_base": "1ms", "backoff_max": "5ms"}
BUSY: Script = ["wait-body", length(b"busy", b"503 Busy")]
KEYED = b"Idempotency-Key: k\r\n"


def retry(**options: Any) -> dict[str, Any]:
    """These options, and short waits."""
    return {"retry": {**QUICK, **options}}


@pytest.mark.parametrize("request_", [get(), post(b"body"), post(b"", method=b"PUT")])
async def test_what_was_never_sent_goes_again_for_any_method(request_: bytes) -> None:
    port = closed_port()
    options = {"retry": {"attempts": 10, "backoff_base": "500ms", "backoff_max": "1s"}}
    async with proxied(f"http://127.0.0.1:{port}", **options) as proxy:
        asking = asyncio.ensure_future(proxy.ask(request_))
        await asyncio.sleep(0.3)  # for the first attempt: nobody tells of it
        async with RawUpstream(port=port) as upstream:
            assert (await asking).status == 200
            assert len(upstream.requests) == 1
            assert upstream.requests[0].body == request_.partition(b"\r\n\r\n")[2]
        assert (await proxy.record()).record.attempt_count >= 2


async def test_a_connection_that_is_always_refused_is_tried_as_often_as_told() -> None:
    async with proxied(f"http://127.0.0.1:{closed_port()}", **retry(attempts=4)) as proxy:
        assert (await proxy.ask(post(b"x"))).status == 502
        assert (await proxy.record()).record.attempt_count == 4


@pytest.mark.parametrize("end", ["fin", "rst"])
@pytest.mark.parametrize(
    ("request_", "status", "attempts"),
    [
        (get(), 200, 2),
        (b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", 200, 2),
        (post(b"x", method=b"PUT"), 200, 2),
        (post(b"x", fields=KEYED), 200, 2),
        (post(b"x"), 502, 1),
        (post(b"x", method=b"PATCH"), 502, 1),
    ],
    ids=["get", "head", "put", "post with a key", "post", "patch"],
)
async def test_a_pooled_connection_that_dies_under_a_request(
    request_: bytes, status: int, attempts: int, end: str
) -> None:
    """What may have been received goes again only where twice is once (RFC 9110 9.2.2)."""
    async with fronted(HEALTHY, ["wait-body", end], HEALTHY, **retry()) as (upstream, proxy):
        assert (await proxy.ask(get())).status == 200
        assert (await proxy.ask(request_)).status == status
        assert len(upstream.requests) == 1 + attempts
        assert (await proxy.record(1)).record.attempt_count == attempts


@pytest.mark.parametrize("idle_end", ["fin", "rst"])
@pytest.mark.parametrize("request_", [get(), post(b"x")])
async def test_a_pooled_connection_that_died_before_is_not_used(
    idle_end: str, request_: bytes
) -> None:
    async with fronted([OK, idle_end], HEALTHY, **retry()) as (upstream, proxy):
        assert (await proxy.ask(get())).status == 200
        await proxy.breathe()
        assert (await proxy.ask(request_)).status == 200
        assert len(upstream.requests) == 2
        assert (await proxy.record(1)).record.attempt_count == 1


@pytest.mark.parametrize("end", ["fin", "rst"])
@pytest.mark.parametrize("request_", [get(), post(b"x"), post(b"x", method=b"PUT")])
async def test_nothing_is_resent_behind_our_back(request_: bytes, end: str) -> None:
    """aiohttp's session would repeat idempotent requests on its own."""
    options = retry(on=["connect-failure", "stale-connection"])
    async with fronted(["wait-body", end], **options) as (upstream, proxy):
        assert (await proxy.ask(request_)).status == 502
        await proxy.breathe()
        assert len(upstream.requests) == 1
        assert (await proxy.record()).record.attempt_count == 1


async def test_attempts_of_one_means_one() -> None:
    async with fronted(HEALTHY, ["fin"], **retry(attempts=1)) as (upstream, proxy):
        assert (await proxy.ask(get())).status == 200
        assert (await proxy.ask(get())).status == 502
        assert len(upstream.requests) == 2


async def test_a_route_can_switch_retry_off() -> None:
    options = {**retry(on=["503"]), "routes": [{"upstream": "api", "retry": False}]}
    async with fronted(BUSY, **options) as (upstream, proxy):
        assert (await proxy.ask(get())).status == 503
        assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("request_", "sent"), [(get(), 3), (post(b"x"), 1), (post(b"x", fields=KEYED), 3)]
)
async def test_a_reset_goes_again_where_it_is_named(request_: bytes, sent: int) -> None:
    options = retry(on=["reset"])
    async with fronted(["wait-body", "rst"], **options) as (upstream, proxy):
        response = await proxy.ask(request_)
        told = response.value("Proxy-Status")
        assert (response.status, told) == (502, b"sidecar-proxy; error=connection_terminated")
        assert len(upstream.requests) == sent


@pytest.mark.parametrize(
    ("request_", "status", "sent"),
    [(get(), 200, 3), (post(b"x"), 503, 1), (post(b"x", method=b"PUT"), 200, 3)],
)
async def test_a_status_goes_again_where_it_is_named(
    request_: bytes, status: int, sent: int
) -> None:
    options = retry(on=["503"])
    async with fronted(BUSY, BUSY, HEALTHY, **options) as (upstream, proxy):
        assert (await proxy.ask(request_)).status == status
        assert len(upstream.requests) == sent
        assert len(upstream.connections) == 1  # a small rejected reply is read, not cut


async def test_when_tries_run_out_the_last_reply_is_passed_on() -> None:
    scripts = [["wait-body", length(b"%d" % i, b"503 Busy")] for i in range(3)]
    async with fronted(*scripts, **retry(on=["503"])) as (upstream, proxy):
        response = await proxy.ask(get())
        assert (response.status, response.body) == (503, b"2")
        assert response.value("Proxy-Status") is None
        assert len(upstream.requests) == 3


async def test_another_status_is_not_tried_again() -> None:
    script = [length(b"no", b"502 Bad")]
    async with fronted(script, **retry(on=["503"])) as (upstream, proxy):
        assert (await proxy.ask(get())).status == 502
        assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("after", "options", "sent"),
    [
        (b"0", {}, 2),
        (b"3600", {}, 1),
        (b"31", {}, 1),
        (b"3600", {"respect_retry_after": False}, 2),
        (b"Fri, 31 Dec 9999 23:59:59 GMT", {}, 1),
        (b"Thu, 01 Jan 1970 00:00:00 GMT", {}, 2),
        (b"soon", {}, 2),
    ],
)
async def test_retry_after_is_respected(after: bytes, options: dict[str, Any], sent: int) -> None:
    busy = length(b"busy", b"503 Busy", b"Retry-After: %s\r\n" % after)  # RFC 9110 10.2.3
    async with fronted([busy], HEALTHY, **retry(on=["503"], **options)) as (upstream, proxy):
        response = await proxy.ask(get())
        assert response.status == (200 if sent == 2 else 503)
        assert len(upstream.requests) == sent


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("coding", ["length", "chunked"])
async def test_a_body_goes_again_as_it_was(streamed: bool, coding: str) -> None:
    body = bytes(i % 251 for i in range(300_000))
    if coding == "chunked":
        head = b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nX-Own: 1\r\n\r\n"
        data = head + chunked(body[:1000], body[1000:])
    else:
        data = post(body, method=b"PUT", fields=b"X-Own: 1\r\n")
    async with RawUpstream(BUSY, BUSY, HEALTHY) as upstream:
        async with proxied(upstream, **retry(on=["503"])) as proxy, await proxy.connect() as client:
            for start in range(0, len(data), 60_000) if streamed else [0]:
                await client.send(data[start : start + 60_000] if streamed else data)
                await proxy.breathe()
            assert (await client.receive()).status == 200
        assert [request.body == body for request in upstream.requests] == [True] * 3
        assert len({request.head.raw for request in upstream.requests}) == 1  # every try the same


async def test_a_body_that_was_not_kept_does_not_go_again() -> None:
    options = retry(on=["503"], max_body="64KiB", spool=False)
    async with fronted(BUSY, HEALTHY, **options) as (upstream, proxy):
        response = await proxy.ask(post(b"x" * 300_000, method=b"PUT"))
        assert (response.status, response.body) == (503, b"busy")
        assert len(upstream.requests) == 1


async def test_nothing_goes_again_once_a_byte_has_reached_the_client() -> None:
    options = retry(on=["reset", "timeout", "stale-connection"])
    script: Script = [CHUNKED_HEAD, chunked(b"hello", end=b""), 0.02, "rst"]
    async with fronted(script, **options) as (upstream, proxy):
        response = await proxy.ask(get())
        assert response.ended in ("fin-short", "rst")
        assert len(upstream.requests) == 1


async def test_headers_of_a_rejected_reply_do_not_reach_the_client() -> None:
    busy = length(b"busy", b"503 Busy", b"X-Rejected: 1\r\nSet-Cookie: a=b\r\n")
    async with fronted([busy], HEALTHY, **retry(on=["503"])) as (_, proxy):
        response = await proxy.ask(get())
        assert response.status == 200
        assert response.values("X-Rejected") == response.values("Set-Cookie") == []


async def test_a_rejected_reply_that_does_not_end_gives_its_connection_back() -> None:
    endless: Script = [b"HTTP/1.1 503 Busy\r\nContent-Length: 99\r\n\r\n", b"x", "hold"]
    options = {
        **retry(on=["503"]),
        "upstream_options": {"limit": 1},
        "timeouts": {"connect": "30s"},
    }
    async with fronted(endless, HEALTHY, **options) as (upstream, proxy):
        assert (await proxy.ask(get())).status == 200
        assert len(upstream.requests) == 2
        await upstream.until(upstream.connections[0].closed.is_set)


async def test_a_failure_that_came_late_is_not_tried_again_where_told() -> None:
    options = retry(on=["reset"], only_if_failed_within="30ms")
    async with fronted([0.06, "rst"], **options) as (upstream, proxy):
        assert (await proxy.ask(get())).status == 502
        assert len(upstream.requests) == 1


async def test_a_limit_of_connections_makes_requests_wait() -> None:
    options = {
        "upstream_options": {"limit": 1},
        "timeouts": {"connect": "500ms"},
        **retry(attempts=1),
    }
    async with fronted(["hold"], **options) as (upstream, proxy):
        async with await proxy.connect() as first:
            await first.send(get())
            await upstream.until(lambda: len(upstream.requests) == 1)
            response = await proxy.ask(get())
            assert response.status == 503
            assert (
                response.value("Proxy-Status") == b"sidecar-proxy; error=connection_limit_reached"
            )
            assert int(response.value("Retry-After") or b"-1") >= 0
        upstream.play(HEALTHY)
        with contextlib.suppress(TimeoutError):
            await proxy.record(1)
        assert (await proxy.ask(get())).status == 200


async def test_a_connection_that_never_was_does_not_count_towards_the_limit() -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    async with proxied(url, upstream_options={"limit": 1}, **retry(attempts=1)) as proxy:
        for _ in range(3):
            assert (await proxy.ask(get())).status == 502
