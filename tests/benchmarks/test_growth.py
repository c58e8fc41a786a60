"""What grows is asked in such a way that the last of many routes has to be found."""

import pytest

from benchmarks.growth.counts import KINDS, asked
from benchmarks.load.__main__ import GROWTH, arguments
from proxy.edge.router import RouteOptions, Router
from tests.support.proxy import parsed

SERVER = '[[upstreams]]\nname = "api"\nservers = ["http://127.0.0.1:9"]\n{upstream}\n'


def test_it_is_asked_for_beside_the_scenarios() -> None:
    assert arguments(["--only", "growth,small"]).only == (GROWTH, "small")


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_of_each_kind_is_for_the_last_route(kind: str) -> None:
    option, target, host, fields = KINDS[kind]
    text = "".join(
        f'[[routes]]\nupstream = "api"\n{option.format() % number}\n' for number in range(3)
    )
    routes = parsed(SERVER.format(upstream="") + text).routes
    assert all(isinstance(route, RouteOptions) for route in routes)
    find = Router(list(zip(routes, range(3), strict=True))).find
    last = [part % 2 if "%d" in part else part for part in (target + "42", host, fields)]
    name, _, value = last[2].strip().partition(": ")
    assert find("GET", last[1], last[0], [(name.encode(), value.encode())]) == 2


def test_a_request_is_what_was_asked_for() -> None:
    head = bytes.fromhex(asked("/a", "b.test", "X-Tenant: t\r\n", more=1).removeprefix("ask:"))
    assert head.startswith(b"GET /a HTTP/1.1\r\nHost: b.test\r\nX-Tenant: t\r\nX-Field-0: value")
    assert head.endswith(b"-01\r\n\r\n")
