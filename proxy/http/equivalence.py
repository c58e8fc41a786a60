"""What two requests have to share to be the same."""

import re
from operator import itemgetter
from typing import Final

from proxy.http.bounded_cache import Memo
from proxy.http.fields import LOWER, RawHeaders

TRACING_FIELDS: Final = frozenset(
    b"""via forwarded x-forwarded-for x-request-id x-correlation-id x-request-start traceparent
    tracestate baggage b3 x-b3-traceid x-b3-spanid x-b3-parentspanid x-b3-sampled x-amzn-trace-id
    x-cloud-trace-context cf-ray sentry-trace x-datadog-trace-id x-datadog-parent-id
    x-sidecar-proxy""".split()
)
"""Fields that tell requests apart, but give no right to anything and choose nothing."""

_NAME: Final = itemgetter(0)
_FORWARDED: Final = b"forwarded"
_ASKED: Final = re.compile(rb'(?i)\b(?:host|proto)=(?:"[^"]*"|[^;,"]*)')
"""What Forwarded says of the address that was asked (RFC 7239 5.3, 5.4)."""


def _address(value: bytes) -> bytes:
    return b";".join(_ASKED.findall(value))


_ADDRESS: Final = Memo(_address, 512)
"""Of values of Forwarded: the proxy itself writes one into every request, by its client."""


def comparable_fields(
    fields: RawHeaders, ignored: frozenset[bytes] = TRACING_FIELDS
) -> tuple[tuple[bytes, bytes], ...]:
    """All that a request says but for what is ``ignored``, in lower case and in an order.

    Fields of one name stay in the order in which they came: it may matter (RFC 9110 5.3). Of
    Forwarded the address counts that was asked: a server may have several, each with its pages.
    """
    compared = [
        (low, _ADDRESS[value] if low in ignored else value)
        for name, value in fields
        if (low := LOWER[name]) not in ignored or low == _FORWARDED
    ]
    compared.sort(key=_NAME)
    return tuple(compared)
