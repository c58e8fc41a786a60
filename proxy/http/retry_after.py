"""Retry-After (RFC 9110 10.2.3): when to come again, and what well-known APIs send beside it."""

import re
import time
from typing import Final

from proxy.http.date import seconds_of
from proxy.http.fields import RawHeaders

_MILLISECONDS: Final = frozenset({b"retry-after-ms", b"x-ms-retry-after-ms"})
_NUMBER: Final = re.compile(rb"\d{1,12}(?:\.\d{1,9})?")
_MOST: Final = 1e9
"""Seconds of Retry-After; more is no different."""


def retry_after(fields: RawHeaders, wall: float | None = None) -> float | None:
    """Seconds to wait (RFC 9110 10.2.3), from delta-seconds or a date; None where there is none.

    ``retry-after-ms``, which OpenAI and Azure send beside it, says the same more exactly. ``wall``:
    seconds since the epoch.
    """
    seconds = None
    for name, value in fields:
        low = name.lower()
        if low in _MILLISECONDS and _NUMBER.fullmatch(value.strip(b" \t")):
            return min(float(value) / 1000, _MOST)
        if seconds is None and low == b"retry-after":
            seconds = _delay(value.decode("latin-1").strip(), wall)
    return seconds


def _delay(text: str, wall: float | None) -> float | None:
    if text.isascii() and text.isdigit():
        return min(float(text), _MOST)
    date = seconds_of(text)
    return None if date is None else max(0.0, date - (time.time() if wall is None else wall))
