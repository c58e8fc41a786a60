"""Whether a reply is stored, and its head."""

from email.utils import formatdate
from typing import Any

import pytest

from proxy.core.cache_options import CacheOptions
from proxy.core.duration import Duration
from proxy.core.errors import ConnectFailed
from proxy.core.reply import Reply
from proxy.core.size import Size
from proxy.core.stored import Meta
from proxy.http.date import http_date
from proxy.http.fields import RawHeaders, values
from proxy.middleware.cache.asked import Asked, asked_by
from proxy.middleware.cache.filling import Rules, freshened, plan
from tests.support.caching import DAY_ZERO, Caching, fresh
from tests.support.loop import JumpingLoop, get, reply

LIFE = (b"Cache-Control", b"max-age=60")
TIMES = (100.0, 100.0)


def rules(**options: Any) -> Rules:
    chosen: dict[str, Any] = {"max_object": Size(100), "targets": ("CDN-Cache-Control",)}
    return Rules(CacheOptions(**{**chosen, **options}), "/", lambda: 100.0)


def asked() -> Asked:
    return asked_by(get("/a?b", headers=[(b"Accept", b"x")]), lambda *_: b"k")


def planned(*fields: tuple[bytes, bytes], status: int = 200, **options: Any) -> Meta | str:
    chosen = rules(**options)
    return plan(asked(), reply(status, fields, b"body"), chosen, TIMES, chosen.max_object)


def stored(*fields: tuple[bytes, bytes], status: int = 200, **options: Any) -> Meta:
    found = planned(*fields, status=status, **options)
    assert isinstance(found, Meta)
    return found


@pytest.mark.parametrize(
    ("fields", "options", "why"),
    [
        ([], {}, "no-freshness"),
        ([(b"Cache-Control", b"private")], {}, "private"),
        ([LIFE, (b"Vary", b"*")], {}, "vary"),
        ([(b"CDN-Cache-Control", b"no-store"), LIFE], {}, "no-store"),
        ([(b"Content-Type", b"text/event-stream")], {"ttl": Duration(60)}, "event-stream"),
        ([(b"Set-Cookie", b"a=1")], {"ttl": Duration(60)}, "set-cookie"),
        ([LIFE], {"max_object": Size(3)}, "too-large"),
    ],
    ids=range(7),
)
def test_a_word_says_why_not(fields: Any, options: Any, why: str) -> None:
    assert planned(*fields, **options) == why


def test_what_a_request_for_a_part_got_may_be_a_part() -> None:
    ranged = asked_by(get("/a", headers=[(b"Range", b"bytes=0-3")]), lambda *_: b"k")
    part = reply(200, [LIFE, (b"Content-Range", b"bytes 0-3/100")], b"body")
    assert plan(ranged, part, rules(), TIMES) == "status"
    assert isinstance(plan(asked(), part, rules(), TIMES), Meta)
    assert isinstance(plan(ranged, reply(200, [LIFE], b"body"), rules(), TIMES), Meta)


def test_what_only_the_end_of_a_connection_ends_may_have_been_cut() -> None:
    answer = reply(200, [LIFE])
    answer.until_close = True
    assert plan(asked_by(get(), lambda *_: b"k"), answer, rules(), TIMES) == "no-length"


@pytest.mark.parametrize(
    ("fields", "options", "lifetime", "age"),
    [
        ([LIFE], {}, 60, 0),
        ([(b"Cache-Control", b"max-age=1, s-maxage=60")], {}, 60, 0),
        ([(b"CDN-Cache-Control", b"max-age=9"), LIFE], {}, 9, 0),
        ([(b"CDN-Cache-Control", b"max-age=9"), (b"Cache-Control", b"no-store")], {}, 9, 0),
        ([(b"CDN-Cache-Control", b'max-age="9"'), LIFE, (b"ETag", b'"a"')], {}, 0, 0),
        ([LIFE, (b"CDN-Cache-Control", b"max-age=9")], {"targets": ()}, 60, 0),
        ([LIFE, (b"Age", b"7")], {}, 60, 7),
        ([LIFE, (b"Age", b"7, 9")], {}, 60, 7),
        ([LIFE, (b"Age", b"x")], {}, 60, 0),
        ([LIFE, (b"Age", b"-7")], {}, 60, 0),
        ([LIFE, (b"Age", b"00000000000007")], {}, 60, 7),
        ([LIFE, (b"Age", b"99999999999999")], {}, 60, 2**31),
        ([(b"Cache-Control", b"max-age=00000000000060")], {}, 60, 0),
        ([LIFE, (b"Date", b"Thu, 01 Jan 1970 00:01:30 GMT")], {}, 60, 10),
        ([], {"ttl": Duration(5)}, 5, 0),
        ([(b"Expires", b"Thu, 01 Jan 1970 00:02:00 GMT")], {"ttl": Duration(5)}, 20, 0),
    ],
    ids=range(16),
)
def test_for_how_long(fields: Any, options: Any, lifetime: float, age: float) -> None:
    found = stored(*fields, **options).freshness
    assert (found.lifetime, found.initial_age) == (lifetime, age)


def test_fields_that_are_not_stored() -> None:
    control = (b"Cache-Control", b'max-age=60, no-cache="x-a", private="x-b, Set-Cookie"')
    given = [control, (b"X-A", b"1"), (b"x-b", b"2"), (b"X-C", b"3"), (b"Age", b"4")]
    found = stored(*given, (b"Set-Cookie", b"a=1")).fields
    assert found == (control, (b"X-C", b"3"), (b"Date", http_date()))


def changed(*fields: tuple[bytes, bytes]) -> Meta:
    old = [LIFE, (b"ETag", b'"a"'), (b"Content-Encoding", b"gzip"), (b"X-Old", b"1")]
    before = stored(*old, (b"X-Two", b"1"), (b"X-Two", b"2"))
    found = freshened(before, asked(), fields, rules(), TIMES)
    assert found is not None
    return found


def test_a_304_changes_fields_but_not_those_of_the_bytes() -> None:
    new: RawHeaders = [
        (b"cache-control", b"max-age=9"),
        (b"X-Two", b"3"),
        (b"Content-Encoding", b"br"),
        (b"Content-Length", b"9"),
        (b"Content-MD5", b"x"),
        (b"Content-Digest", b"sha-256=:x:"),
        (b"Age", b"2"),
    ]
    found = changed(*new)
    assert values(found.fields, b"x-two") == [b"3"]
    assert values(found.fields, b"x-old") == [b"1"]
    assert values(found.fields, b"content-encoding") == [b"gzip"]
    for name in (b"content-length", b"content-md5", b"content-digest"):
        assert not values(found.fields, name)
    assert not values(found.fields, b"age")
    assert (found.freshness.lifetime, found.freshness.initial_age) == (9, 2)


@pytest.mark.parametrize("control", [b"no-store", b"private"])
def test_a_304_may_end_the_storing(control: bytes) -> None:
    assert freshened(stored(LIFE), asked(), [(b"Cache-Control", control)], rules(), TIMES) is None


async def test_a_reply_of_a_fallback_is_not_stored(jumping: JumpingLoop) -> None:
    async def fixed(exchange: Any) -> Reply:
        exchange.error = "destination_unavailable"
        return fresh(60, b"sorry")

    caching = Caching(fixed, fresh(60, b"body"))
    assert (await caching.ask()).cache.endswith("detail=fallback")
    assert (await caching.ask()).body == b"body"


def test_what_a_304_says_to_one_client_is_not_stored() -> None:
    before = stored(LIFE, (b"Set-Cookie", b"a=1"))
    fields = [(b"Set-Cookie", b"b=2"), (b"WWW-Authenticate", b"Negotiate x"), (b"X-A", b"1")]
    found = freshened(before, asked(), fields, rules(), TIMES)
    assert found is not None
    assert values(found.fields, b"set-cookie") == [b"a=1"]
    assert not values(found.fields, b"www-authenticate")
    assert values(found.fields, b"x-a") == [b"1"]


def test_names_in_the_vary_of_a_304_come_beside_those_that_are_known() -> None:
    before = stored(LIFE, (b"Vary", b"X-B"))
    found = freshened(before, asked(), [(b"Vary", b"Accept, X-B")], rules(), TIMES)
    assert found is not None
    assert found.vary == ((b"x-b", None), (b"accept", b"x"))
    for more in (b"*", b" ".join([b"x%d" % number for number in range(100)])):
        assert freshened(before, asked(), [(b"Vary", more)], rules(), TIMES) is None


DATED: Any = [(b"Date", b"Thu, 01 Jan 1970 00:00:20 GMT"), LIFE]


def test_a_304_without_a_date_counts_from_when_it_came() -> None:
    before = stored(*DATED)
    assert before.freshness.initial_age == 80
    found = freshened(before, asked(), [LIFE], rules(), TIMES)
    assert found is not None
    assert found.freshness.initial_age == 0
    assert values(found.fields, b"date") == [http_date()]


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [
        ([], b'W/"new"', [b'W/"new"']),
        ([], b'"new"', []),  # of other bytes, maybe (RFC 9111 4.3.4)
        ([(b"ETag", b'"old"')], b'"new"', [b'"old"']),
        ([(b"ETag", b'"old"')], b'W/"old"', [b'"old"']),
    ],
)
def test_a_304_may_bring_the_first_etag_if_it_is_weak(old: Any, new: bytes, kept: Any) -> None:
    found = freshened(stored(LIFE, *old), asked(), [(b"ETag", new)], rules(), TIMES)
    assert found is not None
    assert values(found.fields, b"etag") == kept


@pytest.mark.parametrize(
    ("held", "said", "moved"),
    [
        (b'"a"', b'"a"', True),
        (b'"a"', None, False),
        (b'"a"', b'W/"a"', False),
        (b'W/"a"', b'W/"a"', False),  # the same in meaning only: a part of one is none of the other
        (None, None, False),
        (None, b'"a"', False),
    ],
)
def test_a_304_dates_the_bytes_that_are_stored_only_where_its_etag_names_them(
    held: Any, said: Any, *, moved: bool
) -> None:
    old, new = b"Mon, 01 Jan 2024 00:00:00 GMT", b"Thu, 01 Feb 2024 00:00:00 GMT"
    for before in ([old], []):
        tag = [] if held is None else [(b"ETag", held)]
        meta = stored(LIFE, *tag, *((b"Last-Modified", each) for each in before))
        fields = [(b"Last-Modified", new), *([] if said is None else [(b"ETag", said)])]
        found = freshened(meta, asked(), fields, rules(), TIMES)
        assert found is not None
        assert values(found.fields, b"last-modified") == ([new] if moved else before)


@pytest.mark.parametrize(("number", "stays"), [(996, True), (997, False)])
def test_a_reply_with_more_tags_than_are_kept_is_not_stored(number: int, *, stays: bool) -> None:
    tags = (b"Surrogate-Key", b" ".join(b"tag%d" % each for each in range(number)))
    found = planned(LIFE, tags)
    assert isinstance(found, Meta) if stays else found == "too-many-tags"


@pytest.mark.parametrize(
    ("coding", "why"),
    [
        ([], ""),
        ([(b"Content-Encoding", b"none")], ""),
        ([(b"Content-Encoding", b"gzip")], "event-stream"),
    ],
)
def test_a_compressed_stream_of_events_is_not_stored(coding: Any, why: str) -> None:
    found = planned(LIFE, (b"Content-Type", b"text/event-stream; charset=utf-8"), *coding)
    assert found == why if why else isinstance(found, Meta)


@pytest.mark.parametrize(
    ("field", "kept"),
    [
        ((b"Cache-Tag", b"one, two"), True),
        ((b"Surrogate-Key", b"two"), True),
        ((b"Cache-Tag", b"one, three"), False),
        ((b"surrogate-key", b"one three"), False),
    ],
)
def test_a_tag_that_a_304_adds_ends_the_storing(field: tuple[bytes, bytes], kept: bool) -> None:
    """A purge finds an entry by the tags that it was stored with."""
    before = stored(LIFE, (b"Cache-Tag", b"one"), (b"Surrogate-Key", b"two"))
    assert (freshened(before, asked(), [field], rules(), TIMES) is not None) is kept


@pytest.mark.parametrize(
    ("first", "second", "credentials", "kept"),
    [
        (b"public", b"max-age=60", b"Authorization", False),
        (b"s-maxage=9", b"max-age=60", b"Authorization", False),
        (b"must-revalidate, max-age=9", b"max-age=60", b"Authorization", False),
        (b"public", b"must-revalidate, max-age=60", b"Authorization", True),
        (b"public", b"public, max-age=60", b"Authorization", True),
        (b"public", b"max-age=60", b"Cookie", False),
        (b"public", b"s-maxage=60", b"Cookie", True),
        (b"public", b"max-age=60", b"Accept", True),
    ],
)
def test_what_one_client_is_told_makes_nothing_fresh_for_others(
    first: bytes, second: bytes, credentials: bytes, kept: bool
) -> None:
    before = stored((b"Cache-Control", first), (b"ETag", b'"a"'))
    by = asked_by(get("/a?b", headers=[(credentials, b"x")]), lambda *_: b"k")
    found = freshened(before, by, [(b"Cache-Control", second)], rules(), TIMES)
    assert (found is not None) is kept


AGED = (b"Age", b"100")
SLOW_CLOCK = (b"Date", formatdate(DAY_ZERO - 3600, usegmt=True).encode())


@pytest.mark.parametrize("old", [AGED, SLOW_CLOCK], ids=["age", "slow clock"])
@pytest.mark.parametrize(
    ("asking", "more"),
    [
        (b"max-stale", []),
        (b"max-stale=7200", []),
        (b"only-if-cached, max-stale", []),
        (b"stale-if-error=7200", [ConnectFailed]),
    ],
)
async def test_what_is_too_old_when_it_comes_is_there_for_those_who_take_stale_replies(
    jumping: JumpingLoop, old: tuple[bytes, bytes], asking: bytes, more: list[Any]
) -> None:
    caching = Caching(fresh(60, b"old", old), *more)
    assert (await caching.ask()).cache == "fwd=uri-miss; fwd-status=200; stored"
    assert (await caching.ask_for((b"Cache-Control", asking))).body == b"old"
    assert caching.script.sends == 1 + len(more)
