"""Dates in fields (RFC 9110 5.6.7)."""

import re
import time
from calendar import timegm
from datetime import UTC, date
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache
from typing import Final

_MONTHS: Final = {
    name: number
    for number, name in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)
}
_DAY: Final = rb"(?:mon|tue|wed|thu|fri|sat|sun)"
_LONG_DAY: Final = rb"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_MONTH: Final = b"(?P<month>%b)" % b"|".join(_MONTHS)
_TIME: Final = rb"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_FORMS: Final = [
    re.compile(form)
    for form in (
        rb"%b, (?P<day>\d\d) %b (?P<year>\d{4}) %b gmt" % (_DAY, _MONTH, _TIME),
        rb"%b, (?P<day>\d\d)-%b-(?P<year>\d\d) %b gmt" % (_LONG_DAY, _MONTH, _TIME),
        rb"%b %b (?P<day>[ \d]\d) %b (?P<year>\d{4})" % (_DAY, _MONTH, _TIME),
    )
]
"""IMF-fixdate, and the two obsolete forms that recipients have to know. Case does not matter."""
_CENTURY: Final = 100

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


@lru_cache(maxsize=256)
def date_of(value: bytes) -> float | None:
    """A date in one of the three forms, and in no other, as seconds since the epoch; else None."""
    text = value.lower()
    for form in _FORMS:
        found = form.fullmatch(text)
        if found is None:
            continue
        year = int(found["year"])
        if len(found["year"]) == 2:
            year = _full_year(year)
        month, day = _MONTHS[found["month"]], int(found["day"])
        hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"])
        try:
            date(year, month, day)
        except ValueError:
            return None
        if hour > 23 or minute > 59 or second > 60:
            return None
        return float(timegm((year, month, day, hour, minute, second)))
    return None


def _full_year(year: int) -> int:
    """Of two digits; more than 50 years ahead is the past (RFC 9110 5.6.7)."""
    now = time.gmtime().tm_year
    full = now - now % _CENTURY + year
    return full - _CENTURY if full > now + 50 else full
