"""How urgent a request is, as its client says (RFC 9218)."""

import re
from typing import Final

from proxy.http.fields import RawHeaders, values
from proxy.http.grammar import members

USUAL: Final = 3
"""The urgency of a request that says nothing (RFC 9218 4.1)."""

LEVELS: Final = 8
"""0 is the most urgent (RFC 9218 4.1)."""

_SAYS: Final = re.compile(rb"(?:u[ \t]*=[ \t]*([^ \t;]*)|u|([0-9]{1,3}))[ \t]*(?:;.*)?", re.DOTALL)
_LEVEL: Final = re.compile(rb"0{0,14}([0-7])")


def urgency(fields: RawHeaders, name: bytes) -> int:
    """What the field of this name, in lower case, says: ``u=1`` of Priority, or a bare number.

    The last member that says it counts; one that is no level says nothing (RFC 9218 4, RFC 9651
    4.2.2). Bare numbers are no part of that: many APIs have such a field of their own.
    """
    said = USUAL
    for value in values(fields, name):
        for member in members(value):
            found = _SAYS.fullmatch(member)
            if found is None:
                continue
            if found[2]:
                said = int(found[2])
            else:
                level = _LEVEL.fullmatch(found[1] or b"")
                said = USUAL if level is None else int(level[1])
    return said


def level(fields: RawHeaders, name: bytes) -> int:
    """The same as one of ``LEVELS``: more than the least is that. No name: nobody says anything."""
    return min(urgency(fields, name), LEVELS - 1) if name else USUAL
