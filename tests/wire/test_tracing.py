"""Spans, as a collector receives them by OTLP over HTTP."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from proxy.config.load import from_upstream
from proxy.run.reasons import CannotStart
from proxy.run.runtime import Runtime
from proxy.telemetry.otlp import Tracer
from tests.support.message import get, length
from tests.support.names import system_names
from tests.support.proxy import Proxy, fronted, proxied
from tests.support.upstream import HEALTHY, PATIENCE, RawUpstream, Script

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
BUSY: Script = ["wait-body", length(b"busy", b"503 Busy")]


class Receiver:
    """A collector."""

    def __init__(self) -> None:
        self.url = ""
        self.spans: list[Span] = []
        self.services = set[str]()
        self.statuses: list[int] = []
        self.asked = 0
        self.answers: list[bytes] = []
        """Said to what is taken, one after the other; nothing after the last."""

    async def receive(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.statuses:
            return web.Response(status=self.statuses.pop(0))
        assert request.content_type == "application/x-protobuf"
        message = ExportTraceServiceRequest.FromString(await request.read())
        for resource in message.resource_spans:
            names = {each.key: each.value.string_value for each in resource.resource.attributes}
            self.services.add(names["service.name"])
            for scope in resource.scope_spans:
                self.spans += scope.spans
        return web.Response(body=self.answers.pop(0) if self.answers else b"")

    async def until(self, number: int) -> list[Span]:
        """The spans, as soon as there are so many."""
        async with asyncio.timeout(PATIENCE):
            while len(self.spans) < number:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
        return self.spans


@contextlib.asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/v1/traces", receiver.receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = site.name
    host, port = runner.addresses[0]
    receiver.url = f"http://{host}:{port}"
    try:
        yield receiver
    finally:
        await runner.cleanup()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.run.collector.EVERY", 0.01)
    monkeypatch.setattr("proxy.run.collector._WAIT", 0.01)


def traceparent(flags: str = "01") -> bytes:
    return f"traceparent: 00-{TRACE}-{PARENT}-{flags}\r\n".encode()


def options(receiver: Receiver, **tracing: Any) -> dict[str, Any]:
    return {
        "tracing": {"endpoint": receiver.url, **tracing},
        "retry": {"on": ["503"], "backoff_base": "1ms"},
    }


async def test_a_collector_receives_a_span_of_the_exchange_and_one_of_each_attempt() -> None:
    async with (
        receiving() as receiver,
        RawUpstream(BUSY, HEALTHY) as upstream,
        proxied(upstream, **options(receiver, service_name="shop")) as proxy,
    ):
        assert (await proxy.ask(get("/a?token=secret", traceparent()))).status == 200
        server, first, second = await receiver.until(3)
        told = [request.head.value("traceparent") for request in upstream.requests]
    assert receiver.services == {"shop"}
    assert {span.trace_id.hex() for span in receiver.spans} == {TRACE}
    assert (server.kind, server.name) == (Span.SPAN_KIND_SERVER, "GET /")
    assert server.parent_span_id.hex() == PARENT
    assert server.start_time_unix_nano <= first.start_time_unix_nano
    assert first.end_time_unix_nano <= second.start_time_unix_nano
    assert second.end_time_unix_nano <= server.end_time_unix_nano
    for span, sent in ((first, told[0]), (second, told[1])):
        assert span.kind == Span.SPAN_KIND_CLIENT
        assert span.parent_span_id == server.span_id
        assert sent == f"00-{TRACE}-{span.span_id.hex()}-01".encode()
    assert (first.status.code, second.status.code) == (
        Status.STATUS_CODE_ERROR,
        Status.STATUS_CODE_UNSET,
    )
    values = {each.key: each.value for each in second.attributes}
    assert values["http.request.resend_count"].int_value == 1
    assert values["http.response.status_code"].int_value == 200
    assert values["url.full"].string_value == f"{upstream.url}/a?token=***"


async def test_what_the_client_does_not_sample_passes_unchanged_and_is_not_sent() -> None:
    async with (
        receiving() as receiver,
        RawUpstream(HEALTHY, BUSY) as upstream,
        proxied(upstream, **options(receiver)) as proxy,
    ):
        assert (await proxy.ask(get("/", traceparent("00")))).status == 200
        sent = upstream.requests[0].head.value("traceparent")
        assert sent == f"00-{TRACE}-{PARENT}-00".encode()
        for _ in range(3):
            upstream.play(BUSY)
        status = (await proxy.ask(get("/", traceparent("00")))).status
        spans = await receiver.until(2)
    if status == 503:  # what failed is always sent
        assert spans[0].attributes
    assert not any(span.flags & 1 for span in spans)


async def test_what_failed_is_always_sent_and_what_began_here_has_no_parent() -> None:
    async with (
        receiving() as receiver,
        RawUpstream(HEALTHY) as upstream,
        proxied(upstream, **options(receiver, sample=0.0)) as proxy,
    ):
        assert (await proxy.ask(get())).status == 200
        assert upstream.requests[0].head.value("traceparent")[-2:] == b"00"  # type: ignore[index]
        assert (await proxy.ask(get("/", b"Host: twice\r\n"))).status == 400
        [server] = await receiver.until(1)
    assert server.parent_span_id == b""
    assert {each.key: each.value for each in server.attributes}["error.type"].string_value == (
        "http_request_error"
    )


async def test_the_share_that_is_sampled_may_change_without_a_restart() -> None:
    async with (
        receiving() as receiver,
        RawUpstream(*[HEALTHY] * 9) as upstream,
        proxied(upstream, **options(receiver, sample=0.0)) as proxy,
        await proxy.connect() as client,
    ):
        marks = []
        for sample in (0.0, 1.0, 0.0):
            await proxy.reload(**options(receiver, sample=sample))
            for _ in range(3):  # the first goes the long way, the others are read fast
                assert (await client.ask(get())).status == 200
                marks.append(upstream.requests[-1].head.value("traceparent")[-2:])  # type: ignore[index]
    assert marks == [b"00"] * 3 + [b"01"] * 3 + [b"00"] * 3


async def test_what_is_slow_is_always_sent() -> None:
    async with (
        receiving() as receiver,
        RawUpstream([0.05, *HEALTHY], HEALTHY) as upstream,
        proxied(upstream, **options(receiver, sample=0.0), log={"slow": "40ms"}) as proxy,
    ):
        assert (await proxy.ask(get("/slow"))).status == 200
        server, _ = await receiver.until(2)
    assert server.name == "GET /"


async def test_a_collector_that_is_busy_is_asked_again() -> None:
    async with (
        receiving() as receiver,
        RawUpstream() as upstream,
        proxied(upstream, **options(receiver)) as proxy,
    ):
        receiver.statuses = [503, 429]
        await proxy.ask(get())
        await receiver.until(2)
        assert receiver.asked == 3


def tracer_of(proxy: Proxy) -> Tracer:
    """Of one that has a collector."""
    collector = proxy.runtime._observation._collector
    assert collector is not None
    return collector.tracer


async def test_spans_that_the_collector_rejects_are_lost(caplog: pytest.LogCaptureFixture) -> None:
    """It says so in an answer of 200 (OTLP 1, "Partial Success"); they were counted as taken."""
    partial = ExportTraceServiceResponse()
    partial.partial_success.rejected_spans = 1
    partial.partial_success.error_message = "too\nold"
    answers = [partial.SerializeToString()] * 2 + [b"{}"]
    async with receiving() as receiver, fronted(**options(receiver)) as (_, proxy):
        receiver.answers = answers
        tracer = tracer_of(proxy)
        for number in (2, 4, 6, 8):
            assert (await proxy.ask(get())).status == 200
            async with asyncio.timeout(PATIENCE):
                while tracer.sent + tracer.dropped < number:  # noqa: ASYNC110 - it tells nobody
                    await asyncio.sleep(0.01)
        assert (tracer.sent, tracer.dropped) == (6, 2)
    [line] = [each.getMessage() for each in caplog.records if "rejected" in each.getMessage()]
    assert line.endswith("they are dropped: 1 of 2: too%0Aold")


async def test_the_span_of_an_attempt_whose_reply_broke_has_the_status_of_its_head() -> None:
    """Of one that the proxy still held, and sent again."""
    broken: Script = ["wait-body", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "fin"]
    async with (
        receiving() as receiver,
        RawUpstream(broken, HEALTHY) as upstream,
        proxied(upstream, tracing={"endpoint": receiver.url}) as proxy,
    ):
        assert (await proxy.ask(get("/", traceparent()))).status == 200
        _, first, _ = await receiver.until(3)
    values = {each.key: each.value for each in first.attributes}
    assert values["http.response.status_code"].int_value == 200
    assert values["error.type"].string_value == "reset"


async def test_a_collector_that_is_away_costs_nothing_but_the_spans() -> None:
    gone = Receiver()
    gone.url = "http://127.0.0.1:1"
    async with fronted(**options(gone)) as (_, proxy):
        for _ in range(3):
            assert (await proxy.ask(get())).status == 200
        tracer = tracer_of(proxy)
        async with asyncio.timeout(PATIENCE):
            while tracer.dropped < 6:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)


def test_without_the_extra_the_proxy_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    config = from_upstream("http://127.0.0.1:1", sets=["tracing={}"])
    monkeypatch.setitem(sys.modules, "proxy.telemetry.otlp", None)
    with pytest.raises(CannotStart, match=r"pip install 'opentelemetry-proto>=1.30'"):
        Runtime(config)


async def test_the_end_sends_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.run.collector.EVERY", 600.0)
    async with receiving() as receiver:
        async with fronted(**options(receiver)) as (_, proxy):
            await proxy.ask(get())
        assert len(receiver.spans) == 2


async def test_the_name_of_a_collector_is_looked_up_as_all_others_are() -> None:
    with system_names(collector=["127.0.0.1"]) as names:
        async with receiving() as receiver, RawUpstream(HEALTHY) as upstream:
            receiver.url = receiver.url.replace("127.0.0.1", "collector.test")
            async with proxied(upstream, **options(receiver)) as proxy:
                assert (await proxy.ask(get())).status == 200
                await receiver.until(2)
        assert "collector.test" in names.asked


async def test_what_is_asked_for_behind_a_stale_reply_has_the_span_that_the_api_was_told() -> None:
    old: Script = [length(b"old", fields=b"Cache-Control: max-age=1\r\nAge: 10\r\n")]
    cache = {"stale_while_revalidate": "60s"}
    async with (
        receiving() as receiver,
        RawUpstream(old, HEALTHY) as upstream,
        proxied(upstream, **options(receiver), cache=cache) as proxy,
    ):
        assert (await proxy.ask(get())).body == b"old"
        await receiver.until(2)
        assert (await proxy.ask(get("/", traceparent()))).body == b"old"
        spans = (await receiver.until(4))[2:]
        told = upstream.requests[1].head.value("traceparent")
    [behind] = [span for span in spans if span.kind == Span.SPAN_KIND_CLIENT]
    assert told == f"00-{TRACE}-{behind.span_id.hex()}-01".encode()
    assert (behind.trace_id.hex(), behind.parent_span_id.hex()) == (TRACE, PARENT)
    assert "sidecar_proxy.background" in {each.key for each in behind.attributes}
