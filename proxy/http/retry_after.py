"""The Retry-After field."""

import re
import time
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from proxy.http.fields import RawHeaders

_MILLISECONDS: Final = frozenset({b"retry-after-ms", b"x-ms-retry-after-ms"})
_NUMBER: Final = re.compile(rb"\d{1,12}(?:\.\d{1,9})?")
_MOST = 1e9
"""Seconds; more is no different."""


def retry_after(headers: RawHeaders, now: float | None = None) -> float | None:
    """Seconds to wait (RFC 9110 10.2.3), from delta-seconds or a date; None where there is none.

    ``retry-after-ms``, which OpenAI and Azure send beside it, says the same more exactly. ``now``:
    seconds since the epoch.
    """
    seconds = None
    for name, value in headers:
        low = name.lower()
        if low in _MILLISECONDS and _NUMBER.fullmatch(value.strip(b" \t")):
            return min(float(value) / 1000, _MOST)
        if seconds is None and low == b"retry-after":
            seconds = _seconds(value, now)
    return seconds


def _seconds(value: bytes, now: float | None) -> float | None:
    text = value.decode("latin-1").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), _MOST)
    try:
        when = parsedate_to_datetime(text)
        if when.tzinfo is None:  # asctime's form, which is of UTC too (RFC 9110 5.6.7)
            when = when.replace(tzinfo=UTC)
        date = when.timestamp()
    except (ValueError, OverflowError):  # also of a zone that is thousands of years away
        return None
    return max(0.0, date - (time.time() if now is None else now))
