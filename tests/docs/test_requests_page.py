"""The page on requests: each row of its table, and what it says of targets, methods and clients."""

from pathlib import Path

import pytest

from tests.support.message import get
from tests.support.proxy import dialled, fronted

PAGE = Path("docs/requests.md").read_text(encoding="utf-8")
LIMIT = 16 << 10


def head(*lines: bytes, first: bytes = b"GET / HTTP/1.1", host: bytes = b"Host: a") -> bytes:
    return b"\r\n".join([first, *filter(None, [host]), *lines, b"", b""])


def post(*lines: bytes, body: bytes = b"") -> bytes:
    return head(*lines, first=b"POST / HTTP/1.1") + body


CHUNKED = b"Transfer-Encoding: chunked"
REFUSED: dict[str, list[tuple[bytes, int]]] = {
    # the row, and requests with the status of each
    "request line that is not": [
        (head(first=line), 400)
        for line in (
            *(b"GET  / HTTP/1.1", b"GET /  HTTP/1.1", b"GET\t/ HTTP/1.1", b"GET / RTSP/1.0"),
            *(b"GET / ICE/1.0", b"GET / HTTP/2.0", b"GET /", b"M" * 33 + b" / HTTP/1.1"),
        )
    ],
    "a target that has a fragment": [
        (head(first=b"GET %b HTTP/1.1" % target), 400)
        for target in (
            *(b"/a#x", b"http://u:p@a/x", b"http:///x", b"http://a:99999/x", b"a", b"ftp://a/x"),
            *(b"", b"*"),
        )
    ],
    "a bare CR or LF": [
        (head(b"A: a\nB: b"), 400),
        (head(b"A: a\rb"), 400),
        (head(b"A: a\0b"), 400),
        (head(b"A: a\x01"), 400),
        (post(CHUNKED, body=b"1\n\r\na\r\n0\r\n\r\n"), 400),
        (post(CHUNKED, body=b"0\r\nA: a\0\r\n\r\n"), 400),
    ],
    "a space before a colon": [
        (head(b"A : a"), 400),
        (head(b"A: a", b" b"), 400),
        (head(b": a"), 400),
    ],
    "`Content-Length` twice": [
        (post(b"Content-Length: 1", b"Content-Length: 1", body=b"a"), 400),
        (post(b"Content-Length: +1", body=b"a"), 400),
        (post(b"Content-Length: 9223372036854775808"), 400),
        (post(b"Content-Length: 1", CHUNKED, body=b"0\r\n\r\n"), 400),
    ],
    "`Transfer-Encoding` twice": [
        (post(CHUNKED, CHUNKED, body=b"0\r\n\r\n"), 400),
        (head(CHUNKED, first=b"POST / HTTP/1.0") + b"0\r\n\r\n", 400),
        (post(b"Transfer-Encoding: chunked, gzip", body=b"0\r\n\r\n"), 400),
    ],
    "a transfer coding other than": [
        (post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), 501),
    ],
    "`Content_Length`": [
        (post(b"Content_Length: 1", body=b"a"), 400),
        (post(b"Transfer_Encoding: chunked", body=b"0\r\n\r\n"), 400),
    ],
    "a chunk's size that": [
        (post(CHUNKED, body=b"zz\r\n"), 400),
        (post(CHUNKED, body=b"\r\n"), 400),
        (post(CHUNKED, body=b"00000000000000001\r\na\r\n0\r\n\r\n"), 400),
        (post(CHUNKED, body=b"1\r\nab\r\n0\r\n\r\n"), 400),
        (post(CHUNKED, body=b"1 \r\na\r\n0\r\n\r\n"), 400),
        (post(CHUNKED, body=b"1;\r\na\r\n0\r\n\r\n"), 400),
        (post(CHUNKED, body=b"1;a=\r\na\r\n0\r\n\r\n"), 400),
        (post(CHUNKED, body=b"1;%b\r\na\r\n0\r\n\r\n" % (b"a" * 4096)), 400),
    ],
    "no `Host`": [
        (head(host=b""), 400),
        (head(b"Host: b"), 400),
        (head(host=b"Host: a b"), 400),
        (head(host=b"Host: u@a"), 400),
    ],
    "a request line over": [
        (head(first=b"GET /%b HTTP/1.1" % (b"a" * LIMIT)), 414),
        (head(b"A: %b" % (b"a" * LIMIT)), 431),
        (post(CHUNKED, body=b"0\r\nA: %b\r\n\r\n" % (b"a" * LIMIT)), 431),
    ],
}
TABLE = PAGE.partition("| request | status |\n|---|---|\n")[2].partition("\n\n")[0].splitlines()


def test_every_row_has_its_requests() -> None:
    assert len(TABLE) == len(REFUSED)
    for row, (start, cases) in zip(TABLE, REFUSED.items(), strict=True):
        _, what, statuses, _ = (cell.strip() for cell in row.split("|"))
        assert what.startswith(start)
        assert {str(status) for _, status in cases} == set(statuses.split("; "))


@pytest.mark.parametrize("start", REFUSED)
async def test_what_the_table_says_is_refused(start: str) -> None:
    async with fronted() as (upstream, proxy):
        for request, status in REFUSED[start]:
            response = await proxy.ask(request)
            assert (response.status, response.value("Connection")) == (status, b"close"), request
            assert (response.value("Proxy-Status") or b"").endswith(b"http_request_error")
        assert all(not request.complete for request in upstream.requests)


@pytest.mark.parametrize(
    "request_",
    [
        head(first=b"GET / HTTP/1.2"),
        head(first=b"GET / HTTP/1.9"),
        post(CHUNKED, body=b"1;a=b\r\na\r\n0;c\r\n\r\n"),
        head(first=b"M" * 32 + b" / HTTP/1.1"),
        b"\r\n" + get(),
    ],
)
async def test_what_the_page_says_is_served(request_: bytes) -> None:
    async with fronted() as (_, proxy):
        assert (await proxy.ask(request_)).status == 200


async def test_complete_requests_before_a_malformed_one_are_answered_first() -> None:
    async with dialled() as (_, _, client):
        await client.send(get("/1") + get("/2") + b"GET  / HTTP/1.1\r\n\r\n")
        answers = [(await client.receive()).status for _ in range(3)]
        assert answers == [200, 200, 400]
        assert await client.closed() == "fin"


async def test_what_follows_a_request_whose_reply_ends_the_connection_is_ignored() -> None:
    async with dialled() as (upstream, _, client):
        await client.send(head(b"Connection: close") + b"GET  junk\r\n\r\n" + get("/2"))
        assert (await client.receive()).status == 200
        assert await client.closed() == "fin"
        assert len(upstream.requests) == 1


ABSOLUTE = head(first=b"GET http://b.test/v1?q HTTP/1.1")


@pytest.mark.parametrize("strict", [False, True])
async def test_the_host_of_an_absolute_target_counts(strict: bool) -> None:
    routes = [{"host": "b.test", "upstream": "api"}]
    async with fronted(routes=routes, server={"strict": strict}) as (upstream, proxy):
        assert (await proxy.ask(ABSOLUTE)).status == (400 if strict else 200)
        if not strict:
            (request,) = upstream.requests
            assert request.line == b"GET /v1?q HTTP/1.1"
            assert request.head.value("Host") == b"b.test"


@pytest.mark.parametrize(("strict", "status"), [(False, 200), (True, 400)])
async def test_raw_bytes_pass_unless_strict(strict: bool, status: int) -> None:
    target = "/é".encode()
    async with fronted(server={"strict": strict}) as (upstream, proxy):
        answer = await proxy.ask(head(first=b"GET %b HTTP/1.1" % target))
        assert answer.status == status
        assert [request.line.split(b" ")[1] for request in upstream.requests] == (
            [] if strict else [target]
        )


@pytest.mark.parametrize(
    "target",
    [b"/a/..%2f", b"/a/..;x", b"/a/..%5c", b"/%c0%ae%c0%ae/", b"//..", b"/;x/..", b"/a%2fb/.."],
)
async def test_dot_segments_that_servers_read_differently_are_refused(target: bytes) -> None:
    async with fronted() as (upstream, proxy):
        assert (await proxy.ask(head(first=b"GET %b HTTP/1.1" % target))).status == 400
        assert upstream.requests == []


@pytest.mark.parametrize(
    ("framing", "body", "written"),
    [
        (b"content-length: 002", b"hi", b"Content-Length: 2"),
        (b"transfer-encoding: Chunked", b"2\r\nhi\r\n0\r\n\r\n", b"Transfer-Encoding: chunked"),
    ],
)
async def test_fields_pass_in_their_order_but_for_host_and_what_frames_a_body(
    framing: bytes, body: bytes, written: bytes
) -> None:
    kept = [b"b: 1", b"A:\xe9", b"B: 2", b"date: today"]
    sent = head(kept[0], framing, *kept[1:], first=b"POST / HTTP/1.1", host=b"")
    reply = sent.replace(b"POST / HTTP/1.1", b"HTTP/1.1 200 OK") + body
    request = sent.replace(b"\r\n\r\n", b"\r\nhOst: a\r\n\r\n") + body
    passed = [b"b: 1", b"A: \xe9", b"B: 2", b"date: today"]
    async with fronted(["wait-body", reply]) as (upstream, proxy):
        response = await proxy.ask(request)
        assert response.body == b"hi"
        assert response.lines[:4] == passed
        assert response.lines[-1] == written
        (request_,) = upstream.requests
        assert request_.head.lines[:5] == [b"Host: a", *passed]
        assert request_.head.lines[-1] == written


async def test_methods_are_as_the_page_says() -> None:
    async with fronted() as (upstream, proxy):
        for method in (b"CONNECT a:1", b"TRACE /", b"TRACK /"):
            assert (await proxy.ask(head(first=method + b" HTTP/1.1"))).status == 405
        options = head(b"Max-Forwards: 0", first=b"OPTIONS * HTTP/1.1")
        answered = await proxy.ask(options)
        assert answered.status == 200
        assert answered.value("Allow")
        assert upstream.requests == []
        counted = head(b"Max-Forwards: 3", first=b"OPTIONS / HTTP/1.1")
        assert (await proxy.ask(counted)).status == 200
        assert upstream.requests[0].head.value("Max-Forwards") == b"2"
        assert (await proxy.ask(head(first=b"BREW / HTTP/1.1"))).status == 200


async def test_trace_is_answered_here_without_credentials_where_a_route_names_it() -> None:
    routes = [{"methods": ["TRACE"], "upstream": "api"}]
    async with fronted(routes=routes) as (upstream, proxy):
        request = head(b"Max-Forwards: 0", b"Authorization: secret", first=b"TRACE /x HTTP/1.1")
        answered = await proxy.ask(request)
        assert answered.status == 200
        assert b"TRACE /x HTTP/1.1" in answered.body
        assert b"secret" not in answered.body
        assert upstream.requests == []


FOREIGN = [
    b"X-Forwarded-For: 6.6.6.6",
    b"X-Forwarded-Proto: https",
    b"X-Forwarded-Host: evil",
    b"Forwarded: for=6.6.6.6",
    b"X-Real-IP: 6.6.6.6",
    b"True-Client-IP: 6.6.6.6",
]


async def test_a_stranger_says_nothing_about_who_it_is() -> None:
    async with fronted() as (upstream, proxy):
        assert (await proxy.ask(head(*FOREIGN))).status == 200
        (request,) = upstream.requests
        assert request.head.value("X-Forwarded-For") == b"127.0.0.1"
        assert request.head.value("X-Forwarded-Proto") == b"http"
        assert request.head.value("X-Forwarded-Host") == b"a"
        assert b"127.0.0.1" in (request.head.value("Forwarded") or b"")
        assert request.head.value("X-Real-IP") is None
        assert request.head.value("True-Client-IP") == b"6.6.6.6"
        assert (await proxy.record()).client == "127.0.0.1"


async def test_of_what_a_trusted_proxy_says_the_last_stranger_is_the_client() -> None:
    trusted = {"trusted_proxies": ["127.0.0.1/32", "10.0.0.0/8"]}
    fields = [b"X-Forwarded-For: 6.6.6.6, 192.0.2.7, 10.0.0.9", b"Forwarded: for=7.7.7.7"]
    async with fronted(server=trusted) as (upstream, proxy):
        assert (await proxy.ask(head(*fields))).status == 200
        assert (await proxy.record()).client == "192.0.2.7"  # X-Forwarded-For counts
        told = upstream.requests[0].head.value("X-Forwarded-For") or b""
        assert told.replace(b" ", b"") == b"6.6.6.6,192.0.2.7,10.0.0.9,127.0.0.1"


@pytest.mark.parametrize("kind", ["both", "x", "forwarded", "off"])
async def test_one_family_of_fields_or_both_may_be_left_out(kind: str) -> None:
    async with fronted(server={"forwarded": kind}) as (upstream, proxy):
        assert (await proxy.ask(get())).status == 200
        names = {name.lower() for name in upstream.requests[0].head.names()}
        assert (b"x-forwarded-for" in names) is (kind in ("both", "x"))
        assert (b"forwarded" in names) is (kind in ("both", "forwarded"))
