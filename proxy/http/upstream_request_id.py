"""What an upstream calls a request."""

from typing import Final

from proxy.http.fields import RawHeaders

UPSTREAM_ID: Final = b"X-Upstream-Request-Id"
"""The upstream's X-Request-Id, on its way to the client."""
AN_ID: Final = b"equest"
"""Stands in the names of all fields below as they are written, so that few need a second look."""

IDS: Final = (
    UPSTREAM_ID.lower(),
    b"request-id",
    b"x-amzn-requestid",
    b"x-amz-request-id",
    b"x-ms-request-id",
    b"apim-request-id",
    b"x-goog-request-id",
    b"x-oai-request-id",
)
"""Fields in which APIs say it; the first that is there counts."""
_LONGEST: Final = 256


def upstream_id(fields: RawHeaders, ours: bytes) -> str:
    """The upstream's name for a request that we call ``ours``; empty where it gives none."""
    found: dict[bytes, bytes] = {}
    for name, value in fields:
        if AN_ID in name and value and value != ours:
            found.setdefault(name.lower(), value)
    for name in IDS:
        if name in found:
            return found[name][:_LONGEST].decode("latin-1")
    return ""
