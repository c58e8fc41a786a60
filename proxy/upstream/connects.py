"""Whether connections to a server are made, as the last attempt to make one has shown."""

import copy
from collections.abc import Callable, Sequence

from proxy.core.errors import UpstreamError


class Connects:
    """What the last new connection came to, and who is told when one works."""

    __slots__ = ("_on_connect", "failure")

    def __init__(self, on_connect: Sequence[Callable[[], None]] = ()) -> None:
        """``on_connect`` is called with each new connection; it may change at any time."""
        self._on_connect = on_connect
        self.failure: UpstreamError | None = None
        """Why there was none, the last time; None where there was one."""

    def made(self) -> None:
        """There is a new connection."""
        self.failure = None
        for call in tuple(self._on_connect):
            call()

    def failed(self, why: UpstreamError) -> None:
        """There is none: refused, unreachable, too late, without TLS."""
        self.failure = copy.copy(why)  # it goes on, and is told more on its way
