"""Field lines as RFC 9112 section 5 writes them, and nothing that is only nearly so."""

import re
from typing import Final, TypeAlias

Fields: TypeAlias = list[tuple[bytes, bytes]]

FIELD_LINES: Final = re.compile(
    rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[\t\x20-\x7e\x80-\xff]*+\r\n)*+"
)
"""Any number of whole field lines.

A name is a token with the colon right behind it; a value holds no control character but HTAB, so
neither a bare CR or LF nor NUL; a folded line begins with a blank, which no name does.
"""

FORBIDDEN: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""Control characters that stand in no head, no chunk-size line and no trailer."""


class Malformed(ValueError):
    """Not what the grammar says. The text is a sentence for operators."""


class TooLarge(Malformed):
    """It goes on for longer than it may."""


def check_lines(head: bytearray, start: int, end: int) -> None:
    """Whole field lines of a head that is still coming. Raises Malformed."""
    if not FIELD_LINES.fullmatch(head, start, end):
        raise Malformed(_what_is_wrong(bytes(head[start:end])))


def read_fields(block: bytes) -> Fields:
    """Names and values of whole field lines, blanks around the values left out.

    Raises Malformed.
    """
    if not FIELD_LINES.fullmatch(block):
        raise Malformed(_what_is_wrong(block))
    fields = []
    for line in block.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b":")
        fields.append((name, value.strip(b" \t")))
    return fields


_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]*")


def _what_is_wrong(block: bytes) -> str:
    """Which line the grammar does not know. Values are not shown: they may be credentials."""
    good = FIELD_LINES.match(block)
    line = block[good.end() if good else 0 :].partition(b"\r\n")[0]
    named = _NAME.match(line)
    name = named[0] if named else b""
    shown = name[:40].decode("ascii")
    if line[:1] in (b" ", b"\t"):
        return "a field line that begins with a blank"
    if not name or b":" not in line:
        return "a line that is no field"
    if line[len(name) : len(name) + 1] == b":":
        return f"a control character or a bare line break in the value of {shown}"
    return f"no colon right behind the field name {shown}"
