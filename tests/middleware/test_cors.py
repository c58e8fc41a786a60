"""What browsers are told of requests of other origins."""

from collections.abc import Sequence
from typing import Any

import pytest

from proxy.config.load import ConfigError
from proxy.core.duration import Duration
from proxy.core.errors import RateLimited
from proxy.core.exchange import Exchange
from proxy.http.fields import RawHeaders
from proxy.middleware.cors import Cors, CorsOptions
from tests.support.loop import Script, get, reply
from tests.support.proxy import parsed

APP = "https://app.example.com"
LISTED = (APP, "https://*.example.org")


def cors(*outcomes: Any, **options: Any) -> tuple[Cors, Script]:
    script = Script(*outcomes)
    return Cors(script, CorsOptions(**{"allow_origins": LISTED, **options})), script


def asked(origin: str, method: str = "GET", *fields: tuple[bytes, bytes]) -> Exchange:
    exchange = get(headers=[(b"Origin", origin.encode()), *fields])
    exchange.method = method
    return exchange


def preflight(origin: str, *fields: tuple[bytes, bytes]) -> Exchange:
    return asked(origin, "OPTIONS", (b"Access-Control-Request-Method", b"PUT"), *fields)


def said(fields: RawHeaders) -> dict[bytes, bytes]:
    return {
        name.lower().removeprefix(b"access-control-"): value
        for name, value in fields
        if name.lower().startswith((b"access-control-", b"vary"))
    }


@pytest.mark.parametrize(
    ("origin", "taken"),
    [
        (APP, True),
        ("https://a.example.org", True),
        ("https://a.b.example.org", True),
        ("null", False),
        ("https://example.org", False),
        ("http://a.example.org", False),
        ("https://a.example.org:8443", False),
        ("https://evil.com/.example.org", False),
        ("https://a.example.org.evil.com", False),
        ("https://aXexampleYorg", False),
        (f"{APP}.evil.com", False),
        ("https://APP.example.com", False),
    ],
)
async def test_pages_of_listed_origins_may_read(origin: str, taken: bool) -> None:
    middleware, _ = cors(reply())
    found = said((await middleware.handle(asked(origin))).headers)
    assert found.get(b"allow-origin") == (origin.encode() if taken else None)
    assert found[b"vary"] == b"Origin"


async def test_any_origin_is_told_the_same_so_that_nothing_varies() -> None:
    middleware, _ = cors(reply(), reply(), allow_origins=("*",))
    for exchange in (asked("https://anywhere"), get()):
        assert said((await middleware.handle(exchange)).headers) == {b"allow-origin": b"*"}


async def test_a_request_of_the_same_origin_is_told_nothing_but_that_it_varies() -> None:
    middleware, _ = cors(reply())
    assert said((await middleware.handle(get())).headers) == {b"vary": b"Origin"}


async def test_a_preflight_is_answered_here() -> None:
    options = {"allow_methods": ("PUT",), "allow_headers": ("X-A", "X-B"), "credentials": True}
    middleware, script = cors(**options, max_age=Duration(60))
    answer = await middleware.handle(preflight(APP))
    assert (answer.status, answer.length, script.sends) == (204, 0, 0)
    assert said(answer.headers) == {
        b"allow-origin": APP.encode(),
        b"allow-credentials": b"true",
        b"allow-methods": b"PUT",
        b"allow-headers": b"X-A, X-B",
        b"max-age": b"60",
        b"vary": b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
    }


async def test_a_preflight_of_another_origin_is_allowed_nothing() -> None:
    middleware, script = cors()
    answer = await middleware.handle(preflight("https://evil.com"))
    assert (answer.status, script.sends) == (204, 0)
    assert set(said(answer.headers)) == {b"vary"}


async def test_a_preflight_of_any_origin_varies_by_no_origin() -> None:
    middleware, _ = cors(allow_origins=("*",))
    found = said((await middleware.handle(preflight("https://anywhere"))).headers)
    assert found == {
        b"allow-origin": b"*",
        b"allow-methods": b"GET, HEAD, POST",
        b"max-age": b"600",
        b"vary": b"Access-Control-Request-Method, Access-Control-Request-Headers",
    }


async def test_a_wildcard_names_what_was_asked_for() -> None:
    middleware, _ = cors(allow_methods=("*",), allow_headers=("X-A", "*"), max_age=Duration(0))
    wanted = b"Access-Control-Request-Headers"
    exchange = preflight(APP, (wanted, b"x-a"), (wanted, b"x-b"))
    found = said((await middleware.handle(exchange)).headers)
    assert (found[b"allow-methods"], found[b"allow-headers"]) == (b"PUT", b"x-a, x-b")
    assert b"max-age" not in found


@pytest.mark.parametrize(
    "fields",
    [[(b"Origin", b"https://app.example.com")], [(b"Access-Control-Request-Method", b"PUT")]],
)
async def test_other_options_requests_are_the_upstreams(
    fields: Sequence[tuple[bytes, bytes]],
) -> None:
    middleware, script = cors(reply())
    exchange = get(headers=fields)
    exchange.method = "OPTIONS"
    await middleware.handle(exchange)
    assert script.sends == 1


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_only_options_is_a_preflight(method: str) -> None:
    middleware, script = cors(reply())
    exchange = asked(APP, method, (b"Access-Control-Request-Method", b"PUT"))
    await middleware.handle(exchange)
    assert script.sends == 1


async def test_of_two_origins_none_is_taken() -> None:
    middleware, script = cors(reply(), reply())
    for method in ("GET", "OPTIONS"):
        exchange = asked(APP, method, (b"Origin", APP.encode()))
        exchange.headers = [*exchange.headers, (b"Access-Control-Request-Method", b"PUT")]
        assert said((await middleware.handle(exchange)).headers) == {b"vary": b"Origin"}
    assert script.sends == 2


async def test_another_origin_is_not_told_which_fields_there_are() -> None:
    middleware, _ = cors(reply(), expose_headers=("X",))
    assert set(said((await middleware.handle(asked("https://evil.com"))).headers)) == {b"vary"}


async def test_an_upgraded_connection_is_left_as_it_is() -> None:
    own = [(b"Upgrade", b"websocket"), (b"Access-Control-Allow-Origin", b"*")]
    middleware, _ = cors(reply(101, own))
    assert (await middleware.handle(asked(APP))).headers == own


async def test_what_the_upstream_says_of_origins_is_replaced() -> None:
    own = [(b"access-control-allow-origin", b"*"), (b"Access-Control-Max-Age", b"1"), (b"X", b"1")]
    middleware, _ = cors(reply(200, own), expose_headers=("X", "Y"))
    answer = await middleware.handle(asked(APP))
    assert answer.headers == [
        (b"X", b"1"),
        (b"Access-Control-Allow-Origin", APP.encode()),
        (b"Access-Control-Expose-Headers", b"X, Y"),
        (b"Vary", b"Origin"),
    ]


async def test_an_error_of_the_proxy_carries_the_fields_too() -> None:
    middleware, _ = cors(RateLimited(retry_after=1.0, policy="", limit=""))
    exchange = asked(APP)
    with pytest.raises(RateLimited):
        await middleware.handle(exchange)
    assert said(exchange.error_fields)[b"allow-origin"] == APP.encode()


UPSTREAM = '[[upstreams]]\nname = "a"\nservers = ["http://a"]\n'


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "allow_origins: expected at least one origin"),
        ('allow_origins = ["*"]\ncredentials = true', "every site could read"),
        ('allow_origins = ["app.example.com"]', "allow_origins[0]"),
        ('allow_origins = ["https://app.example.com/"]', "allow_origins[0]"),
        ('allow_origins = ["see https://app.example.com"]', "allow_origins[0]"),
        ('allow_origins = ["https://*"]', "allow_origins[0]"),
        ('allow_origins = ["https://a.*.example.com"]', "allow_origins[0]"),
        (
            'allow_origins = ["https://a"]\ncredentials = true\nexpose_headers = ["X", "*"]',
            'expose_headers: browsers take "*" for a name',
        ),
        ('allow_origins = ["*"]\nallow_methods = ["put"]', "did you mean 'PUT'"),
        ('allow_origins = ["*"]\nallow_headers = ["X", "a b"]', "allow_headers[1]"),
        ('allow_origins = ["*"]\nallow_methods = ["a b"]', "allow_methods[0]"),
        ('allow_origins = ["*"]\nexpose_headers = ["a b"]', "expose_headers[0]"),
    ],
)
def test_what_makes_no_sense_is_a_problem(table: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parsed(f"[cors]\n{table}\n{UPSTREAM}")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "table",
    [
        'allow_origins = ["*"]\nallow_methods = ["*"]\nallow_headers = ["*"]',
        'allow_origins = ["*"]\nexpose_headers = ["*"]',
        'allow_origins = ["https://*.a.test:8443", "http://[::1]:80"]\ncredentials = true',
    ],
)
def test_wildcards_and_credentials_each_make_sense(table: str) -> None:
    assert parsed(f"[cors]\n{table}\n{UPSTREAM}").cors is not None
