"""The Retry-After field."""

import time
from datetime import UTC
from email.utils import parsedate_to_datetime

from proxy.core.fields import RawHeaders

_MOST = 1e9
"""Seconds; more is no different."""


def retry_after(headers: RawHeaders, now: float | None = None) -> float | None:
    """Seconds to wait (RFC 9110 10.2.3), from delta-seconds or a date; None where there is none.

    ``now``: seconds since the epoch.
    """
    for name, value in headers:
        if name.lower() == b"retry-after":
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
    return None
