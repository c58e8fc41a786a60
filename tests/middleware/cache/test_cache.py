"""What is answered from the store, and what is asked for."""

import asyncio
from typing import Any

import pytest

from proxy.core.errors import (
    NotCached,
)
from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
from tests.support.caching import Caching, fresh
from tests.support.loop import get, post, reply
from tests.support.pieces import body

pytestmark = pytest.mark.usefixtures("nothing_left")

TAG = (b"ETag", b'"a"')


async def test_a_fresh_reply_is_asked_for_once() -> None:
    caching = Caching(fresh(60, b"one", (b"Age", b"5")), fresh(60, b"two"))
    first = await caching.ask()
    assert (first.body, first.cache) == (b"one", "fwd=uri-miss; fwd-status=200; stored")
    await asyncio.sleep(10)
    second = await caching.ask()
    assert (second.body, second.cache, second.value(b"age")) == (b"one", "hit; ttl=45", b"15")
    assert second.exchange.record.cache == "hit; ttl=45"
    assert second.exchange.record.attempt_count == 0
    await asyncio.sleep(50)
    third = await caching.ask()
    assert (third.body, third.cache) == (b"two", "fwd=stale; fwd-status=200; stored")
    assert caching.script.sends == 2
    found = caching.cache.counts
    assert (found["hits"], found["misses"], found["stored"]) == (1, 2, 2)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (get("/a"), get("/b")),
        (get("/a"), get("/a?x")),
        (
            Exchange("GET", b"/", (), b"/", host="a.test"),
            Exchange("GET", b"/", (), b"/", host="b.test"),
        ),
        (
            Exchange("GET", b"/", (), b"/", host="a", scheme="http"),
            Exchange("GET", b"/", (), b"/", host="a", scheme="https"),
        ),
    ],
    ids=range(4),
)
async def test_what_is_asked_for_differs(first: Exchange, second: Exchange) -> None:
    caching = Caching(fresh(60, b"1"), fresh(60, b"2"))
    assert (await caching.ask(first)).body == b"1"
    assert (await caching.ask(second)).body == b"2"


async def test_a_host_is_the_same_in_any_case() -> None:
    caching = Caching(fresh(60, b"1"))
    await caching.ask(Exchange("GET", b"/", (), b"/", host="A.test"))
    assert (await caching.ask(Exchange("GET", b"/", (), b"/", host="a.TEST"))).body == b"1"


SECRET = (b"Authorization", b"Bearer a")
OTHER = (b"Authorization", b"Bearer b")
COOKIE, BISCUIT = (b"Cookie", b"user=a"), (b"Cookie", b"user=b")
KEY, LOCK = (b"X-Api-Key", b"a"), (b"X-Api-Key", b"b")


@pytest.mark.parametrize(
    ("first", "second", "control", "hit"),
    [
        (SECRET, SECRET, b"max-age=60", False),
        (SECRET, OTHER, b"max-age=60", False),
        (None, SECRET, b"max-age=60", False),
        (SECRET, None, b"max-age=60", False),
        (SECRET, OTHER, b"max-age=60, public", True),
        (SECRET, None, b"s-maxage=60", True),
        (SECRET, OTHER, b"max-age=60, must-revalidate", True),
        (COOKIE, COOKIE, b"max-age=60", True),
        (COOKIE, BISCUIT, b"max-age=60", False),
        (COOKIE, None, b"max-age=60", False),
        (None, COOKIE, b"max-age=60", False),
        (COOKIE, BISCUIT, b"max-age=60, must-revalidate", False),
        (COOKIE, BISCUIT, b"max-age=60, public", True),
        (None, COOKIE, b"s-maxage=60", True),
        (KEY, KEY, b"max-age=60", True),
        (KEY, LOCK, b"max-age=60", False),
        (KEY, LOCK, b"max-age=60, public", True),
        (None, (b"X-Forwarded-User", b"a"), b"max-age=60", False),
    ],
    ids=range(18),
)
async def test_nobody_gets_the_answer_of_another_unless_the_reply_says_so(
    first: tuple[bytes, bytes] | None,
    second: tuple[bytes, bytes] | None,
    control: bytes,
    hit: bool,
) -> None:
    caching = Caching(reply(200, [(b"Cache-Control", control)], b"1"), reply(200, [], b"2"))
    for wanted, field in ((b"1", first), (b"1" if hit else b"2", second)):
        fields = () if field is None else (field,)
        assert (await caching.ask_for(*fields)).body == wanted


async def test_credentials_of_a_proxy_are_credentials() -> None:
    caching = Caching(fresh(60, b"1"), fresh(60, b"2"))
    exchange = get()
    exchange.proxy_credentials = b"Basic x"
    assert (await caching.ask(exchange)).cache.endswith("detail=authorization")
    assert (await caching.ask()).body == b"2"


async def test_variants_are_kept_apart() -> None:
    vary = (b"Vary", b"Accept")
    caching = Caching(fresh(60, b"json", vary), fresh(60, b"html", vary))
    json, html = (b"Accept", b"application/json"), (b"Accept", b"text/html")
    assert (await caching.ask_for(json)).body == b"json"
    assert (await caching.ask_for(html)).cache.startswith("fwd=vary-miss")
    assert (await caching.ask_for(json)).body == b"json"
    assert (await caching.ask_for(html)).body == b"html"


async def test_a_stale_entry_is_validated_with_both_validators() -> None:
    modified = (b"Last-Modified", b"Sun, 06 Nov 1994 08:49:37 GMT")
    caching = Caching(
        fresh(5, b"body", TAG, modified, (b"X-Old", b"1"), (b"X-Both", b"1")),
        reply(304, [TAG, (b"Cache-Control", b"max-age=60"), (b"X-Both", b"2")]),
    )
    await caching.ask()
    await asyncio.sleep(6)
    own = (b"If-None-Match", b'"client"'), (b"Range", b"bytes=0-0")
    answer = await caching.ask_for(*own)
    sent = caching.script.exchanges[1].headers
    assert answer.status == 206
    assert answer.cache == "fwd=stale; fwd-status=304"
    assert answer.value(b"x-both") == b"2"
    again = await caching.ask()
    assert again.cache.startswith("hit; ttl=60")
    assert (again.value(b"x-old"), again.value(b"x-both")) == (b"1", b"2")
    assert caching.script.sends == 2
    assert list(sent) == list(own)  # what the client sent is as it was; and what went upstream:
    assert answer.exchange.headers == own


async def test_validators_go_upstream_with_the_tags_of_the_client() -> None:
    seen: list[Any] = []

    async def second(exchange: Exchange) -> Reply:
        seen.extend(exchange.headers)
        return reply(304, [TAG])

    caching = Caching(fresh(5, b"body", TAG), second)
    await caching.ask()
    await asyncio.sleep(6)
    fields = (b"If-None-Match", b'"x"'), (b"If-Range", b'"x"'), (b"Range", b"bytes=0-0")
    answer = await caching.ask_for(*fields, (b"Accept", b"a"))
    assert seen == [(b"Accept", b"a"), (b"If-None-Match", b'"a", "x"')]
    assert answer.status == 200


async def test_a_client_that_has_what_was_confirmed_gets_304() -> None:
    caching = Caching(fresh(5, b"body", TAG), reply(304, [TAG]))
    await caching.ask()
    await asyncio.sleep(6)
    answer = await caching.ask_for((b"If-None-Match", b'"a"'))
    assert (answer.status, answer.body) == (304, b"")


async def test_a_304_to_a_condition_of_the_clients_own_passes() -> None:
    caching = Caching(reply(304, [TAG]), fresh(60, b"body"))
    assert (await caching.ask_for((b"If-None-Match", b'"a"'))).status == 304
    assert (await caching.ask()).body == b"body"


@pytest.mark.parametrize(
    ("field", "cache"),
    [
        ((b"Cache-Control", b"no-cache"), "fwd=request; fwd-status=200; stored"),
        ((b"Pragma", b"no-cache"), "fwd=request; fwd-status=200; stored"),
        ((b"Cache-Control", b"max-age=5"), "fwd=request; fwd-status=200; stored"),
        ((b"Cache-Control", b"min-fresh=55"), "fwd=request; fwd-status=200; stored"),
        ((b"Cache-Control", b"no-store"), "fwd=request; fwd-status=200; detail=request-no-store"),
        ((b"If-Match", b'"a"'), "fwd=bypass; detail=precondition"),
        ((b"Cache-Control", b"max-age=50"), "hit; ttl=50"),
        ((b"Cache-Control", b"only-if-cached"), "hit; ttl=50"),
        ((b"Pragma", b"x"), "hit; ttl=50"),
    ],
    ids=range(9),
)
async def test_a_request_says_what_it_takes(field: tuple[bytes, bytes], cache: str) -> None:
    caching = Caching(fresh(), fresh())
    await caching.ask()
    await asyncio.sleep(10)
    assert (await caching.ask_for(field)).cache == cache


async def test_a_client_may_take_stale_replies() -> None:
    caching = Caching(fresh(5))
    await caching.ask()
    await asyncio.sleep(10)
    answer = await caching.ask_for((b"Cache-Control", b"max-stale"))
    assert answer.cache == "hit; ttl=-5; detail=max-stale"


async def test_only_if_cached_asks_nobody() -> None:
    caching = Caching()
    with pytest.raises(NotCached):
        await caching.ask_for((b"Cache-Control", b"only-if-cached"))
    with pytest.raises(NotCached):
        await caching.ask_for((b"Cache-Control", b"only-if-cached"), (b"If-Match", b'"a"'))
    asked = post(body=b"q", headers=[(b"Cache-Control", b"only-if-cached")])
    asked.method = "GET"
    with pytest.raises(NotCached):
        await caching.ask(asked)
    assert caching.cache.counts["misses"] == 2  # one with a body is never looked up


async def test_the_rest_of_a_stream_is_neither_taken_from_the_store_nor_stored() -> None:
    caching = Caching(fresh(60, b"all"), fresh(60, b"rest"), fresh(60, b"other"))
    resumed = (b"Last-Event-ID", b"5")
    assert (await caching.ask()).body == b"all"
    assert (await caching.ask_for(resumed)).body == b"rest"
    assert (await caching.ask_for(resumed)).body == b"other"
    assert (await caching.ask()).body == b"all"


# Other methods


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH"])
async def test_an_unsafe_request_makes_what_is_stored_invalid(method: str) -> None:
    named = [(b"Location", b"/other"), (b"Content-Location", b"http://a.test/third?x=1")]
    caching = Caching(*[fresh()] * 3, reply(201, named), *[fresh(60, b"new")] * 3)
    paths = (b"/", b"/other", b"/third?x=1")
    for _ in range(2):
        for path in paths:
            await caching.ask(Exchange("GET", path, (), path, host="a.test"))
    assert caching.script.sends == 3
    changing = post()
    changing.method, changing.host = method, "a.test"
    assert (await caching.ask(changing)).cache == "fwd=method"
    for path in paths:
        assert (await caching.ask(Exchange("GET", path, (), path, host="a.test"))).body == b"new"


@pytest.mark.parametrize(
    ("method", "status"), [("POST", 500), ("DELETE", 404), ("OPTIONS", 200), ("QUERY", 200)]
)
async def test_what_failed_or_is_safe_makes_nothing_invalid(method: str, status: int) -> None:
    caching = Caching(fresh(), reply(status))
    await caching.ask()
    changing = post()
    changing.method = method
    await caching.ask(changing)
    assert (await caching.ask()).cache.startswith("hit")


async def test_head_is_answered_from_a_get() -> None:
    caching = Caching(fresh(60, b"body"))
    await caching.ask()
    exchange = get(method="HEAD")
    came = await caching.cache.handle(exchange)
    assert (came.status, came.length, await body(came)) == (200, 4, b"")


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ([(b"ETag", b'"a"'), (b"Cache-Control", b"max-age=60")], "hit; ttl=60"),
        ([(b"ETag", b'"b"'), (b"Cache-Control", b"max-age=60")], "fwd=uri-miss"),
    ],
)
async def test_head_says_whether_an_entry_is_still_right(fields: Any, left: str) -> None:
    head = reply(200, fields)
    head.length = 4
    caching = Caching(fresh(5, b"body", TAG), head, fresh(60, b"new!"))
    await caching.ask()
    await asyncio.sleep(6)
    assert (await caching.ask(get(method="HEAD"))).status == 200
    assert (await caching.ask()).cache.startswith(left)


async def test_a_login_of_a_connection_bypasses_the_store() -> None:
    caching = Caching(fresh(60, b"1"), fresh(60, b"2"))
    for wanted in (b"1", b"2"):
        exchange = get()
        exchange.login = True
        assert (await caching.ask(exchange)).body == wanted
