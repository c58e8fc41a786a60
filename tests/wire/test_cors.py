"""Cross-origin requests through the whole proxy."""

from pathlib import Path

import pytest

from proxy.config.load import read
from tests.support.message import get, length
from tests.support.proxy import fronted

ORIGIN = b"Origin: https://app.test\r\n"
CORS = {"allow_origins": ["https://app.test"], "allow_methods": ["PUT"]}


async def test_a_preflight_never_reaches_the_upstream() -> None:
    asked = b"OPTIONS /x HTTP/1.1\r\nHost: a\r\nAccess-Control-Request-Method: PUT\r\n"
    async with fronted(cors=CORS) as (upstream, proxy):
        answer = await proxy.ask(asked + ORIGIN + b"\r\n")
        assert (answer.status, answer.body) == (204, b"")
        assert answer.value("Access-Control-Allow-Origin") == b"https://app.test"
        assert answer.value("Access-Control-Allow-Methods") == b"PUT"
        assert answer.value("Content-Length") is None
        assert upstream.requests == []


async def test_a_reply_carries_the_fields_once() -> None:
    own = length(b"ok", fields=b"Access-Control-Allow-Origin: *\r\nVary: Accept\r\n")
    async with fronted(["wait-body", own], cors=CORS) as (upstream, proxy):
        answer = await proxy.ask(get(fields=ORIGIN))
        assert answer.value("Access-Control-Allow-Origin") == b"https://app.test"
        assert answer.values("Vary") == [b"Accept", b"Origin"]
        assert b"Origin" in upstream.requests[0].head.names()


async def test_an_answer_of_the_proxys_own_carries_them_too() -> None:
    limit = {"average": 1, "period": "1h"}
    async with fronted(cors=CORS, rate_limit=limit) as (_, proxy):
        assert (await proxy.ask(get(fields=ORIGIN))).status == 200
        refused = await proxy.ask(get(fields=ORIGIN))
        assert refused.status == 429
        assert refused.value("Access-Control-Allow-Origin") == b"https://app.test"
        assert refused.value("Vary") == b"Origin"


REFUSED = [
    (b"POST /a HTTP/1.1", b"Content-Length: 1000\r\n\r\n" + b"x" * 1000, 413),
    (b"POST /a HTTP/1.1", b"Content-Length: 1000\r\n\r\n", 413),
    (
        b"POST /a HTTP/1.1",
        b"Transfer-Encoding: chunked\r\n\r\n80\r\n%b\r\n0\r\n\r\n" % (b"x" * 128),
        413,
    ),
    (b"POST /a HTTP/1.1", b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    (b"OPTIONS /a HTTP/1.1", b"Max-Forwards: x\r\n\r\n", 400),
    (b"OPTIONS /a HTTP/1.1", b"Max-Forwards: 0\r\n\r\n", 200),
    (b"PUT /a HTTP/1.1", b"\r\n", 405),
]


@pytest.mark.parametrize(("line", "rest", "status"), REFUSED)
async def test_what_is_refused_before_its_route_is_found_looks_as_that_says(
    line: bytes, rest: bytes, status: int
) -> None:
    methods = ["GET", "POST", "OPTIONS"]
    own = {"cors": CORS, "errors": {"format": "text"}, "methods": methods}
    routes = [{"path": "/a", "upstream": "api", **own}, {"path": "/b", "upstream": "api"}]
    limit = {"max_body": "100B"}
    async with fronted(routes=routes, server=limit) as (upstream, proxy):
        for _ in range(2):
            answer = await proxy.ask(line + b"\r\nHost: a\r\n" + ORIGIN + rest)
            assert answer.status == status
            assert answer.value("Access-Control-Allow-Origin") == b"https://app.test"
            assert answer.values("Vary") == [b"Origin"]
            text = b"text/plain; charset=utf-8" if status != 200 else None
            assert answer.value("Content-Type") == text
        assert upstream.requests == []
        assert (await proxy.record()).route == ("" if status == 405 else "/a")


ROUTE = """
[[upstreams]]
name = "a"
servers = ["http://a"]
[[routes]]
upstream = "a"
methods = {}
[routes.cors]
allow_origins = ["*"]
"""


@pytest.mark.parametrize(
    ("methods", "allowed", "said"),
    [
        (["GET"], None, ""),
        (["GET", "PUT"], ["PUT"], ""),
        (["PUT", "OPTIONS"], ["*"], ""),
        (["OPTIONS"], ["PUT"], ""),  # it answers for other routes
        (
            ["PUT", "OPTIONS"],
            None,
            "no page may ask for anything: methods are PUT, OPTIONS, expected one of them here",
        ),
        (["GET", "OPTIONS"], ["PUT"], "methods are GET, OPTIONS: a page that may use PUT gets 405"),
    ],
)
def test_what_no_page_may_ask_for_is_warned_of(
    methods: list[str], allowed: list[str] | None, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "a.toml"
    more = "" if allowed is None else f"allow_methods = {allowed}\n"
    file.write_text(ROUTE.format(methods) + more)
    found = read(file)[1]
    assert all(problem.warning for problem in found)
    assert [problem.message.removeprefix("warning: ") for problem in found] == [said] * bool(said)


async def test_a_preflight_comes_to_the_route_that_would_take_its_request() -> None:
    """Browsers name fields and send none, and OPTIONS is the method of none of the requests."""
    other = {**CORS, "allow_methods": ["DELETE"]}
    routes = [
        {"path": "/a", "upstream": "api", "headers": {"X-Tenant": "acme"}, "cors": CORS},
        {"path": "/a", "upstream": "api", "methods": ["DELETE"], "cors": other},
        {"path": "/a", "upstream": "api", "methods": ["OPTIONS"]},
    ]
    asked = b"OPTIONS /a HTTP/1.1\r\nHost: a\r\nAccess-Control-Request-Method: "
    named = b"\r\nAccess-Control-Request-Headers: x-tenant\r\n"
    async with fronted(routes=routes) as (upstream, proxy):
        for method, fields, allowed in (
            (b"PUT", named, b"PUT"),
            (b"DELETE", b"\r\n", b"DELETE"),
        ):
            answer = await proxy.ask(asked + method + fields + ORIGIN + b"\r\n")
            assert (answer.status, answer.value("Access-Control-Allow-Methods")) == (204, allowed)
        assert upstream.requests == []
        assert [each.route for each in proxy.records] == ["/a", "/a"]
        answer = await proxy.ask(asked + b"PATCH\r\n" + ORIGIN + b"\r\n")
        assert answer.status == 200
        assert len(upstream.requests) == 1
