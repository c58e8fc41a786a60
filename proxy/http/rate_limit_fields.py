"""The fields in which an API says how many requests it will still take, and when there are more.

RateLimit, and what well-known APIs send in its place. Retry-After is in ``http/retry_after``.
"""

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from proxy.http.fields import LOWER, Encoded, RawHeaders, placed, values

_NAME: Final = 64
"""Bytes of the name of a limit."""
_LONGEST: Final = 4096
"""Bytes of a structured field that are read."""
_DIGITS: Final = re.compile(r"\d{1,13}(?:\.\d{1,9})?")
_GO: Final = re.compile(r"(?:\d{1,9}(?:\.\d{1,9})?(?:ns|us|µs|ms|[smhd]))+")
_STEP: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|[smhd])")
_UNITS: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
}
_EPOCH: Final = 1_000_000_000
"""Seconds that are no delay, but a date."""
_EPOCH_MS: Final = 100_000_000_000
"""Milliseconds since the epoch."""
_OTHER: Final = frozenset(
    ("token", "tokens", "input", "output", "bytes", "complexity", "points", "cost", "credits")
)
"""Words in the name of a field that counts something else than requests."""


def _parser() -> Callable[..., Any]:
    """Structured fields (RFC 9651); imported by those who need it, since it takes 9 ms."""
    import http_sf  # noqa: PLC0415

    return http_sf.parse


class _Limits:
    """The names, in lower case, of fields that may say something of a limit."""

    __slots__ = ()

    def __contains__(self, name: object) -> bool:
        return isinstance(name, bytes) and b"limit" in name


_LIMITS: Final = _Limits()


def quota(
    fields: RawHeaders, wall: float | None = None, *, known: Encoded | None = None
) -> tuple[float, float] | None:
    """Requests that are left, and seconds until there are more; None where nothing is said.

    Of several limits that with the least left counts. What is not counted in requests (tokens,
    bytes) counts only where nothing of it is left: then the next request would be refused too. What
    a cache has stored says nothing of now.

    Knows ``RateLimit`` with ``RateLimit-Policy`` (draft-ietf-httpapi-ratelimit-headers, structured
    fields of RFC 9651) and the pairs ``-Remaining`` and ``-Reset`` that most APIs have, their words
    in any order: ``x-ratelimit-remaining-requests``, ``anthropic-ratelimit-tokens-reset``.
    ``wall``: seconds since the epoch; ``known``: as for ``placed``.
    """
    places = placed(fields, known, _LIMITS)
    if not places or any(value.strip(b" \t0") for value in values(fields, b"age")):
        return None
    lines: dict[bytes, list[bytes]] = {}
    for number in places:
        name, value = fields[number]
        lines.setdefault(LOWER[name], []).append(value)
    # Several lines are one list (RFC 9110 5.3).
    found = {k.decode("latin-1"): b", ".join(v).decode("latin-1") for k, v in lines.items()}
    now = time.time() if wall is None else wall
    told = [
        (left, until)
        for left, until, requests in (*_structured(found), *_pairs(found, now))
        if requests or left < 1
    ]
    if not told:
        return None
    if nothing := [until for left, until in told if left < 1]:
        return 0.0, max(nothing)
    return min(told)


def budget(fields: RawHeaders) -> bytes:
    """Which of several limits the others speak of, as GitHub says it; empty for the only one."""
    named = values(fields, b"x-ratelimit-resource")
    return named[0][:_NAME] if named else b""


def _structured(found: dict[str, str]) -> Iterator[tuple[float, float, bool]]:
    """The members of RateLimit: left, seconds, and whether these are requests."""
    if not (text := found.get("ratelimit")):
        return
    policies = {
        str(name): parameters
        for name, parameters in _parsed(found.get("ratelimit-policy", ""))
        if isinstance(parameters, dict)
    }
    for name, parameters in _parsed(text):
        if not isinstance(parameters, dict):
            continue
        policy = policies.get(str(name), {})
        left = _number(parameters.get("r"))
        until = _number(parameters.get("t", policy.get("w")))
        if left is not None and until is not None:
            yield left, until, str(policy.get("qu", "requests")) == "requests"
    if "=" in text and ";" not in text:  # drafts 3 to 7: limit=10, remaining=5, reset=7
        values = {name: member[0] for name, member in _parsed_dictionary(text).items()}
        left, until = _number(values.get("remaining")), _number(values.get("reset"))
        if left is not None and until is not None:
            yield left, until, True


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or value < 0:
        return None
    return float(value)


def _parsed(text: str) -> list[tuple[Any, Any]]:
    """The members of a List with their parameters; none of a field that is malformed."""
    if not text or len(text) > _LONGEST:
        return []
    try:
        members: Any = _parser()(text.encode("latin-1"), tltype="list")
    except ValueError:
        return []
    return [member if isinstance(member, tuple) else (member, {}) for member in members]


def _parsed_dictionary(text: str) -> dict[str, Any]:
    if len(text) > _LONGEST:
        return {}
    try:
        members: Any = _parser()(text.encode("latin-1"), tltype="dictionary")
    except ValueError:
        return {}
    return {k: v if isinstance(v, tuple) else (v, {}) for k, v in members.items()}


def _pairs(found: dict[str, str], now: float) -> Iterator[tuple[float, float, bool]]:
    """What two fields say whose names differ in ``remaining`` and ``reset`` only."""
    left: dict[tuple[str, ...], float] = {}
    until: dict[tuple[str, ...], float] = {}
    for name, text in found.items():
        words = name.replace("rate-limit", "ratelimit").split("-")
        key = tuple([word for word in words if word not in ("remaining", "reset", "after", "ms")])
        if "remaining" in words:
            numbers = [part.strip() for part in text.split(",")]
            if all(map(_DIGITS.fullmatch, numbers)):
                left[key] = min(map(float, numbers))
        elif "reset" in words:
            seconds = _seconds(text.strip(), now, milliseconds="ms" in words)
            if seconds is not None and ("after" in words or key not in until):
                until[key] = seconds
    for key in left.keys() & until.keys():
        yield left[key], until[key], _OTHER.isdisjoint(key)


def _seconds(text: str, now: float, *, milliseconds: bool = False) -> float | None:
    """Until a reset: a delay in seconds, or as Go has it (``6m0s``), or a date."""
    if _DIGITS.fullmatch(text):
        number = float(text)
        if number >= _EPOCH_MS:
            return max(0.0, number / 1000 - now)
        if number >= _EPOCH:
            return max(0.0, number - now)
        return number / 1000 if milliseconds else number
    if len(text) > 64:
        return None
    if _GO.fullmatch(text):
        return sum(float(amount) * _UNITS[unit] for amount, unit in _STEP.findall(text))
    try:
        when = datetime.fromisoformat(text)  # RFC 3339 too
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, when.timestamp() - now)
