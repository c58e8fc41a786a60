"""What active checks say."""


class Health:
    """Changes its mind after several answers in a row.

    Until the first good one has come nothing speaks against the last answer, and it is enough: a
    server that is new may not be ready yet. HAProxy and Envoy do likewise.
    """

    __slots__ = ("_healthy_threshold", "_row", "_unhealthy_threshold", "healthy", "proven")

    def __init__(
        self,
        healthy_threshold: int,
        unhealthy_threshold: int,
        *,
        healthy: bool = True,
        proven: bool = False,
    ) -> None:
        """``healthy``: what was known before the first answer; ``proven``: whether there was a
        good one."""
        self._healthy_threshold = healthy_threshold
        self._unhealthy_threshold = unhealthy_threshold
        self._row = 0
        self.healthy = healthy
        self.proven = proven

    def passed(self) -> None:
        """A good answer."""
        self._row = 0 if self.healthy else self._row + 1
        if self._row >= self._healthy_threshold or not self.proven:
            self.healthy, self._row = True, 0
        self.proven = True

    def failed(self, *, last: bool = False) -> None:
        """A bad one, or none. ``last``: nobody else is left, so that one is not enough."""
        self._row = self._row + 1 if self.healthy else 0
        if self._row >= self._unhealthy_threshold or not (self.proven or last):
            self.healthy, self._row = False, 0
