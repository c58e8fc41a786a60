"""Redirects of an upstream that is spoken to over http and told that its client uses https.

Kind: an application that believes X-Forwarded-Proto but takes its own Host writes
``https://ITS-HOST/path``, which is neither its own address nor its client's.
"""

import pytest

from proxy.core.exchange import Exchange
from proxy.http.fields import RawHeaders
from proxy.middleware.cache.invalidation import targets
from proxy.middleware.rewrite.locations import LocationRewriter
from tests.support.authority import Authority
from tests.support.message import get, length
from tests.support.proxy import fronted, proxied
from tests.support.tls_client import client_of, encrypted
from tests.support.upstream import RawUpstream

ORIGINS = ("http://10.0.0.1:9000", "http://api.internal", "http://[fd00::1]:9000", "https://s.test")
HTTPS = ((b"X-Forwarded-Proto", b"https"),)
PORT = (*HTTPS, (b"X-Forwarded-Port", b"8443"))
DEFAULT_PORT = (*HTTPS, (b"X-Forwarded-Port", b"443"))
STANDARD = ((b"Forwarded", b'for=192.0.2.1;host=client.test;proto="HTTPS"'),)
HTTP = ((b"X-Forwarded-Proto", b"http"),)


def exchange(
    told: RawHeaders, scheme: str, target: bytes = b"/asked", method: str = "GET"
) -> Exchange:
    return Exchange(method, target, told, target, path="/asked", host="client.test", scheme=scheme)


CASES = [
    # what was told, the client's scheme, what the upstream says, what the client is told
    (HTTPS, "https", "https://10.0.0.1:9000/a?b#c", "https://client.test/a?b#c"),
    (HTTPS, "https", "http://10.0.0.1:9000/a", "https://client.test/a"),
    (HTTPS, "https", "HTTPS://API.internal/a", "https://client.test/a"),
    (HTTPS, "https", "https://api.internal:443/a", "https://client.test/a"),
    (HTTPS, "https", "https://api.internal:80/a", "https://client.test/a"),
    (HTTPS, "https", "https://[fd00::1]:9000/a", "https://client.test/a"),
    (HTTPS, "https", "//api.internal:443/a", "//client.test/a"),
    (STANDARD, "https", "https://api.internal", "https://client.test"),
    (PORT, "https", "https://10.0.0.1:8443/a", "https://client.test/a"),
    (PORT, "https", "https://[fd00::1]:8443/a", "https://client.test/a"),
    (DEFAULT_PORT, "https", "https://10.0.0.1/a", "https://client.test/a"),
    (HTTP, "http", "http://s.test/a", "http://client.test/a"),
    (HTTP, "http", "http://s.test:443/a", "http://client.test/a"),
    # nobody's, or somebody else's
    (HTTPS, "https", "https://10.0.0.1/a", None),
    (HTTPS, "https", "https://10.0.0.1:9001/a", None),
    (HTTPS, "https", "https://api.internal:8080/a", None),
    (HTTPS, "https", "https://10.0.0.1:8443/a", None),
    (PORT, "https", "https://other.test:8443/a", None),
    (HTTPS, "https", "https://user@10.0.0.1:9000/a", None),
    (HTTPS, "https", "https://10.0.0.1:9000.evil.test/a", None),
    (HTTPS, "https", "https://[fd00::2]:9000/a", None),
    # https that nobody was told of: it is asked for
    (HTTP, "http", "https://10.0.0.1:9000/a", None),
    ((), "https", "https://10.0.0.1:9000/a", None),
    ((), "http", "https://10.0.0.1:9000/a", None),
]


@pytest.mark.parametrize(("told", "scheme", "given", "expected"), CASES)
@pytest.mark.parametrize("name", [b"Location", b"Content-Location", b"Refresh"])
def test_the_scheme_that_an_upstream_was_told_is_its_clients(
    told: RawHeaders, scheme: str, given: str, expected: str | None, name: bytes
) -> None:
    before = "0; url=" if name == b"Refresh" else ""
    fields = ((name, f"{before}{given}".encode()),)
    found = LocationRewriter(ORIGINS).apply(fields, exchange(told, scheme), 302)
    assert found[0][1].decode() == before + (given if expected is None else expected)


COOKIE = ((b"Set-Cookie", b"a=b"),)
LOOPS = [
    # what was told, scheme, method, status, other fields, what it says, whether that is changed
    (HTTPS, "https", "GET", 301, (), "https://api.internal/asked", False),
    (HTTPS, "https", "HEAD", 302, (), "https://api.internal/asked#a", False),
    (HTTPS, "https", "POST", 308, (), "https://api.internal/asked", False),
    (HTTPS, "https", "POST", 303, (), "https://api.internal/asked", True),
    (HTTPS, "https", "GET", 302, COOKIE, "https://api.internal/asked", True),
    (HTTPS, "https", "GET", 302, (), "https://api.internal/asked?b", True),
    (HTTPS, "https", "GET", 202, (), "https://api.internal/asked", True),
    (HTTPS, "https", "GET", 302, (), "http://api.internal/asked", True),
    (HTTPS, "https", "GET", 303, (), "https://api.internal/asked", True),
    # It is asked by https already: it lets its client wait, and has no reason to name it again.
    (HTTP, "http", "GET", 301, (), "https://s.test/asked", True),
    (HTTP, "http", "GET", 303, (), "https://s.test/asked", True),
    (HTTP, "http", "GET", 302, COOKIE, "https://s.test/asked", True),
    (HTTP, "http", "GET", 302, (), "https://s.test/other", True),
    ((), "http", "GET", 302, (), "https://s.test/asked", True),
    (HTTPS, "https", "GET", 302, (), "https://s.test/asked", True),
]


@pytest.mark.parametrize(
    ("path", "changed"), [("/v1/asked", False), ("/asked", False), ("/v2/asked", True)]
)
def test_an_upstream_that_knows_its_prefix_leads_in_no_circle_either(
    path: str, changed: bool
) -> None:
    asked = exchange(HTTPS, "https")
    asked.path = "/v1/asked"
    fields = ((b"Location", f"https://api.internal{path}".encode()),)
    found = LocationRewriter(ORIGINS, strip="/v1").apply(fields, asked, 302)
    assert (found is not fields) is changed


def test_of_several_schemes_the_one_that_is_named_is_the_first_clients() -> None:
    """A front has https of its client, and asks the one before this proxy over http."""
    asked = exchange(((b"X-Forwarded-Proto", b"https, http"),), "http")
    fields = ((b"Location", b"https://api.internal/login"),)
    found = LocationRewriter(ORIGINS).apply(fields, asked, 302)
    assert found == [(b"Location", b"https://client.test/login")]


@pytest.mark.parametrize("case", LOOPS, ids=range(len(LOOPS)))
def test_a_redirect_to_https_does_not_lead_back_to_who_asks_for_https(
    case: tuple[RawHeaders, str, str, int, RawHeaders, str, bool],
) -> None:
    told, scheme, method, status, more, given, changed = case
    asked = exchange(told, scheme, method=method)
    fields = ((b"Location", given.encode()), *more)
    found = LocationRewriter(ORIGINS).apply(fields, asked, status)
    assert found[0][1].startswith(b"%b://client.test/" % scheme.encode()) is changed
    assert changed or found is fields


def test_the_target_is_compared_as_the_upstream_sees_it() -> None:
    asked = Exchange(
        "GET", b"/x?y", HTTPS, b"/v1/x?y", path="/v1/x", host="client.test", scheme="https"
    )
    fields = ((b"Location", b"https://api.internal/x?y"),)
    assert LocationRewriter(ORIGINS, strip="/v1").apply(fields, asked, 301) is fields


def test_the_clients_own_host_keeps_its_https_and_gets_its_prefix_back() -> None:
    asked = Exchange("GET", b"/x", HTTP, b"/v1/x", path="/v1/x", host="client.test")
    fields = ((b"Location", b"https://client.test/x"),)
    found = LocationRewriter(ORIGINS, strip="/v1").apply(fields, asked, 301)
    assert found[0][1] == b"https://client.test/v1/x"


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        (b"https://10.0.0.1:9000/b", b"/b"),
        (b"https://api.internal/b", b"/b"),
        (b"http://api.internal:80/b", b"/b"),
        (b"https://10.0.0.1/b", None),
        (b"ftp://api.internal/b", None),
    ],
)
def test_what_a_write_names_so_is_removed_from_the_store(
    reference: bytes, target: bytes | None
) -> None:
    asked = exchange(HTTPS, "https", method="POST")
    found = targets(asked, ((b"Location", reference),), ORIGINS)
    assert list(found) == ([] if target is None else [target])


async def test_behind_the_proxys_own_tls(authority: Authority) -> None:
    async with RawUpstream() as upstream:
        where = b"Location: https://127.0.0.1:%d/login?next=/a\r\n" % upstream.port
        upstream.play(["wait-body", length(b"", b"302 Found", where)])
        async with proxied(
            upstream,
            server=encrypted(authority),
            upstream_options={"host_header": "upstream"},
        ) as proxy:
            async with await client_of(proxy, authority) as client:
                answer = await client.ask(get())
            assert b"X-Forwarded-Proto: https" in upstream.requests[0].head.lines
            assert answer.value("location") == b"https://proxy.test/login?next=/a"


@pytest.mark.parametrize(
    ("server", "route", "changed"),
    [
        ({"trusted_proxies": ["127.0.0.1"]}, {}, True),
        ({"trusted_proxies": ["127.0.0.1"], "forwarded": "forwarded"}, {}, True),
        ({"trusted_proxies": ["127.0.0.1"], "forwarded": "off"}, {}, False),
        ({}, {}, False),
        ({"trusted_proxies": ["127.0.0.1"]}, {"rewrite_location": False}, False),
        (
            {"trusted_proxies": ["127.0.0.1"], "forwarded": "x"},
            {"request_headers": {"remove": ["X-Forwarded-Proto"]}},
            False,
        ),
    ],
)
async def test_behind_a_front_that_ends_tls(
    server: dict[str, object], route: dict[str, object], changed: bool
) -> None:
    async with fronted(
        server=server,
        upstream_options={"host_header": "api.internal"},
        routes=[{"upstream": "api", **route}],
    ) as (upstream, proxy):
        own = b"https://api.internal/login"
        upstream.play(["wait-body", length(b"", b"302 Found", b"Location: %b\r\n" % own)])
        answer = await proxy.ask(get("/", b"X-Forwarded-Proto: https\r\n"))
        assert answer.value("location") == (b"https://proxy.test/login" if changed else own)
