"""How many descriptors the process may have, and how many clients that is enough for.

Each client needs two: its own connection and one to an upstream. Without a bound the clients
would take them all, and a healthy upstream could not be connected to.
"""

import contextlib
import logging
import os
import resource
from typing import Final, NamedTuple

_log = logging.getLogger(__name__)

SPARE: Final = 64
"""Descriptors kept for everything else: refusals, health checks, look-ups, spools, the log."""
AMPLE: Final = 8192
"""As many more than are needed make it certain that accepting never runs out of them.

Twice the backlog: all of it may be accepted before one of it is refused.
"""


class Descriptors(NamedTuple):
    """What a process may open."""

    limit: int
    """Descriptors in all."""
    used: int
    """Those that were open before there was a client."""

    @property
    def ceiling(self) -> int:
        """A new descriptor with this number or a higher one says that nearly all are in use."""
        return self.limit - max(2, self._spare // 2)

    @property
    def refused(self) -> int:
        """Clients that may be reading their refusals at a time: each holds a descriptor."""
        return max(1, (self.limit - self.ceiling) // 2)

    @property
    def _spare(self) -> int:
        return min(SPARE, self.limit // 8)

    def connections(self, asked: int) -> int:
        """Client connections at a time; ``asked``: ``[server] max_connections``."""
        return min(asked, max(1, (self.limit - self.used - self._spare) // 2))

    def scarce(self, asked: int) -> bool:
        """Whether accepting has to look how many are left."""
        return self.limit < 2 * asked + self.used + self._spare + AMPLE

    def warn_if_few(self, asked: int) -> None:
        """Say so where ``asked`` is too many."""
        connections = self.connections(asked)
        if connections < asked:
            _log.warning(
                "max_connections is %d, but this process may open %d files only: at most %d "
                "clients are served at a time; beyond that the longest idle one is closed, and if "
                "none is idle: 503. Raise the hard limit "
                "(ulimit -Hn, LimitNOFILE=) to %d",
                asked,
                self.limit,
                connections,
                2 * asked + self.used + SPARE,
            )


def raise_limit() -> int:
    """Raise the soft limit to the hard one, as Go, Caddy and HAProxy do; what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):  # macOS refuses "unlimited"
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else 1 << 30


def descriptors() -> Descriptors:
    """Those of this process, before it serves."""
    return Descriptors(raise_limit(), _open())


def _open() -> int:
    for place in ("/proc/self/fd", "/dev/fd"):
        with contextlib.suppress(OSError):
            return len(os.listdir(place))
    return 16
