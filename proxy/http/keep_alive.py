"""The Keep-Alive field: how long a server keeps a connection that is idle (RFC 2068 19.7.1.1).

RFC 9112 C.2.2 leaves it to the peers. Node, Apache, nginx and Tomcat send it, undici reads it.
"""

import re
from typing import Final

_TIMEOUT: Final = re.compile(rb'(?i)(?:^|[,; \t])timeout[ \t]*=[ \t]*"?([0-9]{1,9})')


def announced(value: bytes) -> int | None:
    """The seconds that it says; None where it says nothing of them."""
    return min(map(int, _TIMEOUT.findall(value)), default=None)
