"""What is answered and logged before there is a route."""

import logging

import pytest

from proxy.telemetry.access_log_line import named_by
from tests.support.message import get
from tests.support.proxy import fronted, proxied
from tests.support.upstream import RawUpstream

ROUTES = [{"path": "/a", "upstream": "api", "methods": ["GET"]}]
REFUSED = [
    (b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    (b"PUT /a HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    (b"GET /a HTTP/1.1\r\n\r\n", 400),
    (b"GET /a HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n", 400),
    (b"GET /a HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 431),
]


@pytest.mark.parametrize(("request_", "status"), REFUSED)
async def test_answers_look_as_the_top_says(request_: bytes, status: int) -> None:
    async with RawUpstream() as upstream:
        async with proxied(upstream, routes=ROUTES, errors={"format": "text"}) as proxy:
            response = await proxy.ask(request_)
            assert response.status == status
            assert response.head.value("Content-Type") == b"text/plain; charset=utf-8"
        async with proxied(upstream, routes=ROUTES, errors=False) as proxy:
            response = await proxy.ask(request_)
            assert (response.status, response.body) == (status, b"")


@pytest.mark.parametrize(("request_", "status"), REFUSED)
async def test_every_refusal_has_its_sentence(
    request_: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        async with fronted(routes=ROUTES) as (_, proxy):
            assert (await proxy.ask(request_)).status == status
            name = (await proxy.record()).request_id
    assert [record for record in caplog.records if getattr(record, "request_id", "") == name]


async def test_the_target_is_logged_as_it_came() -> None:
    routes = [{"path": "/v1", "upstream": "api", "strip_prefix": "/v1", "add_prefix": "/x"}]
    async with fronted(routes=routes) as (upstream, proxy):
        for target in ("/v1/abc?d", "/v1/abc?d", "http://a/v1/%41"):
            assert (await proxy.ask(get(target, host=b"a"))).status == 200
        asked = [exchange.raw_target for exchange in proxy.records]
        assert asked == [b"/v1/abc?d", b"/v1/abc?d", b"http://a/v1/%41"]
        assert upstream.requests[0].line == b"GET /x/abc?d HTTP/1.1"


@pytest.mark.parametrize(
    ("line", "more", "status"),
    [
        ("CONNECT a.test:443", "", 405),
        ("POST /", "Transfer-Encoding: gzip\r\nContent-Length: 1\r\n", 400),
        ("POST /", "Transfer-Encoding: gzip\r\n", 501),
        ("POST /", "Content-Length: 1\r\nContent-Length: 2\r\n", 400),
        ("GET nowhere", "", 400),
    ],
)
async def test_the_log_of_a_refusal_says_who_asked_for_what(
    line: str, more: str, status: int
) -> None:
    asked = f"{line} HTTP/1.1\r\nHost: a.test\r\nUser-Agent: curl\r\n{more}\r\n".encode()
    async with fronted() as (_, proxy):
        assert (await proxy.ask(asked)).status == status
        exchange = await proxy.record()
    assert (exchange.host, named_by(exchange)[0]) == ("a.test", "curl")
