"""Whether a store that is reached over the network is worth waiting for."""

from collections import deque
from typing import Final

from proxy.core.clock import Clock

_FAILURES: Final = 3
_WITHIN: Final = 1.0
"""Seconds in which so many failures open the circuit."""
_TIMEOUTS: Final = 4
"""Times the timeout, where that is longer: failures one after the other come no faster."""
_PROBE_EVERY: Final = 1.0


class Circuit:
    """Opens after three failures in a short time; then one attempt a second is a probe."""

    __slots__ = ("_clock", "_failed", "_next_probe", "_within", "is_open")

    def __init__(self, clock: Clock, timeout: float = 0.0) -> None:
        """``timeout``: seconds after which an attempt has failed."""
        self._clock = clock
        self._within = max(_WITHIN, _TIMEOUTS * timeout)
        self._failed: deque[float] = deque(maxlen=_FAILURES)
        self._next_probe = 0.0
        self.is_open = False

    def admits(self) -> bool:
        """Whether to try. While it is open, this says yes once a second."""
        if not self.is_open:
            return True
        now = self._clock()
        if now < self._next_probe:
            return False
        self._next_probe = now + _PROBE_EVERY
        return True

    def succeeded(self) -> None:
        """The store answered in time."""
        self.is_open = False
        self._failed.clear()

    def failed(self) -> None:
        """The store failed, or did not answer in time."""
        now = self._clock()
        self._failed.append(now)
        if self.is_open or (
            len(self._failed) == _FAILURES and now - self._failed[0] <= self._within
        ):
            self.is_open = True
            self._next_probe = now + _PROBE_EVERY
