"""What is asked of a server about a stale stored reply, and what its 304 says (RFC 9111 4.3)."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.message import get, length
from tests.support.proxy import fronted

TAG = b'ETag: "a"\r\n'
LIFE = b"Cache-Control: max-age=60\r\n"
OLD = length(b"old", fields=b'Cache-Control: max-age=0\r\nETag: "old"\r\n')
UNCHANGED = b"HTTP/1.1 304 Not Modified\r\n%b\r\n"


async def test_a_client_that_has_what_counts_now_is_told_so() -> None:
    new = UNCHANGED % (b'ETag: W/"new"\r\nX-New: 1\r\n' + LIFE)
    async with fronted(
        [OLD],
        [new],
        [UNCHANGED % b'ETag: "old"\r\n'],
        cache={},
    ) as (upstream, proxy):
        await proxy.ask(get())
        answer = await proxy.ask(get(fields=b'If-None-Match: "a", "new"\r\nRange: bytes=0-0\r\n'))
        assert (answer.status, answer.body) == (304, b"")
        assert answer.value("ETag") == b'W/"new"'
        assert (answer.value("Cache-Status") or b"").startswith(
            b"sidecar-proxy; fwd=stale; fwd-status=304; detail="
        )
        assert upstream.requests[1].head.values("If-None-Match") == [b'"old", "a", "new"']
        # What is stored has not become what the client has.
        answer = await proxy.ask(get())
        assert (answer.status, answer.body, answer.value("X-New")) == (200, b"old", None)
        assert upstream.requests[2].head.values("If-None-Match") == [b'"old"']


async def test_a_304_that_names_nothing_is_asked_for_again_without_the_tags_of_the_client() -> None:
    async with fronted([OLD], [UNCHANGED % b""], [UNCHANGED % LIFE], cache={}) as (upstream, proxy):
        await proxy.ask(get())
        answer = await proxy.ask(get(fields=b'If-None-Match: "new"\r\n'))
        assert (answer.status, answer.body) == (200, b"old")
        asked = [each.head.values("If-None-Match") for each in upstream.requests[1:]]
        assert asked == [[b'"old", "new"'], [b'"old"']]
        assert b"; hit; ttl=" in ((await proxy.ask(get())).value("Cache-Status") or b"")


CORS = b"Access-Control-Allow-Origin: https://a.test\r\n"
ENCODED = b"Content-Encoding: gzip\r\nContent-Digest: sha-256=:x:\r\n"


async def test_a_script_may_read_the_304_that_it_asked_for() -> None:
    stored = length(b"body", fields=LIFE + TAG + CORS + ENCODED)
    async with fronted([stored], cache={}) as (_, proxy):
        await proxy.ask(get())
        answer = await proxy.ask(get(fields=b'Origin: https://a.test\r\nIf-None-Match: "a"\r\n'))
        assert (answer.status, answer.body) == (304, b"")
        assert answer.value("Access-Control-Allow-Origin") == b"https://a.test"
        assert not [line for line in answer.lines if line.lower().startswith(b"content-")]


async def test_a_client_hears_what_the_304_said_that_was_asked_for_on_its_behalf() -> None:
    said = b"X-RateLimit-Remaining: %d\r\n"
    first = length(b"body", fields=b"Cache-Control: max-age=0\r\n" + TAG + said % 9)
    second = UNCHANGED % (b"Cache-Control: no-store\r\n" + TAG + said % 8)
    for condition in (b"", b'If-None-Match: "a"\r\n'):
        async with fronted([first], [second], cache={}) as (_, proxy):
            await proxy.ask(get())
            answer = await proxy.ask(get(fields=condition))
            assert answer.status == (304 if condition else 200)
            assert answer.values("X-RateLimit-Remaining") == [b"8"]
            assert answer.values("Cache-Control") == [b"no-store"]


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
async def test_what_one_client_is_told_is_no_answer_for_all(
    tmp_path: Path, kind: str, method: bytes
) -> None:
    """RFC 9111 3.5: the API no longer says that others may have it."""
    for first in (b"public, max-age=0", b"s-maxage=0", b"must-revalidate, max-age=0"):
        told = LIFE + TAG
        second = UNCHANGED % told
        if method == b"HEAD":
            second = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n%b\r\n" % told
        stored = length(b"secret", fields=b"Cache-Control: %b\r\n" % first + TAG)
        login = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
        tables: dict[str, Any] = {"cache": {}}
        if kind == "sqlite":
            path = tmp_path / (first.decode().partition("=")[0].replace(", ", "-") + ".db")
            tables["store"] = {"url": f"sqlite:{path}", "timeout": "5s"}
        async with fronted([stored], [second], [login], **tables) as (_, proxy):
            await proxy.ask(get(fields=b"Authorization: Bearer one\r\n"))
            asking = get(fields=b"Authorization: Bearer two\r\n")
            assert (await proxy.ask(asking.replace(b"GET", method, 1))).status == 200
            assert (await proxy.ask(get())).status == 401


@pytest.mark.parametrize("said", [b"no-store", b"private, max-age=600", b"max-age=9, no-store"])
async def test_a_304_that_ends_the_storing_says_how_old_the_answer_is(said: bytes) -> None:
    old = length(b"old", fields=b"Cache-Control: max-age=1\r\nAge: 100\r\n" + TAG)
    confirmed = UNCHANGED % (b"Cache-Control: %b\r\nAge: 7\r\n" % said + TAG)
    async with fronted([old], [confirmed], cache={}) as (_, proxy):
        await proxy.ask(get())
        answer = await proxy.ask(get())
        assert answer.body == b"old"
        assert [int(age) < 100 for age in answer.values("Age")] == [True]


async def test_a_304_that_repeats_must_understand_is_stored() -> None:
    said = b"Cache-Control: must-understand, no-store, max-age=%d\r\n"
    async with fronted(
        [length(b"a", fields=said % 0 + TAG)], [UNCHANGED % (said % 60 + TAG)], cache={}
    ) as (_, proxy):
        for _ in range(3):
            answer = await proxy.ask(get())
        assert b"; hit" in (answer.value("Cache-Status") or b"")


@pytest.mark.parametrize(
    "aimed", [b'no-store, max-age="60"', b"private, max-age=1.5", b"no-cache, max-age=-1"]
)
async def test_a_wrong_number_in_a_targeted_field_allows_nothing(aimed: bytes) -> None:
    reply = length(b"a", fields=LIFE + b"CDN-Cache-Control: %b\r\n" % aimed)
    async with fronted([reply], [reply], cache={}) as (upstream, proxy):
        for _ in range(2):
            await proxy.ask(get())
        assert len(upstream.requests) == 2
