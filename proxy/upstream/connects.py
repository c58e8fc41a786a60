"""Whether connections to a server are made, as the last attempt to make one has shown."""

from collections.abc import Callable, Sequence


class Connects:
    """What the last new connection came to, and who is told when one works."""

    __slots__ = ("_on_connect", "works")

    def __init__(self, on_connect: Sequence[Callable[[], None]] = ()) -> None:
        """``on_connect`` is called with each new connection; it may change at any time."""
        self._on_connect = on_connect
        self.works = True

    def made(self) -> None:
        """There is a new connection."""
        self.works = True
        for call in tuple(self._on_connect):
            call()

    def failed(self) -> None:
        """There is none: refused, unreachable, too late, without TLS."""
        self.works = False
