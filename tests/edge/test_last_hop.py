"""TRACE shows credentials to whoever can make a client send it; Max-Forwards says how far it goes.

zoxy-io/zoxy#240: Max-Forwards was neither counted down nor obeyed (RFC 9110 7.6.2).
"""

from typing import Any

import pytest

from tests.support.proxy import dialled, fronted

TRACES: list[dict[str, Any]] = [{"methods": ["GET", "TRACE"], "upstream": "api"}]


def asked(method: bytes, fields: bytes = b"", target: bytes = b"/a") -> bytes:
    return b"%b %b HTTP/1.1\r\nHost: a\r\n%b\r\n" % (method, target, fields)


@pytest.mark.parametrize("method", [b"TRACE", b"trace", b"TRACK", b"Track"])
@pytest.mark.parametrize(
    "routes",
    [
        [{"upstream": "api"}],
        [{"path": "/a", "upstream": "api"}, {"upstream": "api"}],
        [{"host": "a", "upstream": "api"}],
        [{"path_regex": "/.*", "upstream": "api"}],
    ],
    ids=["catch-all", "path", "host", "regex"],
)
async def test_trace_is_refused_where_no_route_names_it(
    method: bytes, routes: list[dict[str, Any]]
) -> None:
    async with dialled(routes=routes) as (upstream, _, client):
        response = await client.ask(asked(method, b"Authorization: secret\r\n"))
        assert response.status == 405
        allow = (response.value("Allow") or b"").split(b", ")
        assert b"GET" in allow
        assert b"TRACE" not in allow
        assert b"secret" not in response.body
        assert (await client.ask(asked(b"GET"))).status == 200  # the connection stays
        assert len(upstream.requests) == 1


async def test_trace_goes_through_where_a_route_names_it() -> None:
    async with fronted(routes=TRACES) as (upstream, proxy):
        assert (await proxy.ask(asked(b"TRACE"))).status == 200
        assert upstream.requests[0].line == b"TRACE /a HTTP/1.1"
        assert (await proxy.ask(asked(b"TRACK"))).status == 405


@pytest.mark.parametrize(
    ("method", "value", "sent"),
    [
        (b"OPTIONS", b"1", b"0"),
        (b"OPTIONS", b"010", b"9"),
        (b"OPTIONS", b"99999999999999999999", b"999999998"),
        (b"TRACE", b"7", b"6"),
        (b"GET", b"7", b"7"),
        (b"GET", b"0", b"0"),
        (b"GET", b"x", b"x"),
    ],
)
async def test_hops_are_counted_down_for_options_and_trace(
    method: bytes, value: bytes, sent: bytes
) -> None:
    routes = [{"methods": ["GET", "OPTIONS", "TRACE"], "upstream": "api"}]
    async with fronted(routes=routes) as (upstream, proxy):
        for number in range(2):
            fields = b"X-A: 1\r\nmax-forwards: %b\r\nX-B: 2\r\n" % value
            assert (await proxy.ask(asked(method, fields))).status == 200
            request = upstream.requests[number]
            assert request.head.values("Max-Forwards") == [sent]


@pytest.mark.parametrize("value", [b"x", b"-1", b"+1", b"1.0", b"", b"1\r\nMax-Forwards: 2"])
async def test_a_number_of_hops_that_is_none_is_refused(value: bytes) -> None:
    async with fronted() as (upstream, proxy):
        response = await proxy.ask(asked(b"OPTIONS", b"Max-Forwards: %b\r\n" % value))
        assert response.status == 400
        assert upstream.requests == []


@pytest.mark.parametrize("target", [b"/a", b"*", b"/other"])
async def test_options_with_no_hop_left_is_answered_here(target: bytes) -> None:
    routes = [
        {"path": "/a", "methods": ["GET", "OPTIONS"], "upstream": "api"},
        {"path": "/a", "methods": ["PUT"], "upstream": "api"},
        {"upstream": "api"},
    ]
    async with dialled(routes=routes) as (upstream, proxy, client):
        for _ in range(2):
            response = await client.ask(asked(b"OPTIONS", b"Max-Forwards: 0\r\n", target))
            assert (response.status, response.body, response.ended) == (200, b"", "complete")
            allow = (response.value("Allow") or b"").split(b", ")
            assert {b"GET", b"OPTIONS", b"PUT"} <= set(allow)
            assert b"TRACE" not in allow
        assert upstream.connections == []
        exchange = await proxy.record()
        assert (exchange.status, exchange.error, exchange.record.attempt_count) == (200, "", 0)


async def test_trace_with_no_hop_left_shows_the_request_without_its_credentials() -> None:
    fields = (
        b"Max-Forwards: 0\r\nX-A: 1\r\nAuthorization: secret\r\nCookie: secret\r\n"
        b"X-Api-Key: secret\r\nX-Auth-Token: secret\r\nProxy-Authorization: secret\r\n"
    )
    async with fronted(routes=TRACES) as (upstream, proxy):
        response = await proxy.ask(asked(b"TRACE", fields))
        assert (response.status, response.value("Content-Type")) == (200, b"message/http")
        assert response.body == b"TRACE /a HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\nX-A: 1\r\n\r\n"
        refused = await proxy.ask(asked(b"OPTIONS", fields))
        assert (refused.status, upstream.connections) == (405, [])
