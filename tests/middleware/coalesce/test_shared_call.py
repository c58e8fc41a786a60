"""Who shares an answer: nobody whose answer may be another one."""

import asyncio
from collections.abc import Sequence

import pytest

from proxy.http.equivalence import comparable_fields
from proxy.middleware.coalesce.coalesce import Coalesce
from proxy.middleware.coalesce.shared_reply import is_unshareable
from proxy.middleware.resume.resume import resume_key
from tests.support.loop import get as asked
from tests.support.loop import reply
from tests.support.message import get, length
from tests.support.proxy import fronted, proxied
from tests.support.scope import watched
from tests.support.upstream import RawUpstream


async def calls(
    one: bytes, other: bytes, answer: bytes = b"", *, coalesce: dict[str, object] | None = None
) -> int:
    """Requests that reach the upstream where two ask at the same time."""
    go = asyncio.Event()
    script = ["wait-body", go, answer or length(b"x")]
    async with fronted(script, coalesce=coalesce or {}) as (upstream, proxy):
        first = asyncio.ensure_future(proxy.ask(one))
        await upstream.until(lambda: upstream.requests)
        second = asyncio.ensure_future(proxy.ask(other))
        # Either it joins the call or it makes one of its own.
        await upstream.until(
            lambda: len(upstream.requests) == 2 or watched(proxy, Coalesce)[0].counts["joined"]
        )
        go.set()
        replies = await asyncio.gather(first, second)
        assert {each.body for each in replies} == {b"x"}
        return len(upstream.requests)


def query(body: bytes, kind: bytes = b"application/json", fields: bytes = b"") -> bytes:
    head = b"QUERY /q HTTP/1.1\r\nHost: proxy.test\r\nContent-Type: %b\r\n" % kind
    return head + b"Content-Length: %d\r\n%b\r\n%b" % (len(body), fields, body)


CHUNKED = (
    b"QUERY /q HTTP/1.1\r\nHost: proxy.test\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
)
LONG = b"x" * 200_000


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (get(), get(), 1),
        (get(fields=b"Cookie: a=1\r\n"), get(fields=b"Cookie: a=1\r\n"), 1),
        (get(fields=b"Proxy-Authorization: Basic a\r\n"), get(), 2),
        (
            get(fields=b"Proxy-Authorization: Basic a\r\n"),
            get(fields=b"Proxy-Authorization: Basic b\r\n"),
            2,
        ),
        (get(fields=b"Authorization: Bearer a\r\n"), get(fields=b"Authorization: Bearer b\r\n"), 2),
        (get(fields=b"Authorization: NTLM a\r\n"), get(fields=b"Authorization: NTLM a\r\n"), 2),
        (
            get(fields=b"Authorization: Negotiate a\r\n"),
            get(fields=b"Authorization: Negotiate a\r\n"),
            2,
        ),
        (get(fields=b"Cookie: a=1\r\n"), get(), 2),
        (
            get(fields=b"Cookie: a=1\r\nCookie: a=2\r\n"),
            get(fields=b"Cookie: a=2\r\nCookie: a=1\r\n"),
            2,
        ),
        (query(b"{}"), query(b"{}"), 1),
        (query(b"{}"), CHUNKED, 1),
        (CHUNKED, CHUNKED, 1),
        (query(b"{}"), query(b"[]"), 2),
        (query(b"{}"), query(b"{}", b"text/plain"), 2),
        (query(b"{}"), query(b"{}").replace(b"QUERY", b"POST"), 2),
        (query(b""), get("/q", b"Content-Type: application/json\r\n"), 2),
        (query(LONG), query(LONG), 2),
    ],
)
async def test_only_equal_requests_share(one: bytes, other: bytes, expected: int) -> None:
    assert await calls(one, other) == expected


@pytest.mark.parametrize("side", [0, 1])
async def test_a_reply_that_varies_by_cookie_is_not_shared_where_one_has_none(side: int) -> None:
    requests = [get(fields=b"Cookie: a=1\r\n"), get()]
    answer = length(b"x", fields=b"Vary: Cookie\r\n")
    assert await calls(requests[side], requests[1 - side], answer) == 2


@pytest.mark.parametrize(
    "fields",
    [
        b"WWW-Authenticate: Basic realm=a",
        b"Authentication-Info: nextnonce=1",
        b"Set-Cookie: a=1",
        b"Set-Cookie2: a=1",
        b"Cache-Control: private",
        b"Cache-Control: max-age=3, no-store",
        b"CDN-Cache-Control: private",
        b"Surrogate-Control: no-store",
        b"Pragma: no-cache",
        b'Clear-Site-Data: "cookies"',
        b"Vary: *",
        b"Vary: X-Forwarded-For",
    ],
)
async def test_a_reply_that_speaks_to_one_is_not_shared(fields: bytes) -> None:
    assert await calls(get(), get(), length(b"x", fields=fields + b"\r\n")) == 2


@pytest.mark.parametrize("status", [401, 407, 421, 425, 429])
def test_a_refusal_of_one_is_not_shared(status: int) -> None:
    assert is_unshareable(reply(status))


@pytest.mark.parametrize("status", [200, 301, 403, 404, 500, 503])
def test_what_is_said_of_a_resource_is_shared(status: int) -> None:
    assert not is_unshareable(reply(status, [(b"Vary", b"Accept, Cookie"), (b"Retry-After", b"1")]))


Fields = Sequence[tuple[bytes, bytes]]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ([(b"A", b"1"), (b"B", b"2")], [(b"b", b"2"), (b"a", b"1")], True),
        ([(b"A", b"1"), (b"A", b"2")], [(b"A", b"2"), (b"A", b"1")], False),
        ([(b"A", b"1")], [(b"A", b"1"), (b"A", b"1")], False),
        ([(b"A", b"1, 2")], [(b"A", b"1"), (b"A", b"2")], False),
    ],
)
def test_the_order_of_lines_counts_within_a_name(one: Fields, other: Fields, same: bool) -> None:
    assert (comparable_fields(one) == comparable_fields(other)) is same
    first, second = asked(headers=one), asked(headers=other)
    first.client = second.client = "10.0.0.1"
    assert (resume_key(first) == resume_key(second)) is same


async def test_a_long_query_is_sent_whole() -> None:
    script = ["wait-body", length(b"x")]
    async with fronted(script, coalesce={}) as (upstream, proxy):
        assert (await proxy.ask(query(LONG))).status == 200
        assert upstream.requests[0].body == LONG
        chunked = CHUNKED.replace(b"1\r\n{", b"%x\r\n%b" % (len(LONG), LONG), 1)
        assert (await proxy.ask(chunked)).status == 200
        assert upstream.requests[1].body == LONG + b"}"


async def test_the_last_to_wait_for_a_query_is_answered_when_the_first_has_left() -> None:
    go = asyncio.Event()
    script = ["wait-body", go, length(b"x")]
    async with fronted(script, coalesce={}) as (upstream, proxy):
        async with await proxy.connect() as leaving:
            await leaving.send(query(b"{}"))
            await upstream.until(lambda: upstream.requests)
            second = asyncio.ensure_future(proxy.ask(query(b"{}")))
            await upstream.until(lambda: watched(proxy, Coalesce)[0].counts["joined"])
        await proxy.record()
        go.set()
        assert (await second).body == b"x"
        assert len(upstream.requests) == 1


async def test_a_query_goes_again_after_a_reset() -> None:
    upstream = RawUpstream(["wait-body", "rst"], ["wait-body", length(b"x")])
    retry = {"on": ["reset"], "backoff_base": "1ms"}
    async with upstream, proxied(upstream, retry=retry) as proxy:
        assert (await proxy.ask(query(b"{}"))).body == b"x"
        assert [request.body for request in upstream.requests] == [b"{}", b"{}"]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=1\r\nContent-Length: 1\r\n\r\nx",
    ],
    ids=["not logged in", "no cookie yet"],
)
async def test_a_client_with_an_answer_of_its_own_does_not_keep_others_from_sharing(
    answer: bytes,
) -> None:
    go = asyncio.Event()
    logged_in = get(fields=b"Authorization: Bearer a\r\n")
    async with fronted([answer], [go, length(b"x")], coalesce={}) as (upstream, proxy):
        assert (await proxy.ask(get())).body == b"x"
        shared = watched(proxy, Coalesce)[0]
        first = asyncio.ensure_future(proxy.ask(logged_in))
        await upstream.until(lambda: len(upstream.requests) == 2)
        second = asyncio.ensure_future(proxy.ask(logged_in))
        await upstream.until(lambda: shared.counts["joined"] or shared.bypassed)
        go.set()
        await asyncio.gather(first, second)
        assert (shared.counts["joined"], dict(shared.bypassed)) == (1, {})
