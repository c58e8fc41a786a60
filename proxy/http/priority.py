"""How urgent a request is, as its client says (RFC 9218)."""

import re
from typing import Final

from proxy.http.fields import RawHeaders, values

USUAL: Final = 3
"""The urgency of a request that says nothing (RFC 9218 4.1)."""

LEVELS: Final = 8
"""0 is the most urgent (RFC 9218 4.1)."""

_URGENCY: Final = re.compile(rb"(?:^|,)\s*(?:u\s*=\s*)?(\d{1,3})\s*(?:$|[,;])")


def urgency(fields: RawHeaders, name: bytes) -> int:
    """What the field of this name, in lower case, says: ``u=1`` of Priority, or a bare number."""
    for value in values(fields, name):
        if found := _URGENCY.search(value):
            return int(found[1])
    return USUAL


def level(fields: RawHeaders, name: bytes) -> int:
    """The same as one of ``LEVELS``: more than the least is that. No name: nobody says anything."""
    return min(urgency(fields, name), LEVELS - 1) if name else USUAL
