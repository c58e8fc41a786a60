"""``/api/state``, byte for byte: programs read it."""

import re
from itertools import count
from pathlib import Path
from typing import Any

from proxy.admin.state import state
from proxy.core.samples import NONE, Labels, Sample, gauge
from tests.support.client import ask
from tests.support.message import get, length
from tests.support.proxy import proxied
from tests.support.tunnel import OFFER
from tests.support.upstream import HEALTHY, RawUpstream, Script

EXPECTED = Path(__file__).with_name("state.json")
"""What the requests below lead to; a time is shown as ``T`` there."""

LEFT = b"X-RateLimit-Remaining: 9\r\nX-RateLimit-Reset: 60\r\n"
TOLD: Script = ["wait-body", length(b"ok", b"200 OK", LEFT)]
BUSY: Script = ["wait-body", length(b"busy", b"503 Busy", b"Retry-After: 20\r\n")]
EVENTS: Script = [
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n",
    b"id: 1\ndata: a\n\n",
    "hold",
]
TUNNEL: Script = [
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: Upgrade\r\n\r\n",
    b"abc",
    "hold",
]


def tables(a: RawUpstream, b: RawUpstream) -> dict[str, Any]:
    """Everything that operators are shown is switched on."""
    return {
        "admin": {"listen": "127.0.0.1:0", "show_keys": ["header:X-Tenant"]},
        "upstream_options": {
            "servers": [a.url, {"url": b.url, "weight": 2}],
            "load_balance": {"policy": "round_robin", "ejection_time": "0"},
        },
        "others": [{"name": "b", "servers": [b.url], "concurrency": False, "queue": False}],
        "concurrency": {"max_requests": 8},
        "queue": {"key": "header:X-Tenant"},
        "retry": {"on": ["503", "connect-failure"], "backoff_base": "1ms"},
        "routes": [
            {
                "path": "/api",
                "upstream": "api",
                "fallback": ["b"],
                "hedge": {"delay": "30s"},
                "coalesce": {},
                "rate_limit": {"average": 100, "period": "1h", "key": "header:X-Tenant"},
                "circuit_breaker": {"consecutive_failures": 1},
                "stream": {"resume": "60s"},
            },
            {"path": "/b", "upstream": "b", "stream": {"commit": "first_chunk"}},
        ],
    }


def shown(text: bytes, servers: dict[str, str]) -> str:
    """What was answered, without what differs from run to run."""
    found = text.decode()
    for url, name in servers.items():
        found = found.replace(url, name)
    found = re.sub(r'("\w+_m?s": )[\d.]+(?:e-\d+)?', r"\1T", found)
    found = re.sub(r'("request_id": )"[^"]+"', r'\1"ID"', found)
    return re.sub(
        r'(?<="left": \{)([^}]*)', lambda left: re.sub(r": [\d.]+", ": N", left[0]), found
    )


async def test_the_state_is_what_it_was() -> None:
    async with (
        RawUpstream(TOLD, BUSY, HEALTHY) as a,
        RawUpstream(HEALTHY) as b,
        proxied(a, **tables(a, b)) as proxy,
        await proxy.connect() as reader,
        await proxy.connect() as tunnel,
    ):
        for number in range(6):
            fields = b"X-Tenant: t%d\r\nX-Number: %d\r\n" % (number % 2, number)
            assert (await proxy.ask(get("/api/x", fields))).status == 200
        assert (await proxy.ask(get("/b"))).status == 200
        assert (await proxy.ask(get("/nowhere"))).status == 404
        b.play(EVENTS, TUNNEL)
        await reader.send(get("/api/events"))
        await reader.read_until(b"data: a\n\n")
        await tunnel.send(OFFER.replace(b"/chat", b"/b") % b"foo")
        await tunnel.read_until(b"abc")
        answer = await ask(proxy.admin, get("/api/state"))
        found = shown(answer.body, {a.url: "http://A", b.url: "http://B"})
    assert found == EXPECTED.read_text(encoding="utf-8")


API = {"upstream": "api"}
SERVER = API | {"endpoint": "http://a"}


def numbered(start: str, names: str, labels: Labels = NONE) -> list[Sample]:
    """A sample for each name, and no two with the same value."""
    values = count(1)
    return [gauge(f"{start}_{name}", next(values), labels) for name in names.split()]


def test_every_count_stands_under_its_own_name() -> None:
    names = "limit in_flight waiting refused evicted timed_out lent"
    shown = state(numbered("concurrency", names, API))["concurrency"]["api"]
    assert [shown[name] for name in names.split()] == [1, 2, 3, 4, 5, 6, 7]
    assert (shown["finished_per_s"], shown["waiting_by_key"]) == (None, {})
    names = "copies_sent copies_won copies_over_budget"
    [hedge] = state(numbered("hedge", names, {"route": "/"} | API))["hedges"]
    assert [hedge["sent"], hedge["won"], hedge["over_budget"]] == [1, 2, 3]
    names = "requests spent refused available"
    [budget] = state(numbered("retry_budget", names, API))["budgets"]
    assert [budget[name] for name in names.split()] == [1, 2, 3, 4]
    names = "calls joined in_flight"
    shown = state(numbered("coalesce", names, {"route": "/"}))["coalesce"]["routes"]["/"]
    assert [shown[name] for name in names.split()] == [1, 2, 3]
    names = "refused waited keys"
    shown = state(numbered("rate_limit", names, {"route": "/"}))["rate_limits"]["/"]
    assert [shown[name] for name in names.split()] == [1, 2, 3]
    shown = state(numbered("resumable", "streams streams_waiting"))["streams"]
    assert shown == {"resumable": 1, "waiting": 2}


def test_what_is_true_of_a_server_is_shown_as_true() -> None:
    for name in ("backup", "healthy"):
        for value in (0, 1):
            [server] = state([gauge(f"endpoint_{name}", value, SERVER)])["upstreams"]["api"]
            assert server[name] is bool(value)


def test_a_time_that_is_not_known_is_null() -> None:
    [server] = state([gauge("endpoint_weight", 1, SERVER)])["upstreams"]["api"]
    assert (server["latency_ms"], server["paused_s"], server["quota"]) == (None, None, None)
    assert state([])["streams"] == {"resumable": 0, "waiting": 0}


def test_two_things_with_the_same_labels_are_shown_as_two() -> None:
    budgets = [*numbered("retry_budget", "requests spent", API)] * 2
    assert [budget["spent"] for budget in state(budgets)["budgets"]] == [2, 2]


def test_a_sample_without_the_labels_of_its_family_is_left_out() -> None:
    """One of the whole process, whose name begins as those of routes do."""
    told = numbered("rate_limit", "refused waited keys", {"route": "/"})
    alone = [gauge(f"{start}_full", 1) for start in ("rate_limit", "hedge", "endpoint", "worker")]
    assert state([*alone, *told]) == state(told)
