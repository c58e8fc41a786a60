"""Towards the upstream: end-to-end fields byte for byte, hop-by-hop fields gone (RFC 9110 7.6)."""

import re
from typing import Any

import pytest

from tests.support.message import get, post
from tests.support.proxy import fronted, proxied
from tests.support.upstream import RawUpstream, Request

OURS = (b"via", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded")
IDENTITY = (b"x-request-id", b"traceparent")
TRUSTING = {"server": {"trusted_proxies": ["127.0.0.0/8"]}}


async def sent(request: bytes, **options: Any) -> Request:
    """What the upstream gets of this request."""
    async with fronted(**options) as (upstream, proxy):
        response = await proxy.ask(request)
        assert response.status == 200, response.body
        assert len(upstream.requests) == 1
        return upstream.requests[0]


def passed(request: Request) -> list[bytes]:
    """The field lines that are not Host, framing or ours."""
    ours = (*OURS, *IDENTITY, b"host", b"content-length", b"transfer-encoding")
    lines = (line.partition(b":") for line in request.head.lines)
    return [k + b": " + v.strip(b" \t") for k, _, v in lines if k.lower() not in ours]


@pytest.mark.parametrize(
    "fields",
    [
        [b"X-B: 1", b"x-a: 2", b"X-B: 3", b"X-A: 4", b"x-b: 5"],
        [
            b"aCCept: */*",
            b"USER-AGENT: me",
            b"accept-ENCODING: br",
            b"etag: x",
            b"WWW-authenticate: y",
        ],
        [b"X-Latin: caf\xe9", b"X-Utf: caf\xc3\xa9", b"X-High: \x80\xff"],
        [b"X-Empty: ", b"X-Inner: a  b\tc"],
        [b"Cookie: a=1; b=2", b"Cookie: c=3", b"Authorization: Basic eDp5"],
        [b"Accept: text/html", b"Accept: application/json;q=0.9"],
        [b"Content-Encoding: gzip", b"Content-Type: a/b", b"Range: bytes=0-1", b'If-Range: "x"'],
        [b"!#$%&'*+-.^_`|~09: odd name"],
        [b"X-Long: " + b"v" * 6000],
        [b"X-%d: %d" % (i, i) for i in range(120)],
        [b"Max-Forwards: 3", b"Priority: u=1", b"Expect-CT: x", b"Alt-Used: y", b"Early-Data: 1"],
    ],
    ids=lambda fields: fields[0][:20].decode("latin-1"),
)
async def test_an_end_to_end_field_goes_through_byte_for_byte(fields: list[bytes]) -> None:
    request = await sent(get(fields=b"".join(line + b"\r\n" for line in fields)))
    assert passed(request) == fields


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        (b"Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n", []),
        (b"Proxy-Connection: keep-alive\r\n", []),
        (b"TE: deflate\r\nConnection: TE\r\n", []),
        # and is made anew, of what we can do ourselves
        (
            b"TE: trailers, deflate\r\nConnection: TE\r\n",
            [b"TE: trailers", b"Connection: TE"],
        ),
        (b"Trailer: X-T\r\n", []),
        (b"Proxy-Authorization: Basic eDp5\r\nProxy-Authenticate: Basic\r\n", []),
        (b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n", []),
        # RFC 9110 7.6.1: every token of every Connection field
        (b"Connection: X-Gone , close\r\nX-Gone: 1\r\nX-Kept: 2\r\nx-gone: 3\r\n", [b"X-Kept: 2"]),
        (b"Connection: a\r\nX-Kept: 1\r\nconnection:b\r\nA: 1\r\nB: 2\r\n", [b"X-Kept: 1"]),
        (b"Connection: ,,X-A,,\r\nX-A: 1\r\n", []),
    ],
)
async def test_a_hop_by_hop_field_ends_here(fields: bytes, left: list[bytes]) -> None:
    assert passed(await sent(get(fields=fields))) == left


@pytest.mark.parametrize(
    "name", ["Authorization", "Cookie", "Content-Type", "Accept", "User-Agent", "Range", "If-Match"]
)
async def test_connection_cannot_take_away_what_matters(name: str) -> None:
    line = b"%s: kept" % name.encode()
    request = await sent(get(fields=b"Connection: %s\r\n%s\r\n" % (name.lower().encode(), line)))
    assert passed(request) == [line]


@pytest.mark.parametrize(
    "name", ["Host", "X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "Via", "X-Request-Id"]
)
async def test_connection_cannot_take_away_what_we_say(name: str) -> None:
    request = await sent(get(fields=b"Connection: %s\r\n" % name.encode()))
    assert len(request.head.values(name)) == 1


async def test_connection_cannot_take_the_length_away() -> None:
    request = await sent(post(b"hello", fields=b"Connection: Content-Length\r\n"))
    assert (request.head.value("Content-Length"), request.body) == (b"5", b"hello")


@pytest.mark.parametrize(
    ("request_", "extra"),
    [(get(), set()), (post(b"x"), {b"content-length"}), (post(b""), {b"content-length"})],
    ids=["get", "post", "empty post"],
)
async def test_nothing_is_added_that_the_client_did_not_send(
    request_: bytes, extra: set[bytes]
) -> None:
    request = await sent(request_)
    names = [name.lower() for name in request.head.names()]
    assert sorted(names) == sorted({b"host", *OURS, *IDENTITY, *extra})
    assert names[0] == b"host"  # RFC 9110 7.2: first, as good practice


@pytest.mark.parametrize(
    "host", [b"proxy.test", b"PROXY.test:8080", b"[::1]:80", b"127.0.0.1", b"a_b"]
)
async def test_host_is_preserved(host: bytes) -> None:
    assert (await sent(get(host=host))).head.value("Host") == host


async def test_host_can_be_the_upstream_s_own_or_a_name() -> None:
    async with RawUpstream() as upstream:
        for option, host in (("upstream", f"127.0.0.1:{upstream.port}"), ("api.test", "api.test")):
            async with proxied(upstream, upstream_options={"host_header": option}) as proxy:
                await proxy.ask(get())
            assert upstream.requests[-1].head.value("Host") == host.encode()


async def test_a_client_is_named_to_the_upstream() -> None:
    head = (await sent(get(host=b"proxy.test:81"))).head
    assert head.value("X-Forwarded-For") == b"127.0.0.1"
    assert head.value("X-Forwarded-Proto") == b"http"
    assert head.value("X-Forwarded-Host") == b"proxy.test:81"
    # RFC 7239 4: a host with a port is quoted
    assert head.value("Forwarded") == b'for=127.0.0.1;host="proxy.test:81";proto=http'


FORGED = (
    b"X-Forwarded-For: 6.6.6.6\r\nx-forwarded-for: 7.7.7.7\r\nX-Forwarded-Proto: https\r\n"
    b"X-Forwarded-Host: evil.test\r\nForwarded: for=6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\n"
    b"X-Forwarded-Port: :77:\r\nX-Forwarded-Server: evil\r\nX-Forwarded-Prefix: /evil\r\n"
)


async def test_a_client_that_is_not_trusted_cannot_forge_who_it_is() -> None:
    request = await sent(get(fields=FORGED))
    for forged in (b"6.6.6.6", b"7.7.7.7", b"evil", b"https", b":77:"):
        assert forged not in request.head.raw
    assert request.head.value("X-Forwarded-For") == b"127.0.0.1"


async def test_a_trusted_proxy_is_believed_and_appended_to() -> None:
    fields = (
        b"X-Forwarded-For: 6.6.6.6, 127.9.9.9\r\nX-Forwarded-Proto: https\r\n"
        b"X-Forwarded-Host: public.test\r\nForwarded: for=6.6.6.6;proto=https\r\n"
    )
    async with fronted(**TRUSTING) as (upstream, proxy):
        await proxy.ask(get(fields=fields))
        head = upstream.requests[0].head
        assert head.value("X-Forwarded-For") == b"6.6.6.6, 127.9.9.9, 127.0.0.1"
        assert head.value("X-Forwarded-Proto") == b"https"
        assert head.value("X-Forwarded-Host") == b"public.test"
        assert (head.value("Forwarded") or b"").startswith(
            b"for=6.6.6.6;proto=https, for=127.0.0.1"
        )
        assert (await proxy.record()).client == "6.6.6.6"


@pytest.mark.parametrize("client", [b"", b"Via: 1.0 fred, 1.1 p.example.net (x)\r\n"])
async def test_via_is_appended(client: bytes) -> None:
    values = b", ".join((await sent(get(fields=client))).head.values("Via"))
    before = client.removeprefix(b"Via: ").strip() + b", " if client else b""
    assert re.fullmatch(re.escape(before) + rb"1\.1 sidecar-proxy-[0-9a-f]{8}", values)


async def test_via_says_which_version_the_client_spoke() -> None:
    request = await sent(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")  # RFC 9110 7.6.3
    assert (request.head.value("Via") or b"").startswith(b"1.0 sidecar-proxy-")
    assert request.line == b"GET / HTTP/1.1"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (b"abc-123", True),
        (b"x" * 128, True),
        (b"x" * 129, False),
        (b"two words", False),
        (b"", False),
        (b"caf\xe9", False),
    ],
)
async def test_a_request_id_is_kept_or_made_and_told_to_both_sides(
    given: bytes, kept: bool
) -> None:
    async with fronted() as (upstream, proxy):
        response = await proxy.ask(get(fields=b"x-request-id: %s\r\n" % given))
        told = upstream.requests[0].head.value("X-Request-Id")
        assert told == response.value("X-Request-Id") == (await proxy.record()).request_id.encode()
        assert told is not None
        if kept:
            assert told == given
        else:
            assert re.fullmatch(rb"[0-9a-f]{32}", told)


TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("given", "kept"),
    [(TRACE, True), (None, False), (b"00-zz", False), (TRACE.replace(b"b7", b"B7"), False),
     (b"00-" + b"0" * 32 + b"-b7ad6b7169203331-01", False)],
)  # fmt: skip
async def test_a_traceparent_is_kept_or_made(given: bytes | None, kept: bool) -> None:
    fields = b"" if given is None else b"traceparent: %s\r\n" % given
    told = (await sent(get(fields=fields))).head.value("traceparent")
    assert told is not None
    assert re.fullmatch(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", told)
    assert (told == given) is kept


async def test_two_requests_have_ids_of_their_own() -> None:
    async with fronted() as (upstream, proxy):
        for _ in range(8):
            await proxy.ask(get())
        for name in ("X-Request-Id", "traceparent"):
            assert len({request.head.value(name) for request in upstream.requests}) == 8


async def test_a_route_s_rules_are_applied_to_the_request() -> None:
    rules = {
        "set": {"X-Set": "{client_addr} {host}", "x-old": "new"},
        "add": {"X-Add": "{request_id}"},
        "remove": ["X-Bad"],
    }
    routes = [{"upstream": "api", "request_headers": rules}]
    fields = b"X-Old: 1\r\nX-Bad: 2\r\nX-Add: 3\r\nX-Request-Id: me\r\nx-OLD: 4\r\n"
    request = await sent(get(fields=fields), routes=routes)
    assert request.head.value("X-Set") == b"127.0.0.1 proxy.test"
    assert request.head.value("X-Old") == b"new"
    assert request.head.values("X-Add") == [b"3", b"me"]
    assert request.head.value("X-Bad") is None


async def test_the_upstream_s_credentials_replace_the_client_s() -> None:
    options = {"upstream_options": {"credentials": {"value": "Bearer ours"}}}
    request = await sent(get(fields=b"Authorization: Bearer theirs\r\n"), **options)
    assert request.head.value("Authorization") == b"Bearer ours"
