"""What RFC 9111, 9213 and 5861 say, row by row: is the second of two requests answered from the
store?

Time is moved by the reply itself: its Age says how long it has been on its way. So no row waits.
"""

import time
from email.utils import formatdate
from typing import Any

import pytest

from tests.support.client import Response
from tests.support.message import get, length
from tests.support.proxy import fronted
from tests.support.upstream import RawUpstream

HIT, ASKED, VALIDATED = "hit", "asked", "validated"
"""From the store; forwarded as it is; forwarded with the validators of the entry."""
NOW = time.time()


def at(seconds: float) -> str:
    """A date so many seconds from now."""
    return formatdate(NOW + seconds, usegmt=True)


LATER, BEFORE = at(3600), at(-3600)
TAG = 'ETag: "a"'

ROWS: list[tuple[str, str, str]] = [
    # fields of the first reply; fields of the second request; outcome
    # RFC 9111 4.2.1: how long it is fresh
    ("Cache-Control: max-age=60", "", HIT),
    ("Cache-Control: max-age=0", "", ASKED),
    ("Cache-Control: MaX-aGe=60", "", HIT),
    ('Cache-Control: max-age="60"', "", HIT),
    ("Cache-Control: max-age=060", "", HIT),
    ("Cache-Control: max-age=99999999999", "", HIT),
    ("Cache-Control: max-age=-60", "", ASKED),
    ("Cache-Control: max-age=60.5", "", ASKED),
    ("Cache-Control: max-age='60'", "", ASKED),
    ("Cache-Control: max-age =60", "", ASKED),
    ("Cache-Control: max-age= 60", "", ASKED),
    ("Cache-Control: max-age", "", ASKED),
    ("Cache-Control: x, max-age=60", "", HIT),
    ('Cache-Control: x="max-age=60"', "", ASKED),
    ('Cache-Control: x="max-age=60", max-age=0', "", ASKED),
    ("Cache-Control: max-age=60, max-age=0", "", HIT),
    ("Cache-Control: max-age=0\r\nCache-Control: max-age=60", "", ASKED),
    ("Cache-Control: s-maxage=60, max-age=0", "", HIT),
    ("Cache-Control: s-maxage=0, max-age=60", "", ASKED),
    ("Cache-Control: max-age=60\r\nCache-Control: s-maxage=0", "", ASKED),
    (f"Expires: {LATER}", "", HIT),
    (f"Expires: {BEFORE}", "", ASKED),
    ("Expires: 0", "", ASKED),
    (f"Expires: {LATER[:-3]}UTC", "", ASKED),
    (f"Expires: {BEFORE}\r\nCache-Control: max-age=60", "", HIT),
    (f"Expires: {LATER}\r\nCache-Control: max-age=0", "", ASKED),
    (f"Expires: {at(300)}\r\nDate: {at(400)}", "", ASKED),
    (f"Expires: {LATER}\r\nDate: x", "", HIT),
    # 4.2.2: nothing is said
    ("X-A: 1", "", ASKED),
    (f"Last-Modified: {BEFORE}", "", HIT),
    ("Last-Modified: x", "", ASKED),
    (f"Last-Modified: {LATER}", "", VALIDATED),
    # 4.2.3: how old it is
    ("Cache-Control: max-age=60\r\nAge: 59", "", HIT),
    ("Cache-Control: max-age=60\r\nAge: 61", "", ASKED),
    ("Cache-Control: max-age=60\r\nAge: 61, 0", "", ASKED),
    ("Cache-Control: max-age=60\r\nAge: 0, 61", "", HIT),
    ("Cache-Control: max-age=60\r\nAge: 0\r\nAge: 61", "", HIT),
    ("Cache-Control: max-age=60\r\nAge: 61\r\nAge: 0", "", ASKED),
    ("Cache-Control: max-age=60\r\nAge: x", "", HIT),
    ("Cache-Control: max-age=60\r\nAge: -61", "", HIT),
    ("Cache-Control: max-age=60\r\nAge: 2147483649", "", ASKED),
    (f"Cache-Control: max-age=60\r\nDate: {at(-61)}", "", ASKED),
    (f"Expires: {at(10)}\r\nDate: {at(-10)}\r\nAge: 25", "", ASKED),
    # 4.3: validation
    (f"Cache-Control: max-age=0\r\n{TAG}", "", VALIDATED),
    ('Cache-Control: max-age=0\r\nETag: W/"a"', "", VALIDATED),
    (f"Cache-Control: max-age=0\r\nLast-Modified: {BEFORE}", "", VALIDATED),
    (TAG, "", VALIDATED),
    # 5.2.2: what a reply says
    ("Cache-Control: no-store, max-age=60", "", ASKED),
    ("Cache-Control: nO-StOrE, max-age=60", "", ASKED),
    ("Cache-Control: private, max-age=60", "", ASKED),
    ('Cache-Control: private="X-A", max-age=60', "", HIT),
    ("Cache-Control: no-cache, max-age=60", "", ASKED),
    (f"Cache-Control: no-cache, max-age=60\r\n{TAG}", "", VALIDATED),
    ('Cache-Control: no-cache="X-A", max-age=60', "", HIT),
    ("Cache-Control: must-revalidate, max-age=60", "", HIT),
    ("Cache-Control: must-understand, no-store, max-age=60", "", HIT),
    ("Cache-Control: max-age=60\r\nPragma: no-cache", "", HIT),
    ("Cache-Control: max-age=60\r\nSet-Cookie: a=1", "", HIT),
    (f"Last-Modified: {BEFORE}\r\nSet-Cookie: a=1", "", ASKED),
    ("Cache-Control: max-age=60\r\nVary: *", "", ASKED),
    ("Cache-Control: max-age=60\r\nVary: X-A, *", "", ASKED),
    ("Cache-Control: max-age=60\r\nVary: X-A", "", HIT),
    ("Cache-Control: max-age=60\r\nVary: X-A", "X-A: 1", ASKED),
    ("Cache-Control: max-age=60\r\nVary: X-A\r\nVary: X-B", "X-B: 1", ASKED),
    ("Cache-Control: max-age=60\r\nVary: X-A", "X-B: 1", HIT),
    # 5.2.1: what a request says
    ("Cache-Control: max-age=60", "Cache-Control: no-cache", ASKED),
    (f"Cache-Control: max-age=60\r\n{TAG}", "Cache-Control: no-cache", VALIDATED),
    ("Cache-Control: max-age=60", "Pragma: no-cache", ASKED),
    ("Cache-Control: max-age=60", "Pragma: no-cache\r\nCache-Control: max-age=60", HIT),
    ("Cache-Control: max-age=60", "Cache-Control: no-store", ASKED),
    ("Cache-Control: max-age=60\r\nAge: 30", "Cache-Control: max-age=20", ASKED),
    ("Cache-Control: max-age=60\r\nAge: 30", "Cache-Control: max-age=50", HIT),
    ("Cache-Control: max-age=60\r\nAge: 30", "Cache-Control: min-fresh=40", ASKED),
    ("Cache-Control: max-age=60\r\nAge: 30", "Cache-Control: min-fresh=10", HIT),
    ("Cache-Control: max-age=60\r\nAge: 90, 0\r\n" + TAG, "Cache-Control: max-stale=50", HIT),
    ("Cache-Control: max-age=60\r\nAge: 90\r\n" + TAG, "Cache-Control: max-stale", HIT),
    ("Cache-Control: max-age=60\r\nAge: 90\r\n" + TAG, "Cache-Control: max-stale=20", VALIDATED),
    (
        f"Cache-Control: max-age=60, must-revalidate\r\nAge: 90\r\n{TAG}",
        "Cache-Control: max-stale",
        VALIDATED,
    ),
    # RFC 5861
    ("Cache-Control: max-age=1, stale-while-revalidate=60\r\nAge: 30", "", HIT),
    (f"Cache-Control: max-age=1, stale-while-revalidate=9\r\nAge: 30\r\n{TAG}", "", VALIDATED),
    (f"Cache-Control: s-maxage=1, stale-while-revalidate=60\r\nAge: 30\r\n{TAG}", "", VALIDATED),
    # RFC 9213
    ("CDN-Cache-Control: max-age=60", "", HIT),
    ("CDN-Cache-Control: max-age=60\r\nCache-Control: no-store", "", HIT),
    ("CDN-Cache-Control: max-age=60\r\nCache-Control: max-age=0", "", HIT),
    (f"CDN-Cache-Control: max-age=60\r\nExpires: {BEFORE}", "", HIT),
    ("CDN-Cache-Control: max-age=0\r\nCache-Control: max-age=60", "", ASKED),
    (f"CDN-Cache-Control: max-age=0\r\nExpires: {LATER}", "", ASKED),
    ("CDN-Cache-Control: private\r\nCache-Control: max-age=60", "", ASKED),
    ("CDN-Cache-Control: no-cache\r\nCache-Control: max-age=60", "", ASKED),
    ("CDN-Cache-Control: no-store\r\nCache-Control: max-age=60", "", ASKED),
    ("CDN-Cache-Control: max-age=60\r\nAge: 90", "", ASKED),
    ("CDN-Cache-Control: max-age=60, &&\r\nCache-Control: no-store", "", ASKED),
    ('CDN-Cache-Control: max-age="60"\r\nCache-Control: no-store', "", ASKED),
    ("CDN-Cache-Control: max-age=60, &&\r\nCache-Control: max-age=60", "", HIT),
    ("Sidecar-Cache-Control: max-age=0\r\nCDN-Cache-Control: max-age=60", "", ASKED),
]


async def second(reply: bytes, first: str, then: str) -> tuple[Response, RawUpstream]:
    """The answer to the second of two requests."""
    tables: dict[str, Any] = {"cache": {}, "retry": {"attempts": 1}}
    async with fronted([reply], **tables) as (upstream, proxy):
        await proxy.ask(get(fields=_lines(first)))
        answer = await proxy.ask(get(fields=_lines(then)))
        return answer, upstream


def _lines(text: str) -> bytes:
    return f"{text}\r\n".encode() if text else b""


def outcome(answer: Response, upstream: RawUpstream) -> str:
    """What became of the second request."""
    if b"; hit" in (answer.value("Cache-Status") or b""):
        return HIT
    head = upstream.requests[1].head
    sent = {b"if-none-match", b"if-modified-since"} & {name.lower() for name in head.names()}
    return VALIDATED if sent else ASKED


@pytest.mark.parametrize(("fields", "then", "wanted"), ROWS, ids=range(len(ROWS)))
async def test_a_second_request(fields: str, then: str, wanted: str) -> None:
    found = await second(length(b"body", fields=_lines(fields)), "", then)
    assert outcome(*found) == wanted


@pytest.mark.parametrize(
    ("status", "explicit", "guessed"),
    [
        *((status, HIT, HIT) for status in (200, 203, 300, 301, 308, 404, 405, 410, 414, 501)),
        *((status, HIT, ASKED) for status in (201, 202, 299, 302, 303, 307, 403, 422, 499)),
        *((status, HIT, ASKED) for status in (500, 502, 503, 504, 599)),
        *((status, ASKED, ASKED) for status in (206, 400, 401, 407, 416, 421, 425, 429)),
    ],
)
async def test_a_status(status: int, explicit: str, guessed: str) -> None:
    line = b"%d Whatever" % status
    said = length(b"body", line, b"Cache-Control: max-age=60\r\n")
    assert outcome(*await second(said, "", "")) == explicit
    silent = length(b"body", line, _lines(f"Last-Modified: {BEFORE}"))
    assert outcome(*await second(silent, "", "")) == guessed


@pytest.mark.parametrize(
    ("control", "wanted"),
    [("max-age=60", ASKED), ("max-age=60, public", HIT), ("s-maxage=60", HIT)],
)
async def test_a_request_with_credentials(control: str, wanted: str) -> None:
    reply = length(b"body", fields=_lines(f"Cache-Control: {control}"))
    for name in ("Authorization", "Cookie", "X-Api-Key"):
        found = await second(reply, f"{name}: a", f"{name}: b")
        assert outcome(*found) == wanted


@pytest.mark.parametrize(
    ("one", "other", "hits"),
    [
        ({}, {}, True),
        ({"set": {"X-Variant": "gold"}}, {"set": {"X-Variant": "free"}}, False),
        ({"set": {"X-Variant": "gold"}}, {"set": {"x-variant": "gold"}}, True),
        ({"set": {"X-Variant": "gold"}}, {}, False),
        ({"add": {"X-Variant": "gold"}}, {"set": {"X-Variant": "gold"}}, False),
        ({"remove": ["X-A"]}, {}, False),
        ({"remove": ["X-A", "X-B"]}, {"remove": ["x-b", "x-a"]}, True),
    ],
)
async def test_routes_that_ask_for_one_target_share_if_they_change_fields_alike(
    one: dict[str, Any], other: dict[str, Any], hits: bool
) -> None:
    routes = [
        {
            "upstream": "api",
            "path": path,
            "rewrite": {"pattern": "^/(one|other)/", "replacement": "/"},
            "request_headers": rules,
        }
        for path, rules in (("/one", one), ("/other", other))
    ]
    answer = length(b"x", fields=b"Cache-Control: max-age=60\r\n")
    async with fronted([answer], cache={}, routes=routes) as (upstream, p):
        for path in ("/one/x", "/other/x"):
            assert (await p.ask(get(path))).body == b"x"
        assert len(upstream.requests) == (1 if hits else 2)
