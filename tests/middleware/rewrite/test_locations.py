"""What an upstream says of its own address, in the words of the client."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.exchange import Exchange
from proxy.middleware.rewrite.locations import LocationRewriter

UPSTREAM = ("http://10.0.0.1:9000", "http://api.internal", "https://api.test")


def asked(path: str = "/v1/x", host: str = "client.test", scheme: str = "http") -> Exchange:
    return Exchange("GET", path.encode(), (), path.encode(), path=path, host=host, scheme=scheme)


def said(
    locations: LocationRewriter, name: str, value: str, exchange: Exchange | None = None
) -> str:
    fields = ((b"X", b"1"), (name.encode(), value.encode()))
    found = locations.apply(fields, exchange or asked())
    assert found[0] == (b"X", b"1")
    assert found[1][0] == name.encode()
    return found[1][1].decode()


HOSTS = [
    # what the upstream says, what the client is told
    ("http://10.0.0.1:9000/a?b=%2F#c", "http://client.test/a?b=%2F#c"),
    ("HTTP://API.internal:80/a", "http://client.test/a"),
    ("https://api.test:443/", "http://client.test/"),
    ("//10.0.0.1:9000/a", "//client.test/a"),
    ("//api.test/a", "//client.test/a"),
    ("http://10.0.0.1:9000", "http://client.test"),
    ("http://10.0.0.1:9000?a", "http://client.test?a"),
    ("http://10.0.0.1:9000#c", "http://client.test#c"),
    ("http://client.test/a", "http://client.test/a"),
    ("http://10.0.0.1/a", None),
    ("http://10.0.0.1:9001/a", None),
    ("https://10.0.0.1:9000/a", None),
    ("http://user@10.0.0.1:9000/a", None),
    ("http://10.0.0.1:9000.evil.test/a", None),
    ("http://10.0.0.1:9000\\@evil.test/a", None),
    ("ftp://10.0.0.1:9000/a", None),
    ("/a", None),
    ("a/b", None),
    ("?a", None),
    ("", None),
]


@pytest.mark.parametrize(("given", "told"), HOSTS)
@pytest.mark.parametrize("name", ["Location", "content-LOCATION"])
def test_the_host_of_an_upstream_becomes_the_clients(
    name: str, given: str, told: str | None
) -> None:
    assert said(LocationRewriter(UPSTREAM), name, given) == (given if told is None else told)


def test_scheme_and_port_are_the_clients() -> None:
    exchange = asked(host="client.test:8443", scheme="https")
    told = said(LocationRewriter(UPSTREAM), "Location", "http://api.internal/a", exchange)
    assert told == "https://client.test:8443/a"


def test_without_a_host_there_is_nothing_to_tell() -> None:
    assert said(LocationRewriter(UPSTREAM), "Location", "http://api.internal/", asked(host="")) == (
        "http://api.internal/"
    )


PREFIXES = [
    # strip, add, path of the request, what the upstream says, what the client is told
    ("/v1", "", "/v1/x", "/login?next=/x", "/v1/login?next=/x"),
    ("/v1", "", "/v1", "/", "/v1/"),
    ("/v1", "", "/v1/x", "http://api.internal/login", "http://client.test/v1/login"),
    ("/v1", "", "/v1/x", "http://client.test/login", "http://client.test/v1/login"),
    ("/v1", "", "/v1/x", "/v1/login", "/v1/login"),
    ("/v1", "", "/v1/x", "/v10", "/v1/v10"),
    ("/v1", "", "/other", "/login", "/login"),
    ("/v1", "", "/v1/x", "http://other.test/login", "http://other.test/login"),
    ("/v1", "", "/v1/x", "//other.test/login", "//other.test/login"),
    ("/v1", "", "/v1/x", "/\\other.test", "/\\other.test"),
    ("/v1", "", "/v1/x", "/a%2Fb%c3%a4;x", "/v1/a%2Fb%c3%a4;x"),
    ("", "/x", "/a", "/x/login", "/login"),
    ("", "/x", "/a", "/x", "/"),
    ("", "/x", "/a", "/other", "/other"),
    ("", "/x", "/a", "/xy", "/xy"),
    ("/v1", "/x", "/v1/a", "/x/login", "/v1/login"),
    ("", "/x", "//evil.test/", "/x//evil.test/", "/.//evil.test/"),
    ("", "/x", "/a", "/x/\\evil.test/", "/./\\evil.test/"),
    ("", "/x", "/a", "/x/\t/evil.test/", "/./\t/evil.test/"),
    ("", "/x", "/a", "http://api.internal/x//evil.test/", "http://client.test//evil.test/"),
    ("/v1", "/x", "/v1/a", "/login", "/login"),
    ("/v1/", "/x/", "/v1/a", "/x/login", "/v1/login"),
    ("/café", "", "/caf%C3%A9/x", "/login", "/caf%C3%A9/login"),
    ("", "/caf%c3%a9", "/a", "/caf%C3%A9/login", "/login"),
    # an empty path behind a host is "/" (RFC 9110 4.2.3)
    ("/v1", "", "/v1/x", "http://api.internal", "http://client.test/v1/"),
    ("/v1", "", "/v1/x", "http://api.internal?q=1", "http://client.test/v1/?q=1"),
    ("/v1", "", "/v1/x", "http://api.internal#f", "http://client.test/v1/#f"),
    ("/v1", "", "/v1/x", "//api.internal", "//client.test/v1/"),
    ("/v1", "", "/v1/x", "http://client.test", "http://client.test/v1/"),
    ("/v1", "", "/other", "http://api.internal", "http://client.test"),
    ("/v1", "/x", "/v1/a", "http://api.internal", "http://client.test"),
    # without a host it is the path of the request
    ("/v1", "", "/v1/x", "?q=1", "?q=1"),
    ("/v1", "", "/v1/x", "#f", "#f"),
    ("/v1", "", "/v1/x", "", ""),
]


@pytest.mark.parametrize(("strip", "add", "path", "given", "told"), PREFIXES)
def test_prefixes_are_put_back(strip: str, add: str, path: str, given: str, told: str) -> None:
    locations = LocationRewriter(UPSTREAM, strip=strip, add=add)
    assert said(locations, "Location", given, asked(path)) == told


def test_what_a_pattern_did_cannot_be_undone() -> None:
    locations = LocationRewriter(UPSTREAM, strip="/v1", mapped=False)
    assert said(locations, "Location", "/login") == "/login"
    assert said(locations, "Location", "http://api.internal/a") == "http://client.test/a"
    assert said(locations, "Location", "http://api.internal") == "http://client.test"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("5; url=/login", "5; url=/v1/login"),
        ("0;URL='http://api.internal/a'", "0;URL='http://client.test/v1/a'"),
        ('1.5 , url = "/a"', '1.5 , url = "/v1/a"'),
        ("5", "5"),
        ("5; url=http://other.test/", "5; url=http://other.test/"),
        ('0; url="http://api.internal', '0; url="http://client.test/v1/'),
        ("0; url='http://api.internal'", "0; url='http://client.test/v1/'"),
        ("0;url=http://api.internal ", "0;url=http://client.test/v1/ "),
    ],
)
def test_refresh_is_a_location_too(given: str, told: str) -> None:
    assert said(LocationRewriter(UPSTREAM, strip="/v1"), "Refresh", given) == told


COOKIES = [
    ("a=b; Path=/; HttpOnly", "a=b; Path=/v1; HttpOnly"),
    ("a=b; path=/in; Secure", "a=b; path=/v1/in; Secure"),
    ("a=b; Domain=api.internal; Path=/v1", "a=b; Path=/v1"),
    ("a=b; domain=.INTERNAL", "a=b"),
    ("a=b; Domain=10.0.0.1", "a=b"),
    ("a=b; Domain=client.test", "a=b; Domain=client.test"),
    ("a=b; Domain=test", "a=b; Domain=test"),
    ("a=b; Domain=other.example", "a=b; Domain=other.example"),
    ("__Host-a=b; Path=/; Secure", "__Host-a=b; Path=/; Secure"),
    ("__Secure-a=b; Path=/; Secure", "__Secure-a=b; Path=/v1; Secure"),
    ("a=b;Path", "a=b;Path"),
    ("a=/; Expires=Wed, 21 Oct 2015 07:28:00 GMT", "a=/; Expires=Wed, 21 Oct 2015 07:28:00 GMT"),
    ("path=/; a", "path=/; a"),
    ("a=b; Path=", "a=b; Path="),  # the directory of what the client asked for (RFC 6265 5.1.4)
]


@pytest.mark.parametrize(("given", "told"), COOKIES)
def test_cookies_are_for_the_host_and_the_path_that_the_client_knows(given: str, told: str) -> None:
    assert said(LocationRewriter(UPSTREAM, strip="/v1"), "Set-Cookie", given) == told


def test_a_domain_is_compared_as_it_is_sent() -> None:
    """Names outside ASCII go over the wire in their own form (RFC 5890)."""
    locations = LocationRewriter(["http://b\u00fccher.test"])
    assert said(locations, "Set-Cookie", "a=b; Domain=xn--bcher-kva.test") == "a=b"


@pytest.mark.parametrize("host", ["app.api.test:8443", "APP.api.test.", "api.test"])
def test_a_domain_that_client_and_upstream_share_is_kept(host: str) -> None:
    locations = LocationRewriter(UPSTREAM)
    assert said(locations, "Set-Cookie", "a=b; Domain=api.test", asked(host=host)) == (
        "a=b; Domain=api.test"
    )


@pytest.mark.parametrize(
    ("strip", "add", "given", "told"),
    [
        ("/v1", "/x", "/", "/v1"),
        ("/v1", "/x/y", "/x", "/v1"),
        ("/v1", "/x", "/x", "/v1"),
        ("/v1", "/x", "/x/z", "/v1/z"),
        ("", "/x/y", "/x/", "/"),
        ("", "/x", "/other", "/other"),
    ],
)
def test_a_cookie_for_all_of_the_upstream_is_for_all_of_the_route(
    strip: str, add: str, given: str, told: str
) -> None:
    locations = LocationRewriter(UPSTREAM, strip=strip, add=add)
    assert said(locations, "Set-Cookie", f"a=b; Path={given}") == f"a=b; Path={told}"


@given(
    st.sampled_from(["Location", "Content-Location", "Refresh", "X-Location", "Set-Cookie"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126)),
)
def test_what_names_no_upstream_stays_byte_for_byte(name: str, text: str) -> None:
    fields = ((name.encode(), b"http://elsewhere.test/" + text.encode().replace(b";", b"")),)
    assert LocationRewriter(UPSTREAM, strip="/v1", add="/x").apply(fields, asked()) is fields


@pytest.mark.parametrize(
    ("options", "given", "told"),
    [
        ({}, "/a", "/api/a"),
        ({}, "/", "/api/"),
        ({}, "/api/a", "/api/a"),
        ({}, "/apiary", "/api/apiary"),
        ({}, "http://10.0.0.1:9000", "http://client.test/api/"),
        ({}, "http://client.test/a?b", "http://client.test/api/a?b"),
        ({}, "https://other.test/a", "https://other.test/a"),
        ({}, "a", "a"),
        ({"strip": "/v1"}, "/a", "/api/v1/a"),
        ({"strip": "/v1"}, "/v1/a", "/api/v1/a"),
        ({"strip": "/v1"}, "/api/v1/a", "/api/v1/a"),
        ({"strip": "/v2"}, "/a", "/api/a"),
        ({"add": "/b"}, "/b/a", "/api/a"),
        ({"add": "/b"}, "/b", "/api/"),
        ({"add": "/b"}, "/a", "/api/a"),
        ({"add": "/b"}, "/b//evil.test", "/api//evil.test"),
        ({"strip": "/v1", "mapped": False}, "/a", "/api/a"),
    ],
)
def test_what_stands_before_all_paths_is_put_back(
    options: dict[str, Any], given: str, told: str
) -> None:
    assert said(LocationRewriter(UPSTREAM, mount="/api", **options), "Location", given) == told


@pytest.mark.parametrize(
    ("options", "given", "told"),
    [
        ({}, "/", "/api"),
        ({}, "/a/", "/api/a/"),
        ({}, "/api", "/api"),
        ({"strip": "/v1"}, "/", "/api/v1"),
        ({"add": "/b"}, "/", "/api"),
        ({"add": "/b/c"}, "/b", "/api"),
        ({"add": "/b", "strip": "/v1"}, "/b", "/api/v1"),
        ({"mapped": False}, "/", "/api"),
    ],
)
def test_cookies_stay_below_it(options: dict[str, Any], given: str, told: str) -> None:
    locations = LocationRewriter(UPSTREAM, mount="/api", **options)
    assert said(locations, "Set-Cookie", f"a=b; Path={given}") == f"a=b; Path={told}"
