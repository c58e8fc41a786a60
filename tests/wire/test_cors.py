"""Cross-origin requests through the whole proxy."""

from pathlib import Path

from proxy.config.load import read
from tests.support.message import get, length
from tests.support.proxy import proxied
from tests.support.upstream import RawUpstream

ORIGIN = b"Origin: https://app.test\r\n"
CORS = {"allow_origins": ["https://app.test"], "allow_methods": ["PUT"]}


async def test_a_preflight_never_reaches_the_upstream() -> None:
    asked = b"OPTIONS /x HTTP/1.1\r\nHost: a\r\nAccess-Control-Request-Method: PUT\r\n"
    async with RawUpstream() as upstream, proxied(upstream, cors=CORS) as proxy:
        answer = await proxy.ask(asked + ORIGIN + b"\r\n")
        assert (answer.status, answer.body) == (204, b"")
        assert answer.value("Access-Control-Allow-Origin") == b"https://app.test"
        assert answer.value("Access-Control-Allow-Methods") == b"PUT"
        assert answer.value("Content-Length") is None
        assert upstream.requests == []


async def test_a_reply_carries_the_fields_once() -> None:
    own = length(b"ok", fields=b"Access-Control-Allow-Origin: *\r\nVary: Accept\r\n")
    async with RawUpstream(["wait-body", own]) as upstream, proxied(upstream, cors=CORS) as proxy:
        answer = await proxy.ask(get(fields=ORIGIN))
        assert answer.value("Access-Control-Allow-Origin") == b"https://app.test"
        assert answer.values("Vary") == [b"Accept", b"Origin"]
        assert b"Origin" in upstream.requests[0].head.names()


async def test_an_answer_of_the_proxys_own_carries_them_too() -> None:
    limit = {"average": 1, "period": "1h"}
    async with RawUpstream() as upstream, proxied(upstream, cors=CORS, rate_limit=limit) as proxy:
        assert (await proxy.ask(get(fields=ORIGIN))).status == 200
        refused = await proxy.ask(get(fields=ORIGIN))
        assert refused.status == 429
        assert refused.value("Access-Control-Allow-Origin") == b"https://app.test"
        assert refused.value("Vary") == b"Origin"


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


def test_a_route_whose_methods_leave_out_preflights_is_warned_of(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text(ROUTE.format(["PUT"]))
    [problem] = read(file)[1]
    assert problem.warning
    assert 'preflights get 405 where methods are PUT: expected "OPTIONS"' in problem.message
    file.write_text(ROUTE.format(["PUT", "OPTIONS"]))
    assert read(file)[1] == []
