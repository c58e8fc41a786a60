"""What was probably meant by a wrong duration or size, as the end of a sentence.

Its beginning is in ``core/duration`` (``expected a duration such as ...``), or in ``core/size``.
"""

import re
from typing import Any, Final

from proxy.core.duration import AutoDuration, Duration
from proxy.core.size import Size

_NO: Final = "no,off,none,never,false,null,nil,-1,unlimited,infinite,infinity,inf,disabled,disable"
NEVER: Final = frozenset(["", *_NO.split(",")])
_OFF: Final = ', "0" switches the limit off, where docs/configuration.md says nothing else'
_PART: Final = re.compile(r"([0-9]+(?:[.,][0-9]+)?)\s*([A-Za-zµμ]*)\s*")
_CLOCKS: Final[dict[str, float]] = {
    **dict.fromkeys(("ns", "nanos", "nanoseconds"), 1e-9),
    **dict.fromkeys(("us", "µs", "μs", "micros", "microseconds"), 1e-6),
    **dict.fromkeys(("ms", "msec", "msecs", "millis", "millisecond", "milliseconds"), 0.001),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    **dict.fromkeys(("w", "week", "weeks"), 604800.0),
}
_WEIGHTS: Final[dict[str, int]] = {
    **dict.fromkeys(("b", "byte", "bytes"), 1),
    **dict.fromkeys(("k", "kb", "kib", "ki"), 1 << 10),
    **dict.fromkeys(("m", "mb", "mib", "mi"), 1 << 20),
    **dict.fromkeys(("g", "gb", "gib", "gi"), 1 << 30),
    **dict.fromkeys(("t", "tb", "tib", "ti"), 1 << 40),
}


def meant(text: str) -> str:
    """The end of a sentence that suggests ``text``."""
    return f", did you mean {text}?"


def unit(kind: type, raw: Any) -> str:
    """A duration or a size."""
    if raw is False or (isinstance(raw, str) and raw.strip().lower() in NEVER):
        return _OFF
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        return ""
    if issubclass(kind, AutoDuration) and str(raw).strip().lower() == "auto":
        return meant('"auto"')
    if issubclass(kind, Duration):
        return duration_unit(raw)
    return size_unit(raw)


def duration_unit(raw: str | float) -> str:
    """A duration."""
    if not isinstance(raw, str):
        return meant(f'"{raw:g}s"') if 0 < raw < 1e9 else _OFF * (raw == 0)
    parts, total = _parts(raw, _CLOCKS)
    if not parts:
        return ""
    if parts == [""]:  # a bare number says no unit
        number = raw.strip().replace(",", ".")
        return meant(f'"{number}s" or "{number}ms"')
    return meant(f'"{Duration(round(total, 9))}"') if 0 < total < 1e9 else ""


def size_unit(raw: str | float) -> str:
    """A size."""
    if not isinstance(raw, str):
        if raw == 0:
            return _OFF
        return meant(f'"{Size(raw)}"') if isinstance(raw, int) and 0 < raw < 1 << 62 else ""
    parts, total = _parts(raw, _WEIGHTS)
    return meant(f'"{Size(int(total))}"') if parts and 0 < total < 1 << 62 else ""


def _parts(raw: str, units: dict[str, Any]) -> tuple[list[str], float]:
    """The units of a text, and its sum; no units where it cannot be read."""
    text, at, found, total = raw.strip().removeprefix("+"), 0, list[str](), 0.0
    if text[:2].upper() == "PT":  # ISO 8601
        text = text[2:]
    while at < len(text):
        part = _PART.match(text, at)
        name = part[2] if part else ""
        weight = units.get(name) or units.get(name.lower()) if name else 1
        if not part or weight is None or len(part[1]) > 15:
            return [], 0.0
        total += float(part[1].replace(",", ".")) * weight
        found.append(name)
        at = part.end()
    return ([], 0.0) if "" in found and len(found) > 1 else (found, total)
