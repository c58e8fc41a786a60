"""What two requests have to share to be the same."""

from typing import Final

from proxy.http.fields import RawHeaders

TRACING_FIELDS: Final = frozenset(
    b"""via forwarded x-forwarded-for x-request-id x-correlation-id x-request-start traceparent
    tracestate baggage b3 x-b3-traceid x-b3-spanid x-b3-parentspanid x-b3-sampled x-amzn-trace-id
    x-cloud-trace-context cf-ray sentry-trace x-datadog-trace-id x-datadog-parent-id
    x-sidecar-proxy""".split()
)
"""Fields that tell requests apart, but give no right to anything and choose nothing."""


def comparable_fields(
    fields: RawHeaders, ignored: frozenset[bytes] = TRACING_FIELDS
) -> tuple[tuple[bytes, bytes], ...]:
    """All that a request says but for what is ``ignored``, in lower case and in an order.

    Fields of one name stay in the order in which they came: it may matter (RFC 9110 5.3).
    """
    lowered = [(name.lower(), value) for name, value in fields]
    return tuple(sorted([field for field in lowered if field[0] not in ignored], key=_name))


def _name(field: tuple[bytes, bytes]) -> bytes:
    return field[0]
