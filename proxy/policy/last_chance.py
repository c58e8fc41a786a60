"""When an attempt that has stalled gives way to another, because its client will leave soon."""

import math
from collections import deque
from collections.abc import Iterable
from typing import Final

from proxy.policy.patience import ClientPatience
from proxy.policy.quantile import Quantiles

_WINDOW: Final = 300.0
SIZE: Final = 128
"""Answers that say what is usual: few, so that a server that becomes slow is noticed at once."""
_USUAL: Final = 0.9
"""The quantile of them. With one of three servers slow, a higher one is what that server takes."""
_MULTIPLE: Final = 3.0
"""Of that quantile. With log-normal times and a sigma of 0.7, one answer in a thousand takes
longer."""
_LEAST_LEFT: Final = 0.1
"""Of the patience: so much is left for the other attempt at the least."""
_EARLIEST: Final = 0.5
"""Of the patience: no attempt is ended before that."""
_ANSWERED: Final = 4
"""Answers to later attempts for each one that is late: fewer, and it is the server that has
stalled."""
TRUST: Final = 10.0
_EARNED: Final = 2.0
PAUSE: Final = 5.0
"""Seconds; twice as long each time, up to ``_WINDOW``."""


class LastChance:
    """Decides for the attempts of one route at one upstream.

    A client that leaves gets nothing, so an attempt that is ended just before that costs nobody an
    answer. What it costs is another attempt. So there is none where the whole server is slow, and
    soon none where the others are not answered either: each that is tried takes one of ten tokens,
    and only those that are answered give two back. Without tokens there is a pause.
    """

    __slots__ = ("_begun", "_pause", "_paused_until", "_times", "_tokens", "ended", "patience")

    def __init__(self) -> None:
        self.patience = ClientPatience()
        self.ended = 0
        """Attempts that gave way to another."""
        self._times = Quantiles(_WINDOW, SIZE)
        self._begun: deque[float] = deque(maxlen=SIZE)
        """When the attempts began that were answered last."""
        self._tokens = TRUST
        self._pause = PAUSE
        self._paused_until = -math.inf

    def answered(self, began: float, now: float) -> None:
        """A first attempt that began then is answered now."""
        self._times.observe(now - began, now)
        self._begun.append(began)

    def seconds(self, now: float) -> float:
        """After how long a first attempt gives way; ``math.inf`` where none does."""
        patience = self.patience.seconds(now)
        usual = self._times.value(_USUAL, now)
        if patience is None or usual is None or now < self._paused_until:
            return math.inf
        bound = patience - _left(patience, usual)
        return bound if bound >= max(_EARLIEST * patience, _MULTIPLE * usual) else math.inf

    def stands_out(self, began: float, others: Iterable[float], now: float) -> bool:
        """Whether it is the attempt that began then that has stalled, and not the server.

        ``others``: when those began that are under way, the oldest first, this one included.
        """
        usual = self._times.value(_USUAL, now)
        if usual is None or now < self._paused_until:
            return False
        answered = sum(each > began for each in self._begun)
        late = -1  # this one
        for each in others:
            if each > now - _MULTIPLE * usual:
                break
            late += 1
            if late * _ANSWERED > answered:
                return False
        return True

    def end(self, now: float) -> None:
        """An attempt gives way to another now."""
        self.ended += 1
        self._tokens -= 1
        if self._tokens < 1:
            self._tokens = TRUST
            self._paused_until = now + self._pause
            self._pause = min(2 * self._pause, _WINDOW)

    def followed(self, took: float, now: float) -> None:
        """The other one was answered, and took so long.

        It has helped if that is in time for a client that is as patient as the others. One that
        takes as long as the first had is what the request takes, and not a stall that is over.
        """
        patience, usual = self.patience.seconds(now), self._times.value(_USUAL, now)
        if patience is None or usual is None or took > _left(patience, usual):
            return
        self._tokens = min(self._tokens + _EARNED, TRUST)
        self._pause = PAUSE


def _left(patience: float, usual: float) -> float:
    """Seconds that the other attempt has."""
    return max(_MULTIPLE * usual, _LEAST_LEFT * patience)
