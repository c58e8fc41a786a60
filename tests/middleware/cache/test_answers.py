"""Replies that are made from stored ones."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import pytest

from proxy.core.errors import ConnectFailed, ReplyBroken
from proxy.core.stored import Entry
from proxy.middleware.cache.answers import answer, fresh_answer, with_own
from proxy.middleware.cache.asked import asked_by
from proxy.store.memory import MemoryStore
from proxy.store.memory_entry import SHORT
from tests.support.caching import Answer, Caching, fresh
from tests.support.loop import JumpingLoop, get, reply
from tests.support.pieces import body
from tests.support.stored import meta, put

DATE = (b"Date", b"Mon, 07 Nov 1994 08:49:37 GMT")
FIELDS = [
    DATE,
    (b"Content-Type", b"text/plain"),
    (b"ETag", b'"a"'),
    (b"Cache-Control", b"max-age=60"),
    (b"X-Other", b"1"),
]
DIGITS = b"0123456789"


async def stored(
    content: bytes = DIGITS, status: int = 200, *, more: Sequence[tuple[bytes, bytes]] = ()
) -> Entry:
    store = MemoryStore(0)
    put(store, b"k", content, status=status, fields=(*FIELDS, *more))
    [entry] = await store.get(b"k")
    return entry


async def asked_for(entry: Entry, *fields: tuple[bytes, bytes], method: str = "GET") -> Answer:
    exchange = get(headers=fields, method=method)
    came = answer(asked_by(exchange, lambda *_: b"k"), entry, 7.9, "hit")
    whole = await body(came)
    if method != "HEAD":
        assert came.length in (None, len(whole))
    return Answer(came, whole, exchange)


async def test_all_of_it_with_its_age() -> None:
    found = await asked_for(await stored())
    assert (found.status, found.body) == (200, DIGITS)
    own = [(b"Age", b"7"), (b"Cache-Status", b"sidecar-proxy; hit")]
    assert list(found.headers) == [*FIELDS, *own]


async def test_a_long_body_comes_in_pieces() -> None:
    content = bytes(range(256)) * 1000
    assert (await asked_for(await stored(content))).body == content


KEPT = (
    *(b"Access-Control-Allow-Origin", b"Access-Control-Expose-Headers", b"Link", b"X-Any"),
    *(b"Timing-Allow-Origin", b"Cross-Origin-Resource-Policy", b"Strict-Transport-Security"),
    *(b"Content-Location", b"Content-Security-Policy", b"Content-Security-Policy-Report-Only"),
    *(b"Expires", b"Last-Modified", b"Vary", b"Set-Cookie", b"X-Content-Type-Options"),
)
OF_CONTENT = (
    *(b"Content-Length", b"CONTENT-TYPE", b"Content-Encoding", b"content-language", b"Content-MD5"),
    *(b"Content-Range", b"Content-Disposition", b"Content-Digest", b"Repr-Digest", b"Digest"),
    *(b"Content-Locations", b"Unencoded-Digest"),
)


async def test_a_304_has_all_but_what_describes_the_content() -> None:
    entry = await stored(more=[(name, b"x") for name in (*KEPT, *OF_CONTENT)])
    found = await asked_for(entry, (b"If-None-Match", b'"a"'))
    assert (found.status, found.body) == (304, b"")
    assert {name for name, _ in found.headers} == {
        *(b"Date", b"ETag", b"Cache-Control", b"X-Other", b"Age", b"Cache-Status", *KEPT)
    }


async def test_what_confirms_speaks_to_the_client_that_asked() -> None:
    came = answer(asked_by(get(), lambda *_: b"k"), await stored(), 7.9, "hit")
    said = [(b"x-other", b"2"), (b"Set-Cookie", b"a=1"), (b"cache-control", b"no-store")]
    passed_over = [(b"ETag", b'W/"a"'), (b"Age", b"900"), (b"Cache-Status", b"theirs; hit")]
    passed_over += [(b"Content-Length", b"0"), (b"content-type", b"text/html")]
    passed_over += [(b"Last-Modified", b"Mon, 01 Jan 2024 00:00:00 GMT")]
    own = [(b"Age", b"7"), (b"Cache-Status", b"sidecar-proxy; hit")]
    found = with_own(came, [*passed_over, *said]).headers
    assert list(found) == [*said, *FIELDS[:3], *own]


@pytest.mark.parametrize("status", [404, 500])
async def test_conditions_and_ranges_are_for_a_200(status: int) -> None:
    entry = await stored(status=status)
    for field in ((b"If-None-Match", b'"a"'), (b"Range", b"bytes=0-1")):
        assert (await asked_for(entry, field)).status == status


@pytest.mark.parametrize(
    ("value", "status", "content", "where"),
    [
        (b"bytes=2-4", 206, b"234", b"bytes 2-4/10"),
        (b"bytes=7-", 206, b"789", b"bytes 7-9/10"),
        (b"bytes=-2", 206, b"89", b"bytes 8-9/10"),
        (b"bytes=10-", 416, b"", b"bytes */10"),
        (b"bytes=x", 200, DIGITS, None),
    ],
    ids=range(5),
)
async def test_a_part(value: bytes, status: int, content: bytes, where: bytes | None) -> None:
    found = await asked_for(await stored(), (b"Range", value))
    assert (found.status, found.body, found.value(b"content-range")) == (status, content, where)
    assert found.value(b"etag") == b'"a"'


async def test_a_part_of_a_long_body_crosses_its_pieces() -> None:
    content = bytes(range(256)) * 1000
    found = await asked_for(await stored(content), (b"Range", b"bytes=65000-140000"))
    assert found.body == content[65000:140001]


async def test_several_parts() -> None:
    found = await asked_for(await stored(), (b"Range", b"bytes=0-1,-2"))
    kind = found.value(b"content-type") or b""
    boundary = re.fullmatch(rb"multipart/byteranges; boundary=(\w+)", kind)
    assert boundary is not None
    part = b"--%b\r\nContent-Type: text/plain\r\nContent-Range: bytes %b/10\r\n\r\n%b\r\n"
    mark = boundary[1]
    wanted = part % (mark, b"0-1", b"01") + part % (mark, b"8-9", b"89") + b"--%b--\r\n" % mark
    assert found.body == wanted
    assert [value for name, value in found.headers if name == b"Content-Type"] == [kind]


@pytest.mark.parametrize("wanted", [b"bytes=0-1", b"bytes=0-1,-2"], ids=["one", "several"])
async def test_digests_of_a_whole_body_are_not_said_of_a_part(wanted: bytes) -> None:
    of_whole = [(b"Content-Digest", b"sha-256=:x:"), (b"Content-MD5", b"x")]
    of_all = [(b"Repr-Digest", b"sha-256=:y:"), (b"Digest", b"sha-256=y")]
    store = MemoryStore(0)
    put(store, b"k", DIGITS, fields=[*FIELDS, *of_whole, *of_all])
    [entry] = await store.get(b"k")
    found = await asked_for(entry, (b"Range", wanted))
    assert found.status == 206
    assert not {name for name, _ in of_whole} & {name for name, _ in found.headers}
    assert [field for field in found.headers if field in of_all] == of_all
    assert set(of_whole) <= set((await asked_for(entry)).headers)


async def test_if_range_decides_whether_a_range_counts() -> None:
    entry, part = await stored(), (b"Range", b"bytes=0-1")
    assert (await asked_for(entry, part, (b"If-Range", b'"a"'))).status == 206
    assert (await asked_for(entry, part, (b"If-Range", b'"b"'))).status == 200


async def test_head_has_the_length_and_no_range() -> None:
    entry = await stored()
    exchange = get(method="HEAD", headers=[(b"Range", b"bytes=0-1")])
    came = answer(asked_by(exchange, lambda *_: b"k"), entry, 0.0, "hit")
    assert (came.status, came.length, await body(came)) == (200, 10, b"")


async def test_what_the_store_has_lost_breaks_and_never_ends_early() -> None:
    store = MemoryStore(0)
    put(store, b"k", b"x" * SHORT * 2)
    [entry] = await store.get(b"k")
    came = answer(asked_by(get(), lambda *_: b"k"), entry, 0.0, "hit")
    assert len(await came.read()) == SHORT
    entry.pieces.pop()
    with pytest.raises(ReplyBroken):
        await came.read()


async def test_bytes_of_fields_are_as_they_came() -> None:
    store = MemoryStore(0)
    put(store, b"k", b"", fields=meta().fields)
    [entry] = await store.get(b"k")
    found = await asked_for(entry)
    assert (b"X-\xff", b"\xfe") in found.headers


async def test_the_lines_of_a_hit_know_the_date_and_the_names_of_the_request() -> None:
    """So that nobody looks for them at each hit."""
    named = (b"Request-Id", b"theirs")
    for fields, dated in (([named], False), ([named, (b"DATE", b"x")], True)):
        store = MemoryStore(0)
        put(store, b"k", b"x", fields=fields)
        [entry] = await store.get(b"k")
        came = fresh_answer(asked_by(get(), lambda *_: b"k"), entry, 7.9, lambda: 7.9)
        assert came.encoded is not None
        assert (came.encoded.dated, list(came.encoded.ids)) == (dated, [named])


async def test_a_416_repeats_nothing_of_the_reply() -> None:
    extra = [(b"Content-Encoding", b"gzip"), (b"Set-Cookie", b"a=1"), (b"Vary", b"Accept")]
    extra += [(b"Access-Control-Allow-Origin", b"*")]
    entry = await stored(more=extra)
    found = await asked_for(entry, (b"Range", b"bytes=99-"))
    assert {name for name, _ in found.headers} == {
        *(b"Content-Range", b"Age", b"Cache-Status", b"Date", b"ETag", b"Vary"),
        b"Access-Control-Allow-Origin",
    }


@pytest.mark.parametrize("size", [10, 100_000], ids=["whole", "read"])
@pytest.mark.parametrize(
    ("method", "fields", "share"),
    [
        ("GET", [], 1.0),
        ("GET", [(b"Range", b"bytes=0-4")], 5),
        ("GET", [(b"Range", b"bytes=900000-")], 0),
        ("GET", [(b"If-None-Match", b'"a"')], 0),
        ("HEAD", [], 0),
    ],
    ids=["whole", "range", "beyond", "not modified", "head"],
)
async def test_the_bytes_of_a_hit_are_those_of_its_body(
    method: str, fields: list[tuple[bytes, bytes]], share: float, size: int
) -> None:
    """All of what is stored was counted."""
    caching = Caching(fresh(60, b"x" * size, (b"ETag", b'"a"')))
    await caching.ask()
    exchange = get(headers=fields)
    exchange.method = method
    answer = await caching.ask(exchange)
    assert answer.cache.startswith("hit")
    bytes_ = size if share == 1.0 else share
    assert (len(answer.body), caching.cache.counts["hit_bytes"]) == (bytes_, bytes_)


@pytest.mark.parametrize("size", [10, 100_000], ids=["whole", "read"])
@pytest.mark.parametrize(
    ("kind", "outcomes", "fields"),
    [
        ("stale", [ConnectFailed("no")], []),
        ("stale", [], [(b"Cache-Control", b"max-stale")]),
        ("revalidated", [reply(304, [(b"ETag", b'"a"')])], []),
    ],
    ids=["error", "max-stale", "revalidated"],
)
async def test_the_bytes_of_a_stale_answer_are_those_of_its_body(
    kind: str, outcomes: list[Any], fields: list[tuple[bytes, bytes]], size: int
) -> None:
    caching = Caching(fresh(0, b"x" * size, (b"ETag", b'"a"')), *outcomes, stale_if_error=60.0)
    await caching.ask()
    answer = await caching.ask_for((b"Range", b"bytes=0-4"), *fields)
    counts = caching.cache.counts
    assert (answer.status, counts[kind], counts["hit_bytes"]) == (206, 1, 5)


async def test_the_age_of_a_hit_is_what_its_client_was_told(jumping: JumpingLoop) -> None:
    caching = Caching(fresh(60, b"x", (b"Age", b"5")))
    await caching.ask()
    assert caching.cache.counts["hit_age_seconds"] == 0
    told = 0
    for fields in ([], [], [(b"Range", b"bytes=0-4")]):
        await asyncio.sleep(10)
        told += int((await caching.ask_for(*fields)).value(b"age") or 0)
        assert caching.cache.counts["hit_age_seconds"] == told
    assert told == 15 + 25 + 35
