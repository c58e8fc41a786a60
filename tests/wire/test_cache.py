"""Stored replies through the whole proxy, counting what the upstream really received."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.client import Response, ask
from tests.support.message import chunked, get, length, post
from tests.support.proxy import Proxy, fronted, joined, proxied
from tests.support.upstream import RawUpstream, closed_port

LIFE = b"Cache-Control: max-age=60\r\n"
FRESH = length(b"body", fields=LIFE + b'ETag: "a"\r\nX-Case: \xff\r\n')
STALE = length(b"old", fields=b"Cache-Control: max-age=1\r\nAge: 10\r\n")
HEAD = b"HTTP/1.1 200 OK\r\n" + LIFE
ADMIN = {"listen": "127.0.0.1:0"}


def cached(**options: Any) -> dict[str, Any]:
    return {"cache": options, "admin": ADMIN, "retry": {"attempts": 1}}


def is_hit(answer: Response) -> bool:
    """Whether it is a stored reply that is fresh."""
    return bool(re.fullmatch(rb"sidecar-proxy; hit; ttl=\d+", answer.value("Cache-Status") or b""))


async def counts(proxy: Proxy) -> Any:
    return json.loads((await ask(proxy.admin, get("/api/cache"))).body)


async def test_a_second_request_is_answered_from_the_store() -> None:
    async with fronted([FRESH], **cached()) as (upstream, proxy):
        first, second = await proxy.ask(get()), await proxy.ask(get())
        assert first.value("Cache-Status") == b"sidecar-proxy; fwd=uri-miss; fwd-status=200; stored"
        assert second.body == b"body"
        assert is_hit(second)
        assert int(second.value("Age") or b"-1") >= 0
        assert second.value("X-Case") == b"\xff"
        assert first.value("Date") == second.value("Date")
        assert len(upstream.requests) == 1
        record = (await proxy.record(1)).record
        assert record.cache.startswith("hit; ttl=")
        assert (record.attempt_count, record.endpoint) == (0, "")
        shown = await counts(proxy)
        assert shown["store"]["entries"] == 1
        assert (shown["routes"]["/"]["hits"], shown["routes"]["/"]["misses"]) == (1, 1)


async def test_a_hit_needs_no_server_no_permit_and_no_token() -> None:
    tables = {
        **cached(),
        "concurrency": {"max_requests": 1},
        "circuit_breaker": {"consecutive_failures": 1, "base_ejection_time": "1m"},
    }
    gate = asyncio.Event()
    scripts = [FRESH], [gate, FRESH]
    async with fronted(*scripts, **tables) as (upstream, proxy):
        await proxy.ask(get("/a"))
        waiting = asyncio.create_task(proxy.ask(get("/b")))
        while len(upstream.requests) < 2:  # noqa: ASYNC110 - the permit is taken now
            await asyncio.sleep(0.001)
        assert (await proxy.ask(get("/a"))).body == b"body"
        gate.set()
        await waiting
        upstream.play(["rst"])
        assert (await proxy.ask(get("/c"))).status == 502
        assert (await proxy.ask(get("/d"))).status == 503  # the breaker is open
        assert (await proxy.ask(get("/a"))).body == b"body"


async def test_a_rate_limit_of_clients_counts_hits() -> None:
    tables = cached() | {"rate_limit": {"average": 2, "period": "1h"}}
    async with fronted([FRESH], **tables) as (_, proxy):
        assert [(await proxy.ask(get())).status for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize(
    "reply",
    [
        [HEAD + b"Content-Length: 9\r\n\r\nshort", "fin"],
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n", "fin"],
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\nx\r\n", "fin"],
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n", "rst"],
        [HEAD + b"\r\nshort", "fin"],  # only the end of the connection ends it
    ],
    ids=range(5),
)
async def test_what_may_be_cut_is_never_stored(reply: list[Any]) -> None:
    async with fronted(reply, [FRESH], **cached()) as (upstream, proxy):
        await proxy.ask(get())
        assert (await proxy.ask(get())).body == b"body"
        assert len(upstream.requests) == 2


async def test_a_chunked_reply_is_stored_whole() -> None:
    whole = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b"one", b"two")
    async with fronted([whole], **cached()) as (upstream, proxy):
        assert (await proxy.ask(get())).body == b"onetwo"
        again = await proxy.ask(get())
        assert (again.body, again.value("Content-Length")) == (b"onetwo", b"6")
        assert len(upstream.requests) == 1


async def test_a_client_that_leaves_takes_nothing_from_those_that_share_and_store() -> None:
    gate = asyncio.Event()
    reply = [HEAD + b"Content-Length: 8\r\n\r\nhalf", gate, b"half"]
    async with fronted(reply, **cached()) as (upstream, proxy):
        leaver = await proxy.connect()
        await leaver.send(get())
        await leaver.read_until(b"half")
        second = asyncio.create_task(proxy.ask(get()))
        while (await counts(proxy))["routes"]["/"]["collapsed"] < 1:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        leaver.close()
        await proxy.record()
        gate.set()
        assert (await second).body == b"halfhalf"
        assert is_hit(await proxy.ask(get()))
        assert len(upstream.requests) == 1


async def test_a_crowd_of_hundreds_asks_once() -> None:
    gate = asyncio.Event()
    async with fronted([gate, FRESH], **cached()) as (upstream, proxy):
        clients = [asyncio.create_task(proxy.ask(get())) for _ in range(300)]
        await joined(proxy, 299)
        gate.set()
        assert {answer.body for answer in await asyncio.gather(*clients)} == {b"body"}
        assert len(upstream.requests) == 1


async def test_a_stale_reply_stands_in_for_an_upstream_that_is_off() -> None:
    options = cached(stale_if_error="1h")
    async with proxied(f"http://127.0.0.1:{closed_port()}", **options) as proxy:
        assert (await proxy.ask(get())).status == 502
    async with fronted([STALE], ["rst"], **options) as (_, proxy):
        assert (await proxy.ask(get())).body == b"old"
        answer = await proxy.ask(get())
        assert (answer.status, answer.body) == (200, b"old")
        status = answer.value("Cache-Status") or b""
        assert status.startswith(b"sidecar-proxy; fwd=stale; ttl=-")
        assert status.endswith(b"; detail=stale-if-error")
        record = await proxy.record(1)
        assert (record.status, record.error) == (200, "")


async def test_a_validation_sends_both_validators_and_answers_with_the_new_fields() -> None:
    modified = b"Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    old = length(b"old", fields=b'Cache-Control: max-age=0\r\nETag: "a"\r\n' + modified)
    same = b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nX-New: 1\r\n' + LIFE + b"\r\n"
    async with fronted([old], [same], **cached()) as (upstream, proxy):
        await proxy.ask(get())
        answer = await proxy.ask(get(fields=b'If-None-Match: "mine"\r\n'))
        assert (answer.status, answer.body, answer.value("X-New")) == (200, b"old", b"1")
        head = upstream.requests[1].head
        assert head.values("If-None-Match") == [b'"a", "mine"']
        assert head.values("If-Modified-Since") == [b"Sun, 06 Nov 1994 08:49:37 GMT"]
        assert is_hit(await proxy.ask(get()))


async def test_conditions_and_ranges_are_answered_from_the_store() -> None:
    async with fronted([FRESH], **cached()) as (upstream, proxy):
        await proxy.ask(get())
        same = await proxy.ask(get(fields=b'If-None-Match: "a"\r\n'))
        assert (same.status, same.body, same.value("Content-Length")) == (304, b"", None)
        part = await proxy.ask(get(fields=b"Range: bytes=1-2\r\n"))
        assert (part.status, part.body, part.value("Content-Length")) == (206, b"od", b"2")
        head = await proxy.ask(b"HEAD / HTTP/1.1\r\nHost: proxy.test\r\n\r\n")
        assert (head.status, head.value("Content-Length")) == (200, b"4")
        assert len(upstream.requests) == 1


async def test_a_part_is_passed_on_and_never_given_for_the_whole() -> None:
    part = length(
        b"od", b"206 Partial Content", LIFE + b'ETag: "a"\r\nContent-Range: bytes 1-2/4\r\n'
    )
    async with fronted([part], [FRESH], **cached()) as (upstream, proxy):
        answer = await proxy.ask(get(fields=b"Range: bytes=1-2\r\n"))
        assert (answer.status, answer.body) == (206, b"od")
        assert (await proxy.ask(get())).body == b"body"
        assert len(upstream.requests) == 2


async def test_a_write_makes_what_is_stored_invalid() -> None:
    scripts = [FRESH], ["wait-body", FRESH]
    async with fronted(*scripts, **cached()) as (upstream, proxy):
        await proxy.ask(get("/a"))
        await proxy.ask(post(b"x", "/a"))
        await proxy.ask(get("/a"))
        assert len(upstream.requests) == 3


async def test_a_stream_of_a_model_is_replayed() -> None:
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    events = head + chunked(b"data: a\n\n", b"data: b\n\n")
    fields = b"Content-Type: application/json\r\n"
    scripts = ["wait-body", events]
    for replay in ("fast", "paced"):
        tables = cached(post=True, ttl="1h", replay=replay)
        async with fronted(scripts, **tables) as (upstream, proxy):
            for question in (b'{"stream": true}', b'{"stream":true}'):
                answer = await proxy.ask(post(question, fields=fields))
                assert (answer.body, answer.ended) == (b"data: a\n\ndata: b\n\n", "complete")
            assert is_hit(answer)
            assert upstream.requests[0].body == b'{"stream": true}'
            assert len(upstream.requests) == 1


async def test_an_operator_removes_what_is_stored() -> None:
    async with fronted([FRESH], **cached()) as (_, proxy):
        for target in ("/a?x", "/b"):
            await proxy.ask(get(target))
        remove = b"DELETE /api/cache%b HTTP/1.1\r\nHost: proxy.test\r\n\r\n"
        answer = await ask(proxy.admin, remove % b"?path=/a")
        assert (answer.status, json.loads(answer.body)) == (200, {"removed": 1, "complete": True})
        assert (await ask(proxy.admin, remove % b"")).status == 400
        assert is_hit(await proxy.ask(get("/b")))
        assert not is_hit(await proxy.ask(get("/a?x")))


async def test_only_if_cached_is_answered_by_the_proxy() -> None:
    async with fronted([FRESH], **cached()) as (upstream, proxy):
        answer = await proxy.ask(get(fields=b"Cache-Control: only-if-cached\r\n"))
        assert answer.status == 504
        assert answer.value("Proxy-Status") == b"sidecar-proxy; error=http_request_denied"
        assert upstream.requests == []


async def test_hints_before_an_answer_reach_the_client_that_asks() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    async with fronted([early, FRESH], **cached()) as (_, proxy):
        answer = await proxy.ask(get())
        assert [head.first for head in answer.interim] == [b"HTTP/1.1 103 Early Hints"]
        assert (await proxy.ask(get())).interim == []


async def test_routes_to_different_upstreams_share_nothing() -> None:
    async with RawUpstream([FRESH]) as one, RawUpstream([length(b"two", fields=LIFE)]) as two:
        routes = [
            {"upstream": "api", "path": "/a", "strip_prefix": "/a"},
            {"upstream": "two", "path": "/b", "strip_prefix": "/b"},
        ]
        others = [{"name": "two", "servers": [two.url]}]
        async with proxied(one, **cached(), routes=routes, others=others) as proxy:
            for _ in range(2):
                assert (await proxy.ask(get("/a/x"))).body == b"body"
                assert (await proxy.ask(get("/b/x"))).body == b"two"


async def test_a_route_without_the_table_is_not_touched() -> None:
    async with RawUpstream([FRESH]) as upstream:
        routes = [{"upstream": "api", "cache": False}]
        async with proxied(upstream, **cached(), routes=routes) as proxy:
            for _ in range(2):
                assert (await proxy.ask(get())).value("Cache-Status") is None
            assert len(upstream.requests) == 2


async def test_a_store_in_a_file_survives_a_restart_and_is_shared(tmp_path: Path) -> None:
    tables = cached() | {"store": {"url": f"sqlite:{tmp_path / 'store.db'}", "timeout": "0"}}
    body = bytes(range(256)) * 1000
    scripts = [length(body, fields=LIFE)], ["rst"]
    async with fronted(*scripts, **tables) as (upstream, proxy):
        assert (await proxy.ask(get())).body == body
        again = await proxy.ask(get())
        assert (is_hit(again), again.body) == (True, body)
        part = await proxy.ask(get(fields=b"Range: bytes=65530-65540\r\n"))
        assert (part.status, part.body) == (206, body[65530:65541])
        async with proxied(upstream, **tables) as other:
            assert is_hit(await other.ask(get()))
    async with fronted(["rst"], **tables) as (_, proxy):
        answer = await proxy.ask(get())
        assert (is_hit(answer), answer.body) == (True, body)


async def test_a_store_that_cannot_be_used_means_misses(tmp_path: Path) -> None:
    tables = cached() | {"store": {"url": f"sqlite:{tmp_path / 'none' / 'store.db'}"}}
    async with fronted([FRESH], **tables) as (upstream, proxy):
        for _ in range(2):
            answer = await proxy.ask(get())
            assert answer.body == b"body"
            assert (answer.value("Cache-Status") or b"").endswith(b"; detail=not-kept")
        assert (await proxy.ask(post(b"x"))).status == 200
        assert len(upstream.requests) == 3
