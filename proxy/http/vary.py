"""What selects one of several replies to the same target (RFC 9110 12.5.5, RFC 9111 4.1)."""

import re
from collections.abc import Iterable
from typing import Final

from proxy.http.fields import RawHeaders, values
from proxy.http.grammar import members

ANY: Final = b"*"

_CASELESS: Final = frozenset({b"accept", b"accept-charset", b"accept-encoding", b"accept-language"})
"""Fields whose members mean the same in any case. Their order stays: some servers heed it."""
_COMMA: Final = re.compile(rb'("(?>(?:[^"\\]|\\.)*)")|[ \t]*,[ \t,]*', re.DOTALL)


def selecting_names(lines: Iterable[bytes]) -> list[bytes]:
    """The names in the values of Vary, in lower case, each once; also where a comma is missing."""
    named = [name for line in lines for member in members(line.lower()) for name in member.split()]
    return list(dict.fromkeys(named))


def selecting_value(request: RawHeaders, name: bytes) -> bytes | None:
    """What a request says in this field, in one form for what means the same; None: nothing.

    Lines are put together, and blanks around commas are left out.
    """
    lines = values(request, name)
    if not lines:
        return None
    value = _COMMA.sub(lambda found: found[1] or b",", b",".join(lines)).strip(b" \t,")
    return value.lower() if name in _CASELESS else value
