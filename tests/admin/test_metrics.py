"""``/metrics`` of a running proxy."""

import asyncio
import gzip
from typing import Any

import pytest

from tests.support.client import RawClient, ask
from tests.support.message import CHUNKED_HEAD, get, length
from tests.support.metrics import families as parsed
from tests.support.proxy import Proxy, dialled, fronted
from tests.support.upstream import HEALTHY, PATIENCE, Script

OPEN = b"Accept: application/openmetrics-text; version=1.0.0\r\n"
BUSY: Script = ["wait-body", length(b"busy", b"503 Busy")]
ADMIN = {"admin": {"listen": "127.0.0.1:0"}}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


async def families(proxy: Proxy) -> dict[str, Any]:
    answer = await ask(proxy.admin, get("/metrics", OPEN))
    assert answer.status == 200
    return {f.name: f for f in parsed(answer.body.decode(), openmetrics=True)}


async def told(proxy: Proxy) -> dict[str, float]:
    """Values by name, without the prefix, and the values of the labels."""
    return {
        " ".join([each.name, *(each.labels[name] for name in sorted(each.labels))]).removeprefix(
            "sidecar_proxy_"
        ): each.value
        for family in (await families(proxy)).values()
        for each in family.samples
    }


async def until(proxy: Proxy, name: str, value: float) -> dict[str, float]:
    """What is told as soon as this is."""
    async with asyncio.timeout(PATIENCE):
        while (found := await told(proxy)).get(name) != value:  # noqa: ASYNC110 - it is asked over HTTP
            await asyncio.sleep(0.01)
    return found


async def test_requests_attempts_and_retries_are_counted() -> None:
    options = {**ADMIN, "retry": {"on": ["503"], "backoff_base": "1ms"}}
    routes = [{"path": "/v1", "upstream": "api"}]
    async with fronted(BUSY, HEALTHY, **options, routes=routes) as (upstream, proxy):
        assert (await proxy.ask(get("/v1/x"))).status == 200
        assert (await proxy.ask(get("/v1/x"))).status == 200
        assert (await proxy.ask(get("/else"))).status == 404
        found = await told(proxy)
        assert found["requests_total GET /v1 200 api"] == 2
        assert found["requests_total GET other 404 other"] == 1
        assert found["errors_total destination_not_found other"] == 1
        assert found["refusals_total no_route other other"] == 1
        assert found["route_attempts_total /v1"] == 3
        assert found["retries_total 503 /v1"] == 1
        assert found[f"attempts_total {upstream.url} 503 api"] == 1
        assert found[f"attempts_total {upstream.url} 200 api"] == 2
        assert found["request_duration_seconds_count /v1 api"] == 2
        assert found["request_retries_seconds_count /v1 api"] == 1
        assert found["response_bytes_total /v1 api"] == 4
        assert found["client_connections_opened_total"] == 3
        assert found[f"endpoint_connections_opened_total {upstream.url} api"] >= 1
        assert found["requests_in_flight"] == 0
        assert found["process_open_fds"] > 3


async def test_times_have_the_trace_as_an_example() -> None:
    field = f"traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n".encode()
    async with fronted([0.02, *HEALTHY], **ADMIN) as (_, proxy):
        assert (await proxy.ask(get("/", field))).status == 200
        family = (await families(proxy))["sidecar_proxy_request_duration_seconds"]
        [example] = [each.exemplar for each in family.samples if each.exemplar]
        assert example.labels == {"trace_id": TRACE}
        assert 0.01 <= example.value < PATIENCE


@pytest.mark.parametrize(
    ("script", "options", "clock"),
    [
        (["hold"], {"timeouts": {"first_byte": "50ms"}}, "first_byte"),
        (["hold"], {"timeouts": {"total": "50ms"}}, "total"),
        ([CHUNKED_HEAD, b"1\r\nx\r\n", "hold"], {"timeouts": {"idle": "50ms"}}, "idle"),
        ([CHUNKED_HEAD, b"1\r\nx\r\n", "hold"], {"timeouts": {"total": "200ms"}}, "total"),
    ],
    ids=["first_byte", "total", "idle", "total in the middle"],
)
async def test_a_timeout_is_counted_by_its_option(
    script: Script, options: dict[str, Any], clock: str
) -> None:
    tables = {**ADMIN, **options, "retry": {"attempts": 1}}
    async with fronted(script, **tables) as (_, proxy):
        await proxy.ask(get())
        await until(proxy, f"timeouts_total {clock} / api", 1)


@pytest.mark.parametrize(
    ("options", "sent", "clock"),
    [
        ({"request_headers_timeout": "50ms"}, b"GET / HT", "request_headers_timeout other other"),
        (
            {"body_idle_timeout": "50ms"},
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
            "body_idle_timeout / api",
        ),
    ],
    ids=["head", "body"],
)
async def test_slow_clients_are_counted_by_the_option(
    options: dict[str, Any], sent: bytes, clock: str
) -> None:
    async with fronted(["hold"], **ADMIN, server=options) as (_, p):
        assert (await p.ask(sent)).status == 408
        found = await until(p, f"timeouts_total {clock}", 1)
        assert not [name for name in found if name.startswith("refusals_total")]


async def test_a_body_that_drips_is_counted_by_its_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.edge.http1.body_clock.RATE_GRACE", 0.1)
    server = {"body_idle_timeout": "30s", "body_min_rate": "1KiB"}
    async with fronted(["hold"], **ADMIN, server=server) as (_, p):
        sent = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx"
        assert (await p.ask(sent)).status == 408
        await until(p, "timeouts_total body_min_rate / api", 1)


async def test_who_waits_and_who_is_refused_can_be_seen() -> None:
    options = {"concurrency": {"max_requests": 1}, "queue": {"size": 1}}
    async with (
        dialled(["hold"], **ADMIN, **options) as (_, proxy, first),
        await proxy.connect() as second,
    ):
        for client in (first, second):
            await client.send(get())
        found = await until(proxy, "concurrency_waiting api", 1)
        assert (found["concurrency_limit api"], found["concurrency_in_flight api"]) == (1, 1)
        assert found["requests_in_flight"] == 2
        assert (await proxy.ask(get())).status == 503
        found = await told(proxy)
        assert found["refusals_total queue_full / other"] == 1
        assert found["concurrency_refused_total api"] == 1


async def test_too_many_connections_are_a_refusal() -> None:
    server = {"max_connections": 1}
    async with dialled(["hold"], **ADMIN, server=server) as (upstream, proxy, one):
        await one.send(get())
        await upstream.until(lambda: upstream.requests)
        assert (await proxy.ask(b"")).status == 503
        found = await told(proxy)
        assert found["refusals_total connection_limit other other"] == 1
        assert (found["client_connections"], found["client_connections_limit"]) == (1, 1)
        assert found["client_connections_evicted_total"] == 0


async def test_the_answer_is_packed_for_those_who_ask_for_it() -> None:
    async with fronted(**ADMIN) as (_, proxy):
        await proxy.ask(get())
        packed = await ask(proxy.admin, get("/metrics", b"Accept-Encoding: gzip\r\n"))
        assert packed.value("Content-Encoding") == b"gzip"
        assert b"sidecar_proxy_build_info{" in gzip.decompress(packed.body)
        plain = await ask(proxy.admin, get("/metrics"))
        assert plain.value("Content-Encoding") is None
        assert plain.value("Content-Type") == b"text/plain; version=0.0.4; charset=utf-8"


async def test_pages_of_other_sites_cannot_read_it() -> None:
    async with fronted(**ADMIN) as (_, proxy):
        async with await RawClient.connect(proxy.admin) as client:
            answer = await client.ask(b"GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        assert answer.status == 403


OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
NEW_PROMETHEUS = "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        ("application/openmetrics-text;version=1.0.0", OPENMETRICS),
        ("Application/OpenMetrics-Text;version=1.0.0", OPENMETRICS),
        ("text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0", OPENMETRICS),
        (  # Prometheus 2.51
            "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;"
            "version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            OPENMETRICS,
        ),
        ("application/openmetrics-text;version=1.0.0, */*", OPENMETRICS),
        ("application/openmetrics-text;version=1.0.0;q=0", PROMETHEUS),
        ("application/openmetrics-text;version=1.0.0;q=0.1, text/plain;q=1", PROMETHEUS),
        ("application/openmetrics-text;version=1.0.0;q=0.1, text/*", PROMETHEUS),
        ("application/openmetrics-text;version=1.0.0;q=0.1, */*", PROMETHEUS),
        (  # the order says nothing
            "text/plain;version=1.0.0;q=0.5,application/openmetrics-text;version=1.0.0;q=0.9",
            OPENMETRICS,
        ),
        (  # of several versions, the one that weighs most counts
            "text/plain;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.8,"
            "application/openmetrics-text;version=1.0.0;q=0.5",
            PROMETHEUS,
        ),
        (
            "text/plain;version=0.0.4;q=0.3,text/plain;version=1.0.0;q=0.8,"
            "application/openmetrics-text;version=1.0.0;q=0.5",
            NEW_PROMETHEUS,
        ),
        ("*/*", PROMETHEUS),
        ("", PROMETHEUS),
    ],
)
async def test_the_format_is_the_one_that_weighs_more(accept: str, answered: str) -> None:
    field = f"Accept: {accept}\r\nAccept-Encoding: gzip;q=0\r\n".encode()
    async with fronted(**ADMIN) as (_, proxy):
        answer = await ask(proxy.admin, get("/metrics", field))
        assert (answer.value("Content-Type") or b"").decode() == answered
        assert answer.value("Content-Encoding") is None
