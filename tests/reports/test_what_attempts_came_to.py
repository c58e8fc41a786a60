"""Metrics of attempts say what the server did, not what the client was told."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from proxy.middleware.concurrency.reconnection import Reconnection
from proxy.telemetry.attempts import all_tries, attempts
from tests.support.attempts import until
from tests.support.message import get, length, post
from tests.support.proxy import dialled, fronted, proxied
from tests.support.scope import watched
from tests.support.upstream import HEALTHY, RawUpstream, Script, closed_port

ADMIN = {"admin": {"listen": "127.0.0.1:0"}, "retry": {"attempts": 1}}
FIELDS = b'Cache-Control: max-age=1\r\nAge: 10\r\nETag: "a"\r\n'
OLD: Script = [length(b"old", fields=FIELDS)]
NOT_MODIFIED: Script = [b"HTTP/1.1 304 Not Modified\r\n" + FIELDS + b"\r\n"]
JUNK: Script = ["wait-body", b"junk\r\n\r\n"]
BUSY: Script = [length(b"bad", b"503 Busy")]


@pytest.mark.parametrize(
    ("second", "cache", "expected"),
    [
        (BUSY, {"stale_if_error": "60s"}, {"200": 1, "503": 1}),
        (JUNK, {"stale_if_error": "60s"}, {"200": 1, "reset": 1}),
        (NOT_MODIFIED, {}, {"200": 1, "304": 1}),
        (NOT_MODIFIED, {"stale_while_revalidate": "60s"}, {"200": 1, "304": 1}),
        (BUSY, {"stale_while_revalidate": "60s"}, {"200": 1, "503": 1}),
        (JUNK, {"stale_while_revalidate": "60s"}, {"200": 1, "reset": 1}),
    ],
    ids=["503", "reset", "304", "304 behind", "503 behind", "reset behind"],
)
async def test_of_what_is_stored_the_server_s_own_word_counts(
    second: Script, cache: dict[str, str], expected: dict[str, int]
) -> None:
    async with fronted(OLD, second, **ADMIN, cache=cache) as (_, proxy):
        for _ in range(2):
            answer = await proxy.ask(get())
            assert (answer.status, answer.body) == (200, b"old")
        await until(proxy, expected)


async def test_a_fixed_reply_is_no_word_of_the_server() -> None:
    routes = [{"upstream": "api", "fallback": {"status": 200, "file": "README.md"}}]
    async with fronted(BUSY, **ADMIN, routes=routes) as (_, proxy):
        assert (await proxy.ask(get())).status == 200
        await until(proxy, {"503": 1})


async def test_a_client_that_leaves_behind_the_head_has_abandoned_it() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nsome"
    options = ADMIN | {"stream": {"commit": "headers"}}
    async with fronted([head, "hold"], **options) as (_, proxy):
        async with await proxy.connect() as client:
            await client.send(get())
            await client.read_until(b"some")
        await until(proxy, {"abandoned": 1})
        record = (await proxy.record()).record
        assert (record.reply_status, record.outcome) == (200, "")


@pytest.mark.parametrize("retry", [{"attempts": 1}, {"attempts": 2, "on": ["503"]}])
@pytest.mark.parametrize("last", [HEALTHY, BUSY], ids=["answered", "failed"])
async def test_each_upstream_that_was_asked_has_its_attempts(
    retry: dict[str, Any], last: Script
) -> None:
    """Of a request that another one took over, the attempts before were in no metric."""
    routes = [{"upstream": "api", "fallback": ["other", "gone"]}]
    async with RawUpstream(last) as other, RawUpstream(BUSY) as first:
        upstreams = [
            {"name": "other", "servers": [other.url]},
            {"name": "gone", "servers": [f"http://127.0.0.1:{closed_port()}"]},
        ]
        options: dict[str, Any] = {**ADMIN, "retry": {**retry, "backoff_base": "1ms"}}
        async with proxied(first, **options, routes=routes, others=upstreams) as proxy:
            answer = await proxy.ask(get())
            await proxy.record()
            tries = [each.outcome for each in proxy.records[0].record.attempt_log]
            times = retry["attempts"]
            if last is HEALTHY:
                assert (answer.status, tries) == (200, ["503"] * times + ["200"])
            else:
                assert answer.status == 502
                assert tries == ["503"] * 2 * times + ["connect-failure"]
            await until(proxy, dict(Counter(tries)))


async def test_what_nobody_else_may_take_over_is_one_attempt() -> None:
    async with (
        RawUpstream(BUSY) as first,
        RawUpstream() as other,
        proxied(
            first,
            **ADMIN,
            routes=[{"upstream": "api", "fallback": ["other"]}],
            others=[{"name": "other", "servers": [other.url]}],
        ) as proxy,
    ):
        assert (await proxy.ask(post(b"x"))).status == 503
        await until(proxy, {"503": 1})
        assert proxy.records[0].record.attempt_log == ()


LONG: Script = [length(b"x" * 100_000, b"503 Busy")]
TWICE: dict[str, Any] = {"attempts": 2, "backoff_base": "1ms"}
OPENS = {"circuit_breaker": {"consecutive_failures": 1, "base_ejection_time": "50ms"}}


async def test_what_waits_behind_an_attempt_that_was_not_made_is_counted_once() -> None:
    """An attempt that a circuit breaker refused stood in the log, and was taken for one."""
    port = closed_port()
    options: dict[str, Any] = {**ADMIN, **OPENS, "retry": TWICE | {"wait_for_connect": "60s"}}
    async with fronted(
        LONG,
        **options,
        routes=[{"upstream": "api", "fallback": ["other"]}],
        others=[{"name": "other", "servers": [f"http://127.0.0.1:{port}"]}],
    ) as (first, proxy):
        asked = asyncio.ensure_future(proxy.ask(get()))
        await first.until(lambda: any(each._queue.waiting for each in watched(proxy, Reconnection)))
        async with RawUpstream(port=port):
            assert (await asked).status == 200
        made = attempts(await proxy.record(), 0.0)
        assert [each.outcome for each in made] == ["503", "connect-failure", "200"]


EARLY: dict[str, Any] = {"stream": {"heartbeat": "10ms", "on_error": "event"}}
EVENTS = get(fields=b"Accept: text/event-stream\r\n")


@pytest.mark.parametrize(
    ("answer", "options", "expected"),
    [
        (BUSY, {}, {"503": 1}),
        (BUSY, {"retry": TWICE}, {"503": 2}),
        (LONG, {"retry": TWICE, **OPENS}, {"503": 1}),  # the second is refused
        ([length(b"no", b"401 Unauthorized")], {}, {"401": 1}),
        (HEALTHY, {}, {"200": 1}),  # no events
        (["rst"], {}, {"reset": 1}),
    ],
    ids=["503", "503 twice", "503, refused", "401", "no events", "reset"],
)
async def test_behind_a_heartbeat_the_server_s_own_word_counts(
    answer: Script, options: dict[str, Any], expected: dict[str, int]
) -> None:
    """The client has the head of a stream by then, and is told in an event."""
    go = asyncio.Event()
    script: Script = ["wait-body", go, *answer]
    async with dialled(script, **{**ADMIN, **EARLY, **options}) as (_, proxy, client):
        await client.send(EVENTS)
        await client.read_until(b": heartbeat")
        go.set()
        await client.read_until(b"event: error")
        await proxy.record()
        await until(proxy, expected)


async def test_a_fixed_reply_behind_an_attempt_that_was_not_made() -> None:
    """``not-attempted`` is no outcome."""
    routes = [{"upstream": "api", "fallback": {"status": 200, "file": "README.md"}}]
    options: dict[str, Any] = {**ADMIN, **OPENS, "retry": TWICE}
    async with fronted(LONG, **options, routes=routes) as (_, proxy):
        assert (await proxy.ask(get())).status == 200
        await until(proxy, {"503": 1})
        assert (await proxy.record()).record.outcome == "503"


async def test_the_log_has_the_original_too_whose_client_left_its_copies() -> None:
    hedge = {"delay": "1ms", "budget_percent": 100}
    async with fronted(["hold"], BUSY, ["hold"], **ADMIN, hedge=hedge) as (upstream, proxy):
        async with await proxy.connect() as client:
            await client.send(get())
            await upstream.until(lambda: len(upstream.requests) == 3)
        tries = all_tries(await proxy.record(), 0.0)
        assert sorted(each.outcome for each in tries) == ["503", "abandoned", "abandoned"]


async def test_a_304_that_confirms_what_the_store_has_lost_is_one_too() -> None:
    long: Script = [length(b"x" * 200_000, fields=FIELDS)]
    async with fronted(long, NOT_MODIFIED, HEALTHY, **ADMIN, cache={}) as (_, proxy):
        assert (await proxy.ask(get())).status == 200
        store: Any = proxy.tree.shared.store
        for entry in store._trial.values():
            entry.pieces.clear()
        assert (await proxy.ask(get())).status == 200
        await until(proxy, {"200": 2, "304": 1})
