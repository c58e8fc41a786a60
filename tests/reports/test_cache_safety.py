"""What one client does to a cache, and what an API says to one client, must not reach others."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import formatdate
from typing import Any

import pytest

from tests.support.client import Response
from tests.support.message import chunked, get, length, post
from tests.support.proxy import Proxy, fronted
from tests.support.upstream import RawUpstream

LIFE = b"Cache-Control: max-age=60\r\n"
OLD = b"Cache-Control: max-age=1\r\nAge: 10\r\n"
TAG = b'ETag: "a"\r\n'


def not_modified(fields: bytes) -> bytes:
    """A 304 with these fields."""
    return b"HTTP/1.1 304 Not Modified\r\n" + fields + b"\r\n"


@asynccontextmanager
async def cached(*scripts: Any, **options: Any) -> AsyncIterator[tuple[Proxy, RawUpstream]]:
    """A proxy with `[cache]` and the upstream that plays ``scripts``."""
    tables: dict[str, Any] = {"cache": options, "retry": {"attempts": 1}}
    async with fronted(*scripts, **tables) as (upstream, proxy):
        yield proxy, upstream


def is_hit(answer: Response) -> bool:
    """Whether it is a stored reply that is fresh."""
    return b"; hit; " in (answer.value("Cache-Status") or b"")


SESSION = b"Set-Cookie: session=alice\r\n"


@pytest.mark.parametrize("options", [{}, {"ttl": "1h"}], ids=["no-cache", "ttl"])
async def test_a_cookie_in_a_304_is_for_the_client_that_asked(options: dict[str, str]) -> None:
    control = b"" if options else b"Cache-Control: no-cache\r\n"
    scripts = [
        [length(b"body", fields=TAG + control)],
        [not_modified(TAG + SESSION)],
        [not_modified(TAG)],
    ]
    async with cached(*scripts, **options) as (proxy, _):
        await proxy.ask(get())
        alice = await proxy.ask(get(fields=b"Cache-Control: no-cache\r\n"))
        assert (alice.status, alice.body) == (200, b"body")
        assert alice.value("Set-Cookie") == b"session=alice"
        bob = await proxy.ask(get())
        assert (bob.status, bob.body, bob.value("Set-Cookie")) == (200, b"body", None)


async def test_a_cookie_in_a_304_comes_in_the_place_of_the_stored_one() -> None:
    stored = length(b"body", fields=TAG + OLD + b"Set-Cookie: seen=1\r\n")
    async with cached([stored], [not_modified(TAG + LIFE + SESSION)]) as (proxy, _):
        await proxy.ask(get())
        # A client with the same ETag gets a 304 of its own, with the cookie too.
        alice = await proxy.ask(get(fields=b'If-None-Match: "a"\r\n'))
        assert (alice.status, alice.value("Set-Cookie")) == (304, b"session=alice")
        bob = await proxy.ask(get())
        assert is_hit(bob)
        assert bob.value("Set-Cookie") == b"seen=1"


async def test_a_cookie_in_the_reply_to_a_head_is_for_the_client_that_asked() -> None:
    stored = length(b"body", fields=TAG)
    head = b"HTTP/1.1 200 OK\r\n" + TAG + SESSION + b"Content-Length: 4\r\n\r\n"
    async with cached([stored], [head], ttl="1h") as (proxy, _):
        await proxy.ask(get())
        request = get(fields=b"Cache-Control: no-cache\r\n").replace(b"GET", b"HEAD", 1)
        assert (await proxy.ask(request)).value("Set-Cookie") == b"session=alice"
        bob = await proxy.ask(get())
        assert is_hit(bob)
        assert bob.value("Set-Cookie") is None


OF_ONE_REQUEST = [400, 406, 408, 411, 412, 413, 415, 416, 417, 426, 428, 431, 511]


@pytest.mark.parametrize("status", OF_ONE_REQUEST)
async def test_an_error_about_one_request_is_not_stored(status: int) -> None:
    bad = length(b"bad", b"%d Whatever" % status, LIFE)
    async with cached([bad], [length(b"good", fields=LIFE)]) as (proxy, _):
        assert (await proxy.ask(get(fields=b"Range: bytes=99-\r\n"))).status == status
        good = await proxy.ask(get())
        assert (good.status, good.body) == (200, b"good")


@pytest.mark.parametrize("status", OF_ONE_REQUEST)
async def test_an_error_about_one_request_removes_nothing(status: int) -> None:
    bad = length(b"bad", b"%d Whatever" % status, LIFE)
    async with cached([length(b"good", fields=LIFE)], [bad]) as (proxy, _):
        await proxy.ask(get())
        fields = b"Range: bytes=99-\r\nCache-Control: no-cache\r\n"
        assert (await proxy.ask(get(fields=fields))).status == status
        good = await proxy.ask(get())
        assert is_hit(good)
        assert good.body == b"good"


@pytest.mark.parametrize("weak", [b"", b"W/"], ids=["strong", "weak"])
async def test_a_304_of_another_representation_changes_nothing(weak: bytes) -> None:
    scripts = [
        [length(b"one", fields=TAG + OLD + b"X-A: 1\r\n")],
        [not_modified(b'ETag: %b"b"\r\nX-A: 2\r\n' % weak + LIFE)],
        [length(b"two", fields=b'ETag: "b"\r\nX-A: 2\r\n' + LIFE)],
    ]
    async with cached(*scripts) as (proxy, upstream):
        await proxy.ask(get())
        answer = await proxy.ask(get())
        assert (answer.body, answer.value("ETag"), answer.value("X-A")) == (b"two", b'"b"', b"2")
        sent = [request.head.value("If-None-Match") for request in upstream.requests]
        assert sent == [None, b'"a"', None]
        hit = await proxy.ask(get())
        assert is_hit(hit)
        assert hit.body == b"two"


async def test_a_304_that_says_the_tag_in_its_weak_form_confirms() -> None:
    scripts = [length(b"one", fields=TAG + OLD)], [not_modified(b'ETag: W/"a"\r\n' + LIFE)]
    async with cached(*scripts) as (proxy, upstream):
        await proxy.ask(get())
        assert (await proxy.ask(get())).body == b"one"
        assert is_hit(await proxy.ask(get()))
        assert len(upstream.requests) == 2


async def test_a_304_may_name_more_fields_that_select() -> None:
    scripts = [
        [length(b"deutsch", fields=TAG + OLD)],
        [not_modified(TAG + LIFE + b"Vary: X-Lang\r\n")],
        [length(b"english", fields=LIFE + b"Vary: X-Lang\r\n")],
    ]
    async with cached(*scripts) as (proxy, _):
        german, english = (get(fields=b"X-Lang: %b\r\n" % word) for word in (b"de", b"en"))
        await proxy.ask(german)
        assert (await proxy.ask(german)).body == b"deutsch"
        assert (await proxy.ask(english)).body == b"english"
        again = await proxy.ask(german)
        assert is_hit(again)
        assert again.body == b"deutsch"


async def test_a_304_that_varies_on_everything_ends_the_storing() -> None:
    scripts = [
        [length(b"one", fields=TAG + OLD)],
        [not_modified(TAG + LIFE + b"Vary: *\r\n")],
        [length(b"two", fields=LIFE)],
    ]
    async with cached(*scripts) as (proxy, _):
        await proxy.ask(get())
        assert (await proxy.ask(get())).body == b"one"
        assert (await proxy.ask(get())).body == b"two"


async def test_a_head_that_names_more_fields_that_select_ends_the_storing() -> None:
    head = b"HTTP/1.1 200 OK\r\nVary: X-Lang\r\nContent-Length: 4\r\n" + LIFE + b"\r\n"
    scripts = [[length(b"body", fields=LIFE)], [head], [length(b"text", fields=LIFE)]]
    async with cached(*scripts) as (proxy, _):
        await proxy.ask(get())
        fields = b"X-Lang: en\r\nCache-Control: no-cache\r\n"
        await proxy.ask(get(fields=fields).replace(b"GET", b"HEAD", 1))
        assert (await proxy.ask(get(fields=b"X-Lang: en\r\n"))).body == b"text"


HELD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + LIFE


def date(seconds: float | None) -> bytes:
    """A Date so many seconds from now, which is when the test runs; none for None."""
    if seconds is None:
        return b""
    return f"Date: {formatdate(time.time() + seconds, usegmt=True)}\r\n".encode()


@pytest.mark.parametrize(
    ("older", "newer", "kept"),
    [(-9, 0, b"second"), (0, -9, b"first"), (None, None, b"second")],
    ids=["older", "newer", "of one second"],
)
async def test_of_two_replies_that_cross_the_newer_one_stays(
    older: float | None, newer: float | None, kept: bytes
) -> None:
    gate = asyncio.Event()
    scripts = [
        [HELD + date(older) + b"\r\n", gate, chunked(b"first")],
        [length(b"second", fields=LIFE + date(newer))],
    ]
    # Fields that differ, and do not select: each request has a call of its own.
    async with cached(*scripts) as (proxy, upstream):
        first = asyncio.create_task(proxy.ask(get(fields=b"X-A: 1\r\n")))
        await upstream.until(lambda: len(upstream.requests) == 1)
        assert (await proxy.ask(get(fields=b"X-A: 2\r\n"))).body == b"second"
        gate.set()
        assert (await first).body == b"first"
        answer = await proxy.ask(get())
        assert is_hit(answer)
        assert answer.body == kept


async def test_a_fresh_reply_stays_where_an_older_one_comes_from_another_cache() -> None:
    scripts = [
        [length(b"new", fields=LIFE + date(0))],
        [length(b"old", fields=LIFE + date(-30) + b"Age: 30\r\n")],
    ]
    async with cached(*scripts) as (proxy, _):
        await proxy.ask(get())
        fields = b"Cache-Control: no-cache\r\n"
        other = await proxy.ask(get(fields=fields))
        assert other.body == b"old"
        assert (other.value("Cache-Status") or b"").endswith(b"; detail=superseded")
        assert (await proxy.ask(get())).body == b"new"


async def test_a_stale_reply_gives_way_to_one_of_a_server_whose_clock_is_late() -> None:
    scripts = [
        [length(b"old", fields=OLD + date(0))],
        [length(b"new", fields=LIFE + date(-30))],
    ]
    async with cached(*scripts) as (proxy, _):
        await proxy.ask(get())
        assert (await proxy.ask(get())).body == b"new"
        assert (await proxy.ask(get())).body == b"new"


async def test_what_was_asked_for_before_a_write_is_not_stored() -> None:
    gate = asyncio.Event()
    scripts = [
        [HELD + b"\r\n", chunked(b"old", end=b""), gate, b"0\r\n\r\n"],
        ["wait-body", length(b"written")],
        [length(b"new", fields=LIFE)],
    ]
    async with cached(*scripts) as (proxy, upstream):
        before = asyncio.create_task(proxy.ask(get()))
        await upstream.until(lambda: len(upstream.requests) == 1)
        assert (await proxy.ask(post(b"x"))).body == b"written"
        after = await proxy.ask(get())  # it does not join what was asked for before, either
        assert after.body == b"new"
        gate.set()
        assert (await before).body == b"old"
        answer = await proxy.ask(get())
        assert is_hit(answer)
        assert answer.body == b"new"


async def test_a_refresh_in_the_background_that_a_write_overtakes_is_not_stored() -> None:
    gate = asyncio.Event()
    scripts = [
        [length(b"old", fields=OLD)],
        [gate, length(b"old too", fields=LIFE)],
        ["wait-body", length(b"written")],
        [length(b"new", fields=LIFE)],
    ]
    async with cached(*scripts, stale_while_revalidate="1h") as (proxy, upstream):
        await proxy.ask(get())
        assert (await proxy.ask(get())).body == b"old"
        await upstream.until(lambda: len(upstream.requests) == 2)
        await proxy.ask(post(b"x"))
        gate.set()
        await upstream.until(lambda: len(upstream.requests) == 3)
        assert (await proxy.ask(get())).body == b"new"
        assert (await proxy.ask(get())).body == b"new"


@pytest.mark.parametrize("word", ["private", "no-cache"])
@pytest.mark.parametrize("value", ["=", '=""', '=" "', '=" , "'], ids=range(4))
async def test_a_directive_that_names_no_fields_is_about_the_whole_reply(
    word: str, value: str
) -> None:
    fields = f"Cache-Control: max-age=60, {word}{value}\r\n".encode()
    scripts = [length(b"one", fields=fields)], [length(b"two", fields=fields)]
    async with cached(*scripts) as (proxy, _):
        assert (await proxy.ask(get())).body == b"one"
        assert (await proxy.ask(get())).body == b"two"


async def test_a_304_that_nobody_asked_for_is_no_answer() -> None:
    scripts = [length(b"old", fields=OLD)], [not_modified(LIFE)], [not_modified(LIFE)]
    async with cached(*scripts) as (proxy, _):
        await proxy.ask(get())
        assert (await proxy.ask(get())).status == 502
        fields = b'If-None-Match: "mine"\r\n'
        assert (await proxy.ask(get(fields=fields))).status == 304


async def test_a_304_that_nobody_asked_for_is_an_error_that_a_stale_reply_stands_in_for() -> None:
    scripts = [length(b"old", fields=OLD)], [not_modified(LIFE)]
    async with cached(*scripts, stale_if_error="1h") as (proxy, _):
        await proxy.ask(get())
        answer = await proxy.ask(get())
        assert (answer.status, answer.body) == (200, b"old")
        assert (answer.value("Cache-Status") or b"").endswith(b"; detail=stale-if-error")
