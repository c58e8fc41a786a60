"""What fields of all kinds are made of: tokens, lists, quoted strings (RFC 9110 5.5, 5.6)."""

import re
from typing import Final

TCHAR: Final = rb"!#$%&'*+.^_`|~0-9A-Za-z-"
"""The characters of a token, to stand between the brackets of a regular expression.

The dash is the last one: further characters go in front of it.
"""
VCHAR: Final = rb"\t\x20-\x7e\x80-\xff"
"""The characters of a field value, for the same use: no control character but HTAB."""
QUOTABLE: Final = rb"(?>(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*)"
"""What stands between the quotes of a quoted string, for a larger regular expression."""

TOKEN: Final = re.compile(rb"[%b]+" % TCHAR)
"""The name of a field, a method, an option (RFC 9110 5.6.2)."""
CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
"""What a field value never holds: every control character but HTAB (RFC 9110 5.5)."""

_SHOWN: Final = 200
_ESCAPED: Final = re.compile(rb"\\(.)", re.DOTALL)
_TO_ESCAPE: Final = re.compile(rb'(["\\])')


class Malformed(ValueError):
    """Not what the grammar says. The text is a sentence for operators."""


class TooLarge(Malformed):
    """It goes on for longer than it may."""


def shown(said: bytes) -> bytes:
    """As much of what a peer said as a sentence shows of it."""
    return said[:_SHOWN]


def members(value: bytes) -> list[bytes]:
    """The members of a list, empty ones left out (RFC 9110 5.6.1).

    For lists of tokens: a comma within quotes is one like any other.
    """
    return [member for part in value.split(b",") if (member := part.strip(b" \t"))]


def quoted(value: bytes) -> bytes:
    """A quoted string with this value (RFC 9110 5.6.4)."""
    return b'"%b"' % _TO_ESCAPE.sub(rb"\\\1", value)


def unquoted(text: bytes) -> bytes:
    """The value of a quoted string, of which ``text`` is what stands between the quotes."""
    return _ESCAPED.sub(rb"\1", text)
