"""What active checks say."""


class Health:
    """Changes its mind after several answers in a row."""

    __slots__ = ("_healthy_threshold", "_row", "_unhealthy_threshold", "healthy")

    def __init__(
        self, healthy_threshold: int = 2, unhealthy_threshold: int = 3, *, healthy: bool = True
    ) -> None:
        """``healthy``: what was known before the first answer."""
        self._healthy_threshold = healthy_threshold
        self._unhealthy_threshold = unhealthy_threshold
        self._row = 0
        self.healthy = healthy

    def passed(self) -> None:
        """A good answer."""
        self._row = 0 if self.healthy else self._row + 1
        if self._row >= self._healthy_threshold:
            self.healthy, self._row = True, 0

    def failed(self) -> None:
        """A bad one, or none."""
        self._row = self._row + 1 if self.healthy else 0
        if self._row >= self._unhealthy_threshold:
            self.healthy, self._row = False, 0
