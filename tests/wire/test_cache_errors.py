"""Which errors are tried again on a route with `[cache]`, counting what the upstream received."""

import asyncio
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from tests.support.message import get, length, post
from tests.support.proxy import fronted, proxied
from tests.support.upstream import RawUpstream

NOW = time.time()
QUICK = {"backoff_base": "1ms", "backoff_max": "5ms"}
CACHED: dict[str, Any] = {"cache": {}, "retry": QUICK}
GOOD = length(b"good")
STALE = length(b"old", fields=b"Cache-Control: max-age=1\r\nAge: 10\r\n")
LATER, BEFORE = (formatdate(NOW + far, usegmt=True) for far in (3600, -3600))
JUST_NOW = "a second ago"
"""Stands for a date that is known when the test runs."""


def failing(fields: str, status: int = 503) -> bytes:
    """An error with these fields."""
    return length(b"bad", b"%d Whatever" % status, f"{fields}\r\n".encode() if fields else b"")


STAYS = [
    "Cache-Control: max-age=60",
    "Cache-Control: s-maxage=60, max-age=0",
    "CDN-Cache-Control: max-age=60\r\nCache-Control: no-store",
    f"Expires: {LATER}",
    f"Last-Modified: {BEFORE}",
    f"Expires: {BEFORE}\r\nLast-Modified: {BEFORE}",
]
PASSES = [
    "",
    'ETag: "a"',
    "Cache-Control: max-age=0",
    "Cache-Control: max-age=60\r\nAge: 90",
    "Cache-Control: max-age=60, no-store",
    "Cache-Control: max-age=60, private",
    "Cache-Control: max-age=60, no-cache",
    f"Cache-Control: no-store\r\nLast-Modified: {BEFORE}",
    "CDN-Cache-Control: no-store\r\nCache-Control: max-age=60",
    f"Expires: {BEFORE}",
    f"Last-Modified: {JUST_NOW}",
]


@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.parametrize("fields", STAYS, ids=range(len(STAYS)))
async def test_an_error_that_says_that_it_stays_is_the_answer(fields: str, status: int) -> None:
    bad = failing(fields, status)
    async with fronted([bad], [GOOD], **CACHED) as (upstream, proxy):
        answer = await proxy.ask(get())
        assert (answer.status, answer.body) == (status, b"bad")
        assert len(upstream.requests) == 1
        assert (await proxy.record()).record.attempt_log == ()


@pytest.mark.parametrize("fields", PASSES, ids=range(len(PASSES)))
async def test_any_other_is_tried_again(fields: str) -> None:
    bad = failing(fields.replace(JUST_NOW, formatdate(time.time() - 1, usegmt=True)))
    async with RawUpstream([bad], [GOOD]) as upstream:
        async with proxied(upstream, **CACHED) as proxy:
            assert (await proxy.ask(get())).body == b"good"
        assert len(upstream.requests) == 2


@pytest.mark.parametrize(
    ("request_", "tables"),
    [(get(), {"retry": QUICK}), (post(b"x", method=b"PUT"), CACHED)],
    ids=["without a cache", "PUT"],
)
async def test_where_nothing_is_stored_it_is_tried_again(
    request_: bytes, tables: dict[str, Any]
) -> None:
    bad = failing("Cache-Control: max-age=60")
    scripts = ["wait-body", bad], ["wait-body", GOOD]
    async with fronted(*scripts, **tables) as (_, proxy):
        assert (await proxy.ask(request_)).body == b"good"


async def test_another_server_may_know_better() -> None:
    bad = failing("Cache-Control: max-age=60")
    async with RawUpstream([bad]) as one, RawUpstream([GOOD]) as other:
        options = {"servers": [one.url, other.url]}
        async with proxied(one, **CACHED, upstream_options=options) as proxy:
            answers = [await proxy.ask(get(f"/{number}")) for number in range(40)]
        assert {answer.body for answer in answers} == {b"good"}
        assert one.requests


@pytest.mark.parametrize(
    "failure",
    [
        [failing("")],
        [failing("Retry-After: 20")],
        [failing("Retry-After: 20", 500)],
        [b"HTTP/1.1 200 OK\r\n", "rst"],
    ],
    ids=range(4),
)
async def test_a_stale_reply_is_the_answer_at_once(failure: Any) -> None:
    tables: dict[str, Any] = {
        "cache": {"stale_if_error": "1h"},
        "retry": {"attempts": 5, "on": ["5xx", "reset", "stale-connection"]},
    }
    async with RawUpstream([STALE], failure, [GOOD]) as upstream:
        async with proxied(upstream, **tables) as proxy:
            await proxy.ask(get())
            answer = await asyncio.wait_for(proxy.ask(get()), 15)  # less than Retry-After says
            assert (answer.status, answer.body) == (200, b"old")
            assert (answer.value("Cache-Status") or b"").endswith(b"; detail=stale-if-error")
        assert len(upstream.requests) == 2


async def test_one_that_may_not_be_used_is_tried_for_again() -> None:
    tables = CACHED | {"cache": {"stale_if_error": "1h"}}
    scripts = [STALE], [failing("")], [GOOD]
    async with fronted(*scripts, **tables) as (_, proxy):
        await proxy.ask(get())
        answer = await proxy.ask(get(fields=b"Cache-Control: no-cache\r\n"))
        assert answer.body == b"good"


async def test_behind_a_stale_answer_it_is_tried_again() -> None:
    tables = CACHED | {"cache": {"stale_while_revalidate": "1h"}}
    new = length(b"new", fields=b"Cache-Control: max-age=60\r\n")
    async with RawUpstream([STALE], [failing("")], [new]) as upstream:
        async with proxied(upstream, **tables) as proxy:
            await proxy.ask(get())
            assert (await proxy.ask(get())).body == b"old"
            async with asyncio.timeout(15):
                while (await proxy.ask(get())).body != b"new":
                    pass
        assert len(upstream.requests) == 3


async def test_a_stale_reply_does_not_wait_for_a_connection() -> None:
    tables: dict[str, Any] = {
        "cache": {"stale_if_error": "1h"},
        "retry": {"attempts": 1, "wait_for_connect": "1h"},
        "server": {"listen": "127.0.0.1:0"},
    }
    async with fronted([STALE, "close"], **tables) as (upstream, proxy):
        await proxy.ask(get())
        await upstream.__aexit__(None, None, None)
        answer = await asyncio.wait_for(proxy.ask(get()), 15)
        assert answer.body == b"old"


@pytest.mark.parametrize("table", [{"stale_if_error": "1h"}, {"stale_while_revalidate": "1h"}])
@pytest.mark.parametrize("fallback", [False, True], ids=["plain", "fixed"])
async def test_each_failure_behind_a_stale_reply_has_one_sentence(
    table: dict[str, str], fallback: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One that a fixed reply stands in for has it from there."""
    caplog.set_level("INFO")
    file = tmp_path / "sorry.txt"
    file.write_bytes(b"sorry")
    routes: list[dict[str, Any]] = [{"upstream": "api"}]
    if fallback:
        routes[0]["fallback"] = {"status": 200, "file": str(file)}
    options: dict[str, Any] = {"cache": table, "retry": False, "routes": routes}
    async with fronted([STALE], [failing("")], **options) as (upstream, proxy):
        for _ in range(2):
            assert (await proxy.ask(get())).body == b"old"
        sentence = f"{upstream.url} answered 503 on route /"
        await upstream.until(lambda: sentence in caplog.messages)
        await proxy.breathe()
        assert caplog.messages.count(sentence) == 1
        assert len(upstream.requests) == 2
