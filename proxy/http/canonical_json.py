"""JSON in one form for what means the same (RFC 8785), to compare requests by it."""

import json
from decimal import Decimal
from typing import Any, Final

_SAFE: Final = 2**53 - 1
"""Integers beyond it are not the same to all readers (RFC 7493 2.2)."""
_DEEPEST: Final = 100
_MOST: Final = 60_000
"""Pieces of text that a form has at most, two to four for a value: some 20 ms."""


class _NotCanonical(ValueError):
    """It means different things to different readers."""


def canonical(data: bytes) -> bytes | None:
    """The canonical form; None of what has none: no JSON, names twice, numbers out of range.

    Nor has what holds so many values that it would keep the loop for long.
    """
    if data.count(b"[") > _MOST:  # reading them costs the most
        return None
    objects = _Objects()
    try:
        # UTF-8 alone, and without a byte order mark (RFC 8259 8.1): not all read another coding.
        text = data.decode("utf-8")
        value = json.loads(text, object_pairs_hook=objects.made, parse_constant=_refuse)
        written: list[str] = []
        _write(value, 0, written)
        return "".join(written).encode("utf-8")
    except (ValueError, RecursionError):  # UnicodeError too
        return None


class _Objects:
    """Makes objects while the text is read; too many, or too many members, are not."""

    __slots__ = ("_members",)

    def __init__(self) -> None:
        self._members = 0

    def made(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """One of them."""
        self._members += 1 + len(pairs)
        if self._members > _MOST:
            raise _NotCanonical("too many members")
        found = dict(pairs)
        if len(found) != len(pairs):
            raise _NotCanonical("a name stands twice")
        return found


def _refuse(text: str) -> Any:
    raise _NotCanonical(text)


def _write(value: Any, depth: int, written: list[str]) -> None:
    """Add the text of a value, in pieces. Each value adds one at least."""
    if depth > _DEEPEST:
        raise _NotCanonical("nested too deeply")
    if len(written) > _MOST:
        raise _NotCanonical("too many values")
    if isinstance(value, dict):
        between = "{"
        for name in sorted(value, key=_units):
            written += (between, _text(name), ":")
            _write(value[name], depth + 1, written)
            between = ","
        written.append("}" if value else "{}")
    elif isinstance(value, list):
        between = "["
        for each in value:
            written.append(between)
            _write(each, depth + 1, written)
            between = ","
        written.append("]" if value else "[]")
    elif isinstance(value, str):
        written.append(_text(value))
    elif value is None or isinstance(value, bool):
        written.append({None: "null", True: "true", False: "false"}[value])
    else:
        written.append(_number(value))


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
