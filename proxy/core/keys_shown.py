"""Which keys of the log tell what stands in a field that ``[log] redact`` names.

Whoever shows one of them to people asks here, whether it is a line, a span, a call on the admin
listener or an exemplar.
"""

from collections.abc import Iterable
from typing import Final

from proxy.http.fields import DASHED
from proxy.http.request_id import REQUEST_ID_LOWER
from proxy.http.upstream_request_id import IDS

_FIELDS: Final = {
    "request_id": frozenset({REQUEST_ID_LOWER}),
    "trace_id": frozenset({b"traceparent"}),
    "user_agent": frozenset({b"user-agent"}),
    "host": frozenset({b"host"}),
    "upstream_request_id": frozenset({REQUEST_ID_LOWER, *IDS}),
}
"""The fields that each is taken from."""

_now: frozenset[str] = frozenset()


def hidden_keys(redact: Iterable[str]) -> frozenset[str]:
    """Those that must not be shown; ``redact``: ``[log] redact``."""
    names = {DASHED[name.encode()] for name in redact}
    return frozenset(key for key, fields in _FIELDS.items() if fields & names)


def hide_keys(redact: Iterable[str]) -> None:
    """Hide them from now on wherever ``is_hidden`` is asked."""
    global _now  # noqa: PLW0603 - it is the process that writes logs
    _now = hidden_keys(redact)


def is_hidden(key: str) -> bool:
    """For who is not told of options: whether the value of a key must not be shown."""
    return key in _now
