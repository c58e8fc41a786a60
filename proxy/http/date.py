"""Dates in fields (RFC 9110 5.6.7)."""

import time
from datetime import UTC
from email.utils import formatdate, parsedate_to_datetime

_made: tuple[int, bytes] = (0, b"")


def http_date() -> bytes:
    """Now, as a Date field has it; made once a second."""
    global _made  # noqa: PLW0603
    now = int(time.time())
    if _made[0] != now:
        _made = (now, formatdate(now, usegmt=True).encode())
    return _made[1]


def seconds_of(text: str) -> float | None:
    """A date as seconds since the epoch, in any of the three forms; None where it is none."""
    try:
        when = parsedate_to_datetime(text)
        if when.tzinfo is None:  # asctime's form, which is of UTC too
            when = when.replace(tzinfo=UTC)
        return when.timestamp()
    except (ValueError, OverflowError):  # also of a zone that is thousands of years away
        return None
