"""What selects one of several replies to the same target (RFC 9110 12.5.5, RFC 9111 4.1)."""

import re
from collections.abc import Iterable
from typing import Final

from proxy.http.fields import RawHeaders, values
from proxy.http.grammar import members

ANY: Final = b"*"
MOST: Final = 100
"""Names that one reply varies on; one with more varies on everything. Each is looked for in each
request; nginx keeps no reply whose Vary has more than 128 bytes."""

_LISTS: Final = frozenset({b"accept", b"accept-charset", b"accept-encoding", b"accept-language"})
"""Lists whose members mean the same in any case. Their order stays: some servers heed it."""
_QUOTED: Final = rb'"(?>(?:[^"\\]++|\\.)*)(?:"|\\?\Z)'
"""A quoted string; one that does not end goes on to the end."""
_COMMA: Final = rb"(%b)|(?:(?<![ \t])[ \t]++|)," % _QUOTED
"""With the blanks before it, which are looked at once only: from the first one on."""
_SINGLE: Final = re.compile(rb"%b[ \t]*+" % _COMMA, re.DOTALL)
_SEVERAL: Final = re.compile(rb"%b[ \t,]*+" % _COMMA, re.DOTALL)
_CASED: Final = re.compile(rb'(%b|=[^",;]*+)|[^"=]++' % _QUOTED, re.DOTALL)
"""In a group, the values of parameters: what their case means is up to each (RFC 9110 8.3.1)."""


def selecting_names(lines: Iterable[bytes]) -> list[bytes]:
    """The names in the values of Vary, in lower case, each once; also where a comma is missing.

    ANY alone where there are too many.
    """
    named = [name for line in lines for member in members(line.lower()) for name in member.split()]
    names = list(dict.fromkeys(named))
    return names if len(names) <= MOST else [ANY]


def selecting_value(request: RawHeaders, name: bytes) -> bytes | None:
    """What a request says in this field, in one form for what means the same; None: nothing."""
    lines = values(request, name)
    return selecting_form(name, lines) if lines else None


def selecting_form(name: bytes, lines: Iterable[bytes]) -> bytes:
    """The same of these lines of the field, whose name is in lower case.

    Lines are put together, and blanks around commas are left out. Only of fields that are known
    to be lists the members without anything are left out too (RFC 9110 5.6.1): in ``10,`` and
    ``,10`` of others they may mean something.
    """
    value = b",".join(lines)
    if name not in _LISTS:
        return _SINGLE.sub(_comma, value).strip(b" \t")
    value = _SEVERAL.sub(_comma, value).strip(b" \t,")
    low = value.lower()
    if name != b"accept" or low == value:
        return low
    return _CASED.sub(lambda found: found[1] or found[0].lower(), value)


def _comma(found: re.Match[bytes]) -> bytes:
    return found[1] or b","
