"""Sums over the last minute, and how a server is."""

from typing import Any

import pytest

from proxy.admin.top.sums import SERVER, Sum, state_of, sums
from tests.support.seen_proxies import seen


@pytest.mark.parametrize(
    ("server", "breakers", "state"),
    [
        ({}, [], "well"),
        ({"calls": 10, "failed": 8}, [], "well"),
        ({"calls": 10, "failed": 9}, [], "fails"),
        ({"calls": 0}, [], "not asked"),
        ({"withdrawn": True}, [], "drained"),
        ({"healthy": False}, [], "unhealthy"),
        ({"paused_s": 2.0}, [], "paused for 2.0 s"),
        ({}, [{"endpoint": "a", "state": "open"}], "ejected"),
        ({}, [{"endpoint": "a", "state": "half-open"}], "on trial"),
        ({}, [{"endpoint": "b", "state": "open"}], "well"),
    ],
)
def test_a_server_has_a_state(server: Any, breakers: Any, state: str) -> None:
    known = {"endpoint": "a", "withdrawn": False, "healthy": True, "paused_s": 0.0}
    ended = Sum()
    ended.calls, ended.failed = server.pop("calls", 10), server.pop("failed", 0)
    assert state_of(known | server, breakers, ended) == state


def test_calls_are_added_up_by_route_or_by_server() -> None:
    history = seen(3, 2).history
    assert {route: each.calls for (route,), each in sums(history).items()} == {
        "/r0": 100,
        "/r1": 99,
        "/r2": 98,
    }
    servers = sums(history, SERVER)
    assert servers["api", "http://10.0.0.0:80"].calls == 198
    assert servers["api", "http://10.0.0.0:80"].failed == 1
