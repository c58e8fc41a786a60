"""The fields in which an API says how many requests it will still take."""

import re
import time
from typing import Final

from proxy.core.fields import RawHeaders

_MEMBER: Final = re.compile(rb'(?:^|,)\s*(?:"[^"]*"|[A-Za-z*][\w.*-]*)\s*((?:;[^,]*)?)')
_PARAMETER: Final = re.compile(rb";\s*([rt])\s*=\s*(\d{1,12})")
_NUMBER: Final = re.compile(rb"\d{1,12}(?:\.\d{1,9})?")
_EPOCH: Final = 1_000_000_000
"""Seconds that are no delay, but a date."""
_REMAINING: Final = (b"ratelimit-remaining", b"x-ratelimit-remaining", b"x-rate-limit-remaining")
_RESET: Final = (b"ratelimit-reset", b"x-ratelimit-reset", b"x-rate-limit-reset")


def quota(fields: RawHeaders, wall: float | None = None) -> tuple[float, float] | None:
    """Requests that are left, and seconds until there are more; None where nothing is said.

    Knows ``RateLimit`` (draft-ietf-httpapi-ratelimit-headers, ``"name";r=9;t=30``, of several the
    one with the least left) and the pairs ``-Remaining`` and ``-Reset`` of earlier drafts and of
    many APIs, the reset as a delay or a date in seconds. ``wall``: seconds since the epoch.
    """
    found: dict[bytes, bytes] = {}
    for name, value in fields:
        low = name.lower()
        if b"limit" in low:
            found.setdefault(low, value)
    if not found:
        return None
    if b"ratelimit" in found:
        known = [_member(each) for each in _MEMBER.findall(found[b"ratelimit"])]
        told = [each for each in known if each is not None]
        if told:
            return min(told)
    for remaining, reset in zip(_REMAINING, _RESET, strict=True):
        left, until = found.get(remaining), found.get(reset)
        if left is None or until is None:
            continue
        if _NUMBER.fullmatch(left.strip()) and _NUMBER.fullmatch(until.strip()):
            seconds = float(until)
            if seconds >= _EPOCH:
                seconds = max(0.0, seconds - (time.time() if wall is None else wall))
            return float(left), seconds
    return None


def _member(parameters: bytes) -> tuple[float, float] | None:
    told = dict(_PARAMETER.findall(parameters))
    if b"r" not in told or b"t" not in told:
        return None
    return float(told[b"r"]), float(told[b"t"])
