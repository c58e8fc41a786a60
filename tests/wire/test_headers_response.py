"""Towards the client: end-to-end fields byte for byte, nothing of ours but what we promise."""

import re
from typing import Any

import pytest

from tests.support.client import Response
from tests.support.message import get
from tests.support.proxy import fronted

DATE = b"Date: Tue, 15 Nov 1994 08:12:31 GMT"
OURS = (b"via", b"x-request-id", b"date", b"content-length")


async def told(
    head: bytes, body: bytes = b"ok", request: bytes = get(), **options: Any
) -> Response:
    """What the client gets of this reply."""
    framed = b"%s\r\nContent-Length: %d\r\n\r\n%s" % (head, len(body), body)
    async with fronted([framed], **options) as (_, proxy):
        response = await proxy.ask(request)
        assert (response.ended, response.body) == ("complete", body)
        return response


def passed(response: Response) -> list[bytes]:
    """The field lines that are not ours."""
    lines = (line.partition(b":") for line in response.lines)
    return [k + b": " + v.strip(b" \t") for k, _, v in lines if k.lower() not in OURS]


@pytest.mark.parametrize(
    "fields",
    [
        [b"X-B: 1", b"x-a: 2", b"X-B: 3", b"x-b: 4"],
        [b"Set-Cookie: a=1; Path=/", b"set-cookie: b=2", b"Set-Cookie: a=3"],  # RFC 6265 3
        [b'etag: "x"', b"WWW-authenticate: Basic", b"CONTENT-type: text/plain", b"Server: theirs"],
        [b"X-Latin: caf\xe9", b"X-Utf: caf\xc3\xa9", b"X-High: \x80\xff"],
        [b"X-Empty: ", b"X-Inner: a  b\tc"],
        [
            b"Content-Encoding: gzip",
            b"Vary: *",
            b"Vary: Accept",
            b"Age: 5",
            b"Accept-Ranges: bytes",
        ],
        [b"Location: /x?y=%2F", b"Link: </a>; rel=b, </c>; rel=d"],
        [b"Cache-Control: no-store", b"Pragma: x", b'Warning: 199 - "w"', b"Alt-Svc: clear"],
        [b"X-Long: " + b"v" * 12000],
        [b"X-%d: %d" % (i, i) for i in range(200)],
        [b"Proxy-Status: other; error=dns_error"],  # RFC 9209 2: intermediaries further in
    ],
    ids=lambda fields: fields[0][:20].decode("latin-1"),
)
async def test_an_end_to_end_field_comes_back_byte_for_byte(fields: list[bytes]) -> None:
    response = await told(b"\r\n".join([b"HTTP/1.1 200 OK", *fields]))
    assert passed(response) == fields


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        (b"Connection: keep-alive\r\nKeep-Alive: timeout=5", []),
        (b"Proxy-Connection: keep-alive", []),
        (b"Trailer: X-T\r\nTE: trailers", []),
        (b"Proxy-Authenticate: Basic\r\nProxy-Authorization: x", []),
        (b"Connection: X-Gone\r\nX-Gone: 1\r\nX-Kept: 2", [b"X-Kept: 2"]),
        (b"Connection: a\r\nX-Kept: 1\r\nCONNECTION: b\r\nA: 1\r\nB: 2", [b"X-Kept: 1"]),
        (b"Connection: Set-Cookie\r\nSet-Cookie: a=1", [b"Set-Cookie: a=1"]),
    ],
)
async def test_a_hop_by_hop_field_of_a_reply_ends_here(fields: bytes, left: list[bytes]) -> None:
    assert passed(await told(b"HTTP/1.1 200 OK\r\n" + fields)) == left


async def test_connection_cannot_take_the_length_of_a_reply_away() -> None:
    response = await told(b"HTTP/1.1 200 OK\r\nConnection: content-length")
    assert response.value("Content-Length") == b"2"


async def test_nothing_of_ours_is_added_but_what_is_promised() -> None:
    response = await told(b"HTTP/1.1 200 OK")
    names = sorted(name.lower() for name in response.head.names())
    assert names == [b"content-length", b"date", b"via", b"x-request-id"]
    assert re.fullmatch(rb"1\.1 sidecar-proxy-[0-9a-f]{8}", response.value("Via") or b"")
    gmt = rb"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"  # RFC 9110 5.6.7
    assert re.fullmatch(gmt, response.value("Date") or b"")


@pytest.mark.parametrize("line", [DATE, b"date: yesterday"])
async def test_a_date_of_the_upstream_s_stays(line: bytes) -> None:
    response = await told(b"HTTP/1.1 200 OK\r\n" + line)  # RFC 9110 6.6.1: added only if missing
    assert [field for field in response.lines if field.lower().startswith(b"date")] == [line]


async def test_via_of_a_reply_is_appended_to() -> None:
    response = await told(b"HTTP/1.1 200 OK\r\nVia: 1.1 inner")
    values = b", ".join(response.values("Via"))
    assert re.fullmatch(rb"1\.1 inner, 1\.1 sidecar-proxy-[0-9a-f]{8}", values)


async def test_a_request_id_of_the_upstream_s_does_not_stand_beside_ours() -> None:
    response = await told(
        b"HTTP/1.1 200 OK\r\nx-request-id: theirs", request=get(fields=b"X-Request-Id: mine\r\n")
    )
    assert response.value("X-Request-Id") == b"mine"


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200 Fine by me",
        b"HTTP/1.1 200 ",
        b"HTTP/1.1 201 caf\xe9",
        b"HTTP/1.1 206 Partial Content",
        b"HTTP/1.1 301 Moved",
        b"HTTP/1.1 418 I'm a teapot",
        b"HTTP/1.1 599 Odd",
        b"HTTP/1.1 999 Odd",
    ],
)
async def test_the_status_line_comes_back_byte_for_byte(line: bytes) -> None:
    assert (await told(line)).head.first == line


async def test_a_status_line_of_http_1_0_comes_back_as_1_1() -> None:
    response = await told(b"HTTP/1.0 200 OK")  # RFC 9112 2.3: our own version
    assert response.head.first == b"HTTP/1.1 200 OK"


async def test_a_redirect_is_the_client_s_to_follow() -> None:
    response = await told(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/")
    assert (response.status, response.value("Location")) == (302, b"http://127.0.0.1:1/")


async def test_cookies_of_one_client_are_not_sent_for_another() -> None:
    reply = b"HTTP/1.1 200 OK\r\nSet-Cookie: session=secret\r\nContent-Length: 0\r\n\r\n"
    async with fronted([reply]) as (upstream, proxy):
        await proxy.ask(get())
        await proxy.ask(get())
        assert upstream.requests[1].head.values("Cookie") == []


async def test_a_gzipped_body_stays_as_it_is() -> None:
    body = b"\x1f\x8b\x08\x00 not really"
    response = await told(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip", body)
    assert response.value("Content-Length") == b"%d" % len(body)


async def test_a_route_s_rules_are_applied_to_the_reply() -> None:
    rules = {"set": {"X-Set": "{request_id}"}, "add": {"X-Add": "2"}, "remove": ["Server"]}
    response = await told(
        b"HTTP/1.1 200 OK\r\nServer: theirs\r\nX-Add: 1\r\nx-set: old",
        request=get(fields=b"X-Request-Id: me\r\n"),
        routes=[{"upstream": "api", "response_headers": rules}],
    )
    assert response.value("X-Set") == b"me"
    assert response.values("X-Add") == [b"1", b"2"]
    assert response.value("Server") is None


@pytest.mark.parametrize("on", [True, False])
async def test_server_timing_is_told_where_it_is_wanted(on: bool) -> None:
    response = await told(b"HTTP/1.1 200 OK", server={"server_timing": on})
    assert bool(response.values("Server-Timing")) is on
