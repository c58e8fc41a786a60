"""Which route answers a preflight."""

from typing import Any

import pytest

from proxy.core.errors import MethodNotAllowed
from proxy.core.exchange import Exchange
from proxy.edge.preflights import PageRouter, answers
from proxy.edge.router import RouteOptions
from tests.support.loop import Script, get
from tests.support.service import OneRoute

PAGES = "pages"
"""Begins the name of a route with [cors]."""


def routed(*routes: tuple[str, dict[str, Any]]) -> PageRouter[str]:
    made = [(RouteOptions(upstream="a", **options), name) for name, options in routes]
    return PageRouter(made, lambda name: name.startswith(PAGES))


def asks(method: str, named: str = "", *, path: str = "/a", **more: str) -> Exchange:
    fields = [(b"Origin", b"https://app.test"), (b"Access-Control-Request-Method", method.encode())]
    if named:
        fields.append((b"Access-Control-Request-Headers", named.encode()))
    fields += [(name.replace("_", "-").encode(), value.encode()) for name, value in more.items()]
    exchange = get(headers=fields)
    exchange.method, exchange.path, exchange.host = "OPTIONS", path, "api.test"
    return exchange


TENANT = {"headers": {"X-Tenant": "acme"}}
CASES: dict[str, tuple[tuple[tuple[str, dict[str, Any]], ...], Exchange, str | None]] = {
    "a field that is only named": ((("pages", TENANT),), asks("GET", "x-tenant"), "pages"),
    "a field that the page does not set": (
        (("pages 1", TENANT), ("pages 2", {})),
        asks("GET", "x-other"),
        "pages 2",
    ),
    "a field that browsers do not name": (
        (("pages", {"headers": {"Cookie": "*"}}),),
        asks("GET"),
        "pages",
    ),
    "a certificate, which no preflight shows": (
        (("pages", {"headers": {"X-Client-Cert-Subject": "*"}}),),
        asks("GET"),
        "pages",
    ),
    "methods without OPTIONS": ((("pages", {"methods": ("GET",)}),), asks("GET"), "pages"),
    "the method decides": (
        (("pages 1", {"methods": ("GET",)}), ("pages 2", {"methods": ("PUT",)})),
        asks("PUT"),
        "pages 2",
    ),
    "no route takes it": ((("pages", {"methods": ("GET",)}),), asks("PUT"), None),
    "the API decides": ((("api", {}), ("pages", {"path": "/"})), asks("GET"), None),
    "the API decides, further up": (
        (("api", {"path": "/a"}), ("pages", {"path": "/"})),
        asks("GET"),
        None,
    ),
    "the API may decide": (
        (("api", TENANT), ("pages", {})),
        asks("GET", "x-tenant"),
        "pages",
    ),
    "the longer path": (
        (("pages 1", {"path": "/"}), ("pages 2", {"path": "/a"})),
        asks("GET"),
        "pages 2",
    ),
    "what names more, wherever it stands": (
        (("pages 1", {"methods": ("GET",)}), ("pages 2", {"headers": {"A": "*", "B": "*"}})),
        asks("GET", "a,b"),
        "pages 2",
    ),
    "the first of equals": (
        (("pages 1", TENANT), ("pages 2", {"headers": {"X-Tenant": "other"}})),
        asks("GET", "x-tenant"),
        "pages 1",
    ),
    "another host": ((("pages", {"host": "other.test"}),), asks("GET"), None),
    "an expression": ((("pages", {"path_regex": "/[a-z]"}),), asks("GET"), "pages"),
    "no route with [cors]": ((("api", {}),), asks("GET"), None),
}


@pytest.mark.parametrize(("routes", "exchange", "name"), CASES.values(), ids=CASES)
def test_the_route_answers_that_would_take_the_request(
    routes: tuple[tuple[str, dict[str, Any]], ...], exchange: Exchange, name: str | None
) -> None:
    assert routed(*routes).answering(exchange, exchange.headers) == name


def test_all_else_is_routed_as_ever() -> None:
    router = routed(("pages", {"methods": ("GET",)}), ("api", {"methods": ("OPTIONS",)}))
    preflight = asks("PUT")
    assert router.route(preflight, preflight.headers) == "api"
    preflight = asks("GET")
    assert router.route(preflight, preflight.headers) == "pages"
    asked = get(headers=preflight.headers)
    asked.path = "/a"
    assert router.answering(asked, asked.headers) is None
    assert router.route(asked, asked.headers) == "pages"
    asked.method = "DELETE"
    with pytest.raises(MethodNotAllowed):
        router.route(asked, asked.headers)


def test_a_chain_with_fields_of_its_own_answers() -> None:
    assert not answers(OneRoute(Script()))
