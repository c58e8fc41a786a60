"""Spans in the protocol of OpenTelemetry (OTLP 1), kept until they are sent.

This module imports the generated messages of opentelemetry-proto, so it is imported only where
there is a ``[tracing]``.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2 as pb

from proxy import __version__
from proxy.core.exchange import Exchange
from proxy.core.samples import Sample, counter, gauge
from proxy.http.bounded_cache import BoundedCache
from proxy.http.request_id import is_parent
from proxy.telemetry.access_log_line import printable
from proxy.telemetry.spans import Attributes, Span, Spans, Trace

MOST: Final = 8 << 20
"""Bytes of spans that may wait for the collector; more are dropped, and counted."""
BATCH: Final = 512
"""Spans that are sent at once."""
_SCHEMA: Final = "https://opentelemetry.io/schemas/1.44.0"
_SELDOM_AGAIN: Final = {
    "sidecar_proxy.request_id",
    "url.full",
    "url.path",
    "url.query",
    "http.request.body.size",
    "http.response.body.size",
}
_FAILED: Final = pb.Status(code=pb.Status.STATUS_CODE_ERROR)
LONGEST: Final = 300
"""Letters of what the collector says that are shown."""
OFTEN: Final = 512
"""Attributes of which it is known how they are encoded."""


class Tracer:
    """An observer that keeps the spans of what is sampled, of what failed and of what is slow."""

    __slots__ = (
        "_behind",
        "_encoded",
        "_resource",
        "_slow",
        "_spans",
        "_waiting",
        "dropped",
        "on_spans",
        "sent",
        "waiting_bytes",
    )

    def __init__(
        self, spans: Spans, service_name: str, slow: float, behind: Callable[[], float]
    ) -> None:
        """``slow``: seconds from which on an exchange is always kept, 0 for never.

        ``behind``: what is to be added to a monotonic time to have the time of day.
        """
        self._spans = spans
        self._slow = slow or float("inf")
        self._behind = behind
        self._encoded: BoundedCache[tuple[str, str | int], bytes] = BoundedCache(OFTEN, OFTEN << 10)
        self._waiting: deque[bytes] = deque()
        self.waiting_bytes = 0
        self.sent = self.dropped = 0
        self.on_spans: Callable[[], None] = _nobody
        """Called when spans begin to wait."""
        self._resource = Resource(
            attributes=_attributes(
                {
                    "service.name": service_name,
                    "telemetry.sdk.name": "sidecar-proxy",
                    "telemetry.sdk.language": "python",
                    "telemetry.sdk.version": __version__,
                }
            )
        )

    def record(self, exchange: Exchange, now: float) -> None:
        """An exchange has ended."""
        worth = exchange.status >= 500 or exchange.error or now - exchange.started_at >= self._slow
        record = exchange.record
        # Of an exchange that was sent somewhere its own link has looked.
        if not (worth or record.traced) and (record.attempt_count or not _sampled(exchange)):
            return
        self._keep_all(self._spans.trace(exchange, now))

    def record_refresh(self, exchange: Exchange, now: float) -> None:
        """What is stored was asked for anew, for no client."""
        if exchange.record.traced:
            self._keep_all(self._spans.refresh(exchange, now))

    def _keep_all(self, trace: Trace) -> None:
        behind, idle = self._behind(), not self._waiting
        for span in trace.spans:
            self._keep(_encoded(trace, span, behind) + self._attributes(span.attributes))
        if idle and self._waiting:
            self.on_spans()

    def _keep(self, span: bytes) -> None:
        if self.waiting_bytes + len(span) > MOST:
            self.dropped += 1
            return
        self._waiting.append(span)
        self.waiting_bytes += len(span)

    def _attributes(self, values: Attributes) -> bytes:
        """What makes a span have them where it is put behind its other fields.

        Messages that follow one another are one message with the fields of all (Protocol Buffers,
        Encoding, "Last One Wins"). Most attributes come again with each span, and to encode them
        was most of what a span costs.
        """
        known = self._encoded
        parts = []
        for key, value in values.items():
            if isinstance(value, float | bool) or key in _SELDOM_AGAIN:  # True == 1
                parts.append(_attribute(key, value))
                continue
            part = known.get((key, value))
            if part is None:
                part = _attribute(key, value)
                known.remember((key, value), part, 3 * len(part))
            parts.append(part)
        return b"".join(parts)

    def batch(self) -> tuple[int, bytes]:
        """How many spans, and the message that holds them; they wait no more."""
        message = ExportTraceServiceRequest()
        resource = message.resource_spans.add(resource=self._resource, schema_url=_SCHEMA)
        scope = resource.scope_spans.add(
            scope=InstrumentationScope(name="sidecar-proxy", version=__version__),
            schema_url=_SCHEMA,
        )
        number = min(BATCH, len(self._waiting))
        for _ in range(number):
            span = self._waiting.popleft()
            self.waiting_bytes -= len(span)
            scope.spans.add().MergeFromString(span)
        return number, message.SerializeToString()

    def taken(self, number: int, answer: bytes) -> str:
        """Count the spans of a batch that the collector has answered well.

        What comes back: how many of them it has rejected and why; empty for none.
        """
        rejected, why = 0, ""
        with contextlib.suppress(DecodeError):  # a collector that answers something else
            partial = ExportTraceServiceResponse.FromString(answer).partial_success
            rejected, why = max(0, min(number, partial.rejected_spans)), partial.error_message
        self.sent += number - rejected
        self.dropped += rejected
        return f"{rejected} of {number}: {printable(why[:LONGEST])}" if rejected else ""

    @property
    def waiting(self) -> int:
        """Spans that have not been sent."""
        return len(self._waiting)

    def describe(self, _: float) -> Iterator[Sample]:
        """For operators."""
        yield counter("trace_spans_sent", self.sent)
        yield counter("trace_spans_dropped", self.dropped)
        yield gauge("trace_waiting_bytes", self.waiting_bytes)


def _nobody() -> None:
    """Nobody waits for spans."""


def _sampled(exchange: Exchange) -> bool:
    """Of an exchange for which nobody was asked."""
    for name, value in exchange.headers:
        if len(name) == 11 and name.lower() == b"traceparent":  # house: one pass
            return is_parent(value) and bool(int(value[53:55], 16) & 1)
    return False


def _encoded(trace: Trace, span: Span, behind: float) -> bytes:
    """All but its attributes."""
    kind = pb.Span.SPAN_KIND_SERVER if span.server else pb.Span.SPAN_KIND_CLIENT
    encoded: bytes = pb.Span(
        trace_id=bytes.fromhex(trace.trace_id),
        span_id=bytes.fromhex(span.span_id),
        parent_span_id=bytes.fromhex(span.parent_id),
        trace_state=trace.state,
        flags=int(trace.sampled),
        name=span.name,
        kind=kind,
        start_time_unix_nano=_nano(span.began, behind),
        end_time_unix_nano=_nano(span.ended, behind),
        events=[
            pb.Span.Event(
                name=event.name,
                time_unix_nano=_nano(event.at, behind),
                attributes=_attributes(event.attributes),
            )
            for event in span.events
        ],
        links=[
            pb.Span.Link(trace_id=bytes.fromhex(trace_id), span_id=bytes.fromhex(span_id))
            for trace_id, span_id in span.links
        ],
        status=_FAILED if span.failed else None,
    ).SerializeToString()
    return encoded


def _attribute(key: str, value: str | int | float | bool) -> bytes:
    span = pb.Span(attributes=[KeyValue(key=key, value=_value(value))])
    encoded: bytes = span.SerializeToString()
    return encoded


def _nano(at: float, behind: float) -> int:
    return round((at + behind) * 1e9)


def _attributes(values: Attributes) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(value)) for key, value in values.items()]


def _value(value: str | int | float | bool) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(string_value=value)
