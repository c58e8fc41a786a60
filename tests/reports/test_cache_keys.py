"""No stored reply goes to somebody else, whatever fields the requests tell themselves apart by."""

from typing import Any

import pytest

from tests.support.message import get, length, post
from tests.support.proxy import proxied
from tests.support.upstream import RawUpstream

TRUSTING = {"trusted_proxies": ["127.0.0.0/8"]}
FRESH = b"Cache-Control: max-age=60\r\n"


def numbered(count: int, fields: bytes = FRESH) -> list[list[bytes]]:
    """Replies that can be told apart."""
    return [[length(b"%d" % number, fields=fields)] for number in range(count)]


async def bodies(upstream: RawUpstream, requests: list[bytes], **tables: Any) -> list[bytes]:
    """The answers to requests that come one after the other."""
    async with upstream, proxied(upstream, **{"cache": {}, **tables}) as proxy:
        return [(await proxy.ask(request)).body for request in requests]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"X-Forwarded-Host: site1", b"X-Forwarded-Host: site2"),
        (b"X-Forwarded-Prefix: /a", b"X-Forwarded-Prefix: /b"),
        (b"X-Forwarded-Port: 81", b"X-Forwarded-Port: 82"),
        (b"X-Forwarded-Server: a", b"X-Forwarded-Server: b"),
        (b"X-Forwarded-Proto: http", b"X-Forwarded-Proto: junk"),
        (b"Forwarded: for=192.0.2.1;host=site1", b"Forwarded: for=192.0.2.1;host=site2"),
    ],
)
async def test_what_a_trusted_proxy_says_of_the_address_is_part_of_it(
    one: bytes, other: bytes
) -> None:
    requests = [get(fields=field + b"\r\n") for field in (one, other, one, other)]
    for families in ("both", "x" if one[:1] == b"X" else "forwarded"):
        server = {**TRUSTING, "forwarded": families}
        found = await bodies(RawUpstream(*numbered(4)), requests, server=server)
        assert found == [b"0", b"1", b"0", b"1"], families


async def test_who_is_in_front_of_a_trusted_proxy_chooses_nothing() -> None:
    requests = [
        get(fields=b"X-Forwarded-For: 192.0.2.%d\r\nForwarded: for=192.0.2.%d\r\n" % (each, each))
        for each in range(2)
    ]
    assert await bodies(RawUpstream(*numbered(2)), requests, server=TRUSTING) == [b"0", b"0"]


async def test_nobody_else_is_believed() -> None:
    requests = [get(fields=b"X-Forwarded-Host: site%d\r\n" % each) for each in range(2)]
    assert await bodies(RawUpstream(*numbered(2)), requests) == [b"0", b"0"]


async def test_a_post_removes_what_is_stored_for_its_address() -> None:
    field = b"X-Forwarded-Host: site1\r\n"
    requests = [get(fields=field), post(fields=field), get(fields=field)]
    found = await bodies(RawUpstream(*numbered(3)), requests, server=TRUSTING)
    assert found == [b"0", b"1", b"2"]


@pytest.mark.parametrize(
    "name",
    [
        "X-Authorization",
        "X-Amzn-Oidc-Identity",
        "X-Amzn-Oidc-Data",
        "X-Amzn-Oidc-Accesstoken",
        "X-MS-CLIENT-PRINCIPAL",
        "X-MS-CLIENT-PRINCIPAL-ID",
        "Cf-Access-Authenticated-User-Email",
        "Cf-Access-Jwt-Assertion",
        "X-Goog-Authenticated-User-Email",
        "X-Goog-Authenticated-User-Id",
        "X-Goog-Iap-Jwt-Assertion",
        "X-Pomerium-Claim-Email",
        "X-Pomerium-Jwt-Assertion",
        "X-Authentik-Username",
        "Remote-User",
        "Remote-Name",
        "X-Remote-User",
        "X-Remote-User-Id",
        "Tailscale-User-Login",
        "X-WebAuth-User",
        "X-Consumer-Username",
        "X-Authenticated-Userid",
        "X-Auth-Request-User",
        "X-Auth-Request-Groups",
        "X-Token",
        "X-Id-Token",
        "X-SSL-Client-S-DN",
        "X-ARR-ClientCert",
        "X-Amzn-Mtls-Clientcert-Subject",
        "DPoP",
        "X-Client-Cert-Subject",
        "X-User",
        "X-Username",
        "X-Tenant-Id",
        "X-Scope-OrgID",
        "OpenAI-Organization",
        "Impersonate-User",
        "X_Api_Key",
    ],
)
async def test_who_asks_gets_an_entry_of_his_own(name: str) -> None:
    fields = [b"%b: %b\r\n" % (name.encode(), who) for who in (b"alice", b"bob")]
    requests = [get(fields=fields[0]), get(fields=fields[1]), get(), get(fields=fields[0])]
    upstream = RawUpstream(*numbered(4, b""))
    found = await bodies(upstream, requests, server=TRUSTING, cache={"ttl": "1m"})
    assert found == [b"0", b"1", b"2", b"0"]


@pytest.mark.parametrize(
    "name",
    [
        "User-Agent",
        "X-Amz-User-Agent",
        "Sec-Fetch-User",
        "Idempotency-Key",
        "X-Request-Id",
        "X-Real-IP",
        "Remote-Addr",
        "Traceparent",
        "Accept",
        "Referer",
    ],
)
async def test_what_says_nothing_of_who_asks_costs_no_hit(name: str) -> None:
    requests = [get(fields=b"%b: %d\r\n" % (name.encode(), number)) for number in range(2)]
    upstream = RawUpstream(*numbered(2, b""))
    assert await bodies(upstream, requests, cache={"ttl": "1m"}) == [b"0", b"0"]


@pytest.mark.parametrize(
    "name",
    [
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Host",
        "X-Original-Host",
        "X-HTTP-Method-Override",
        "X-Method-Override",
        "X_Original_URL",
        "Forwarded-Host",
        "X-Forward-Host",
        "Host-Override",
        "X-Host-Override",
        "Fastly-Host",
        "X-MS-Original-Url",
        "X-Envoy-Original-Path",
        "X-Request-Uri",
        "X-Override-URL",
        "CloudFront-Forwarded-Proto",
        "x-invoke-path",
        "x-matched-path",
        "X-Script-Name",
    ],
)
async def test_what_some_servers_take_for_the_address_is_part_of_it(name: str) -> None:
    requests = [get(fields=b"%b: %b\r\n" % (name.encode(), to)) for to in (b"/a", b"/b", b"/a")]
    assert await bodies(RawUpstream(*numbered(3)), [get(), *requests]) == [b"0", b"1", b"2", b"1"]


async def test_the_script_that_a_trusted_proxy_names_is_part_of_the_address() -> None:
    fields = [b"SCRIPT_NAME: /%d\r\n" % number for number in (1, 2, 1)]
    requests = [get("/1/2", fields=each) for each in fields]
    found = await bodies(RawUpstream(*numbered(3)), requests, server=TRUSTING)
    assert found == [b"0", b"1", b"0"]
    assert await bodies(RawUpstream(*numbered(3)), requests) == [b"0", b"0", b"0"]


async def test_what_browsers_send_of_each_page_costs_no_hit() -> None:
    fields = (
        b"Referer: https://a.test/%d\r\nOrigin: https://%d.test\r\nSec-Fetch-Site: cross-site%d\r\n"
        b"HX-Current-URL: https://a.test/%d\r\nDNT: %d\r\nX-Request-Id: %d\r\n"
        b"traceparent: 00-%032x-00000000000000ab-01\r\nSec-CH-Prefers-Color-Scheme: %d\r\n"
    )
    requests = [get(fields=fields % ((number,) * 8)) for number in (1, 2)]
    found = await bodies(RawUpstream(*numbered(2, b"")), requests, cache={"ttl": "1m"})
    assert found == [b"0", b"0"]


async def test_long_values_that_vary_are_not_kept() -> None:
    big = [b"X-Big: %b%d\r\n" % (b"b" * 8000, number) for number in range(2)]
    requests = [get(fields=field) for field in (big[0], big[1], big[0], big[1])]
    upstream = RawUpstream(*numbered(4, FRESH + b"Vary: X-Big\r\n"))
    assert await bodies(upstream, requests) == [b"0", b"1", b"0", b"1"]


@pytest.mark.parametrize("field", ["Cache-Control", "CDN-Cache-Control"])
@pytest.mark.parametrize(
    "said", ["private=", 'private=""', 'private=", "', "no-cache=", 'no-cache=""']
)
async def test_a_directive_that_names_no_field_is_about_the_whole(field: str, said: str) -> None:
    fields = f"{field}: max-age=60, {said}\r\n".encode()
    upstream = RawUpstream(*numbered(2, fields))
    assert await bodies(upstream, [get(), get()]) == [b"0", b"1"]


async def test_a_post_whose_reply_breaks_has_changed_something() -> None:
    whole = numbered(2)
    cut = [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "fin"]
    requests = [get(), post(b"x"), get()]
    found = await bodies(RawUpstream(whole[0], cut, whole[1]), requests)
    assert [found[0], found[2]] == [b"0", b"1"]


@pytest.mark.parametrize("host", [b"proxy.test:80", b"PROXY.test"])
async def test_a_post_removes_what_is_stored_of_the_same_origin(host: bytes) -> None:
    requests = [get(), post().replace(b"proxy.test", host), get()]
    assert await bodies(RawUpstream(*numbered(3)), requests) == [b"0", b"1", b"2"]


async def test_a_post_that_reached_nobody_removes_nothing() -> None:
    found = await bodies(
        RawUpstream(*numbered(1), ["rst"]), [get(), post(b"x"), get()], retry={"attempts": 1}
    )
    assert [found[0], found[2]] == [b"0", b"0"]
