"""JSON in one form for what means the same (RFC 8785), to compare requests by it."""

import json
from decimal import Decimal
from typing import Any, Final

_SAFE: Final = 2**53 - 1
"""Integers beyond it are not the same to all readers (RFC 7493 2.2)."""
_DEEPEST: Final = 100


class _NotCanonical(ValueError):
    """It means different things to different readers."""


def canonical(data: bytes) -> bytes | None:
    """The canonical form; None of what has none: no JSON, names twice, numbers out of range."""
    try:
        value = json.loads(data, object_pairs_hook=_object, parse_constant=_refuse)
        return "".join(_written(value, 0)).encode("utf-8")
    except (ValueError, RecursionError):  # UnicodeError too
        return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _NotCanonical("a name stands twice")
    return found


def _refuse(text: str) -> Any:
    raise _NotCanonical(text)


def _written(value: Any, depth: int) -> list[str]:
    if depth > _DEEPEST:
        raise _NotCanonical("nested too deeply")
    if isinstance(value, dict):
        parts = ["{"]
        for number, name in enumerate(sorted(value, key=_units)):
            parts += ["," * bool(number), _text(name), ":", *_written(value[name], depth + 1)]
        return [*parts, "}"]
    if isinstance(value, list):
        parts = ["["]
        for number, each in enumerate(value):
            parts += ["," * bool(number), *_written(each, depth + 1)]
        return [*parts, "]"]
    if isinstance(value, str):
        return [_text(value)]
    if value is None or isinstance(value, bool):
        return [{None: "null", True: "true", False: "false"}[value]]
    return [_number(value)]


def _units(name: str) -> bytes:
    """What names are sorted by: UTF-16 code units (RFC 8785 3.2.3)."""
    return name.encode("utf-16-be")


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _number(value: int | float) -> str:
    """As ECMAScript writes it (RFC 8785 3.2.2.3)."""
    if isinstance(value, int):
        if abs(value) > _SAFE:
            raise _NotCanonical("a number that some readers round")
        return str(value)
    if value in (float("inf"), float("-inf")):
        raise _NotCanonical("a number that is too large")
    if value == int(value) and abs(value) < 1e21:
        return _number(int(value))
    if 1e-6 <= abs(value) < 1e21:
        return format(Decimal(repr(value)), "f")
    mantissa, _, exponent = repr(value).partition("e")
    return f"{mantissa}e{int(exponent):+d}"
