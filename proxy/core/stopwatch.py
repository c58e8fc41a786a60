"""Adds up several spans of time."""


class Stopwatch:
    """Seconds for which a client has been waited for to take its reply; the clock is the loop's.

    It is the ``Exchange.stalled`` of a reply whose body is sent.
    """

    __slots__ = ("_seconds", "_since")

    def __init__(self) -> None:
        self._seconds = 0.0
        self._since: float | None = None

    def begin(self, now: float) -> None:
        """The proxy waits for the client from now on, unless it does already."""
        if self._since is None:
            self._since = now

    def end(self, now: float) -> None:
        """The client has taken the bytes: the wait is over."""
        self._seconds += 0.0 if self._since is None else now - self._since
        self._since = None

    def __call__(self, now: float) -> float:
        """Seconds in all."""
        return self._seconds + (0.0 if self._since is None else now - self._since)
