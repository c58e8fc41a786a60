"""A route's changes together, in the order in which a request and its reply meet them."""

import random
from typing import Any

import pytest

from proxy.config.model import Route
from proxy.core.errors import BadRequest
from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
from proxy.core.scope import UpstreamNames
from proxy.core.shared import Shared
from proxy.middleware.rewrite.options import HeaderRules, RewriteOptions
from proxy.middleware.rewrite.rewrite import Rewrite, link
from proxy.run.scopes import scope_of
from tests.support.loop import Script, get, reply, settle

ORIGINS = ["http://10.0.0.1:9000"]


def rewrite(
    inner: Script, *, renamed: bool = False, tell_prefix: bool = True, **options: Any
) -> Rewrite:
    route = Route(upstream="api", **options)
    return Rewrite(inner, route, origins=ORIGINS, renamed=renamed, tell_prefix=tell_prefix)


@pytest.mark.parametrize(
    ("options", "needed"),
    [
        ({}, False),
        ({"rewrite_location": False, "renamed": True}, False),
        ({"renamed": True}, True),
        ({"strip_prefix": "/v1"}, True),
        ({"add_prefix": "/v1"}, True),
        ({"rewrite": RewriteOptions(pattern="a", replacement="b")}, True),
        ({"request_headers": HeaderRules(remove=("A",))}, True),
        ({"response_headers": HeaderRules(set={"A": "1"})}, True),
    ],
)
def test_a_route_that_changes_nothing_needs_no_rewriting(
    options: dict[str, Any], needed: bool
) -> None:
    assert rewrite(Script(reply()), **options).needed is needed


async def test_the_path_is_changed_before_the_fields_and_rules_see_the_request_s_facts() -> None:
    upstream = Script(reply(201, [(b"Location", b"http://10.0.0.1:9000/x/b"), (b"Server", b"s")]))
    route = rewrite(
        upstream,
        strip_prefix="/v1",
        add_prefix="/x",
        request_headers=HeaderRules(set={"X-Host": "{host}"}, remove=("X-Forwarded-Prefix",)),
        response_headers=HeaderRules(set={"X-Id": "{request_id}"}, remove=("server",)),
    )
    exchange = get("/v1/a", [(b"A", b"1")])
    exchange.target += b"?q"
    exchange.host, exchange.request_id = "api.test", "r1"
    answer = await route.handle(exchange)
    assert exchange.target == b"/x/a?q"
    assert exchange.headers == [(b"A", b"1"), (b"X-Host", b"api.test")]
    assert exchange.heard == [(b"A", b"1"), (b"X-Forwarded-Prefix", b"/v1")]
    assert answer.headers == [(b"Location", b"http://api.test/v1/b"), (b"X-Id", b"r1")]


@pytest.mark.parametrize(
    ("path", "tell", "told"),
    [
        ("/v1/a", True, [(b"A", b"1"), (b"X-Forwarded-Prefix", b"/outer, /v1")]),
        ("/v10", True, [(b"x-forwarded-prefix", b"/outer"), (b"A", b"1")]),
        ("/v1/a", False, [(b"x-forwarded-prefix", b"/outer"), (b"A", b"1")]),
    ],
)
async def test_the_upstream_is_told_of_a_prefix_that_was_stripped(
    path: str, tell: bool, told: list[tuple[bytes, bytes]]
) -> None:
    exchange = get(path, [(b"x-forwarded-prefix", b"/outer"), (b"A", b"1")])
    await rewrite(Script(reply()), strip_prefix="/v1", tell_prefix=tell).handle(exchange)
    assert exchange.headers == told


async def test_what_can_be_rewritten_in_two_ways_is_the_client_s_fault() -> None:
    upstream = Script(reply())
    exchange = get("/v1/a")
    exchange.target = b"/x/../v1/a"
    error = await settle(rewrite(upstream, strip_prefix="/v1").handle(exchange))
    assert isinstance(error, BadRequest)
    assert "prefix" in error.detail
    assert upstream.sends == 0


SERVERS = [("https", "dav.internal")]


@pytest.mark.parametrize(
    ("method", "told"),
    [("MOVE", b"https://dav.internal/x/b"), ("GET", b"http://api.test/v1/b")],
)
async def test_addresses_of_a_request_are_changed_as_its_path_is(method: str, told: bytes) -> None:
    route = Route(upstream="api", strip_prefix="/v1", add_prefix="/x")
    rewriting = Rewrite(Script(reply()), route, servers=SERVERS, tell_prefix=False)
    exchange = get("/v1/a", [(b"Destination", b"http://api.test/v1/b")])
    exchange.method, exchange.host = method, "api.test"
    await rewriting.handle(exchange)
    assert exchange.headers == [(b"Destination", told)]


async def test_an_address_outside_the_prefix_is_the_client_s_fault() -> None:
    exchange = get("/v1/a", [(b"Destination", b"/other")])
    exchange.method = "MOVE"
    error = await settle(rewrite(Script(reply()), strip_prefix="/v1").handle(exchange))
    assert isinstance(error, BadRequest)


async def test_what_a_pattern_did_is_not_undone_in_a_reply() -> None:
    pattern = RewriteOptions(pattern="a", replacement="b")
    upstream = Script(reply(201, [(b"Location", b"/c")]))
    answer = await rewrite(upstream, strip_prefix="/v1", rewrite=pattern).handle(get("/v1/a"))
    assert answer.headers == [(b"Location", b"/c")]


@pytest.mark.parametrize(
    ("strip", "renamed", "tell"), [("", True, True), ("/v1", False, True), ("/v1", False, False)]
)
async def test_a_link_knows_how_the_servers_are_called(
    strip: str, renamed: bool, tell: bool
) -> None:
    names = UpstreamNames(tuple(ORIGINS), tuple(SERVERS), renamed=renamed, tell_prefix=tell)
    route = Route(upstream="api", strip_prefix=strip)
    scope = scope_of(route, Shared(random.Random(1)))
    scope.options += (route, names)
    upstream = Script(reply(201, [(b"Location", b"http://10.0.0.1:9000/c")]))
    handle = link(scope, upstream)
    assert handle is not None
    exchange = get("/v1/a", [(b"Destination", b"http://api.test/v1/b")])
    exchange.method, exchange.host = "MOVE", "api.test"
    answer = await handle(exchange)
    prefix = [(b"X-Forwarded-Prefix", b"/v1")] if strip and tell else []
    path = b"/b" if strip else b"/v1/b"
    assert list(exchange.headers) == [(b"Destination", b"https://dav.internal" + path), *prefix]
    assert answer.headers == [(b"Location", b"http://api.test" + (b"/v1/c" if strip else b"/c"))]


def test_a_route_that_changes_nothing_has_no_link() -> None:
    names = UpstreamNames((), (), renamed=False, tell_prefix=True)
    scope = scope_of(Route(upstream="api"), Shared(random.Random(1)))
    scope.options += (Route(upstream="api"), names)
    assert link(scope, Script()) is None


async def test_no_trailer_says_what_rules_have_set_or_removed() -> None:
    rules = HeaderRules(set={"X-User": "svc"}, remove=("True_Client-IP",), add={"X-A": "1"})
    exchange = get("/", [(b"X_User", b"admin"), (b"B", b"1")])
    await rewrite(Script(reply()), request_headers=rules).handle(exchange)
    assert exchange.headers == [(b"X-User", b"svc"), (b"B", b"1"), (b"X-A", b"1")]
    assert exchange.no_trailers == {b"x-user", b"true-client-ip"}


async def test_what_rules_keep_out_of_a_reply_is_said_neither_before_nor_behind_it() -> None:
    rules = HeaderRules(set={"X-Set": "ours"}, add={"X-A": "1"}, remove=("x-secret",))
    told: list[Any] = []
    fields = [(b"X-Secret", b"1"), (b"x-set", b"theirs"), (b"X_Secret", b"2"), (b"X-A", b"3")]
    announced = [(b"TRAILER", b"X-SECRET"), (b"Trailer", b"X-Secret, X_Secret , X-Set")]

    async def upstream(exchange: Exchange) -> Reply:
        assert exchange.send_informational is not None
        exchange.send_informational(103, b"Early Hints", fields)
        answer = reply(200, announced)
        answer.trailers = lambda: fields
        return answer

    exchange = get()
    exchange.send_informational = lambda *informational: told.append(informational)
    options = Route(upstream="api", response_headers=rules)
    answer = await Rewrite(upstream, options).handle(exchange)
    assert told == [(103, b"Early Hints", fields[2:])]
    assert answer.headers == [(b"Trailer", b"X_Secret"), (b"X-Set", b"ours"), (b"X-A", b"1")]
    assert answer.last_trailers() == fields[2:]
