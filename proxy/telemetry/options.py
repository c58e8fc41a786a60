"""The table of the log, ``[log]``."""

from typing import Annotated, Literal

from msgspec import Meta

from proxy.core.duration import Duration, seconds
from proxy.core.options import Table, described


class TracingOptions(Table, frozen=True, kw_only=True):
    """Spans of OpenTelemetry, sent by OTLP over HTTP; needs a package, see docs/operations.md."""

    endpoint: Annotated[
        str,
        described(
            "The collector's address for OTLP over HTTP, as in OTEL_EXPORTER_OTLP_ENDPOINT; spans "
            "go to /v1/traces there."
        ),
    ] = "http://127.0.0.1:4318"
    service_name: Annotated[
        str, described("service.name of the spans: what this proxy stands beside.")
    ] = "sidecar-proxy"
    sample: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Share of the traces that begin here; clients that send a traceparent "
            "decide for theirs. What failed, or took longer than `[log] slow`, is always sent.",
        ),
    ] = 1.0


class LogOptions(Table, frozen=True, kw_only=True):
    """The access log on standard output, everything else on standard error."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        described("Least severity that standard error shows."),
    ] = "info"
    format: Annotated[
        Literal["json", "console"], described("One JSON object a line, or text for a terminal.")
    ] = "json"
    access: Annotated[bool, described("Write one line for each request.")] = True
    sample: Annotated[
        float,
        Meta(
            ge=0, le=1, description="Share of requests that are logged; failures are always logged."
        ),
    ] = 1.0
    slow: Annotated[
        Duration,
        described("What takes longer is logged even if `sample` leaves it out; 0: nothing is."),
    ] = seconds(0)
    redact: Annotated[
        tuple[str, ...],
        described(
            "Query parameters and fields whose values are never shown, besides those that are "
            'known to carry credentials: "access_token", "api_key", "signature" and their like. '
            'The keys that the log takes from "User-Agent", "Host", "traceparent" and '
            '"X-Request-Id" are hidden with them.'
        ),
    ] = ()
