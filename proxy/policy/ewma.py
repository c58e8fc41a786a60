"""How long a server takes to answer, as far as that is known."""

import math
from typing import Final

_WORST: Final = 3600.0
"""Seconds up to which failures add up: more than slow servers with long queues come to."""

_REST: Final = 5.0
"""Seconds for which each second of a penalty counts: after one failure as long as an ejection takes
without other options. Of answers that take a millisecond, to fade alone would take a minute."""
_LONGEST_REST: Final = 60.0


class Ewma:
    """Peak EWMA, a moving average that is up at once and down slowly, as in Finagle.

    A server that is not asked gives no news, so its latency fades until it is worth a try. Finagle
    lets it fade while the server is at work too. Where an answer takes longer than ``decay``, that
    would draw the more requests to a server the longer it owes an answer. Here ``asked`` ends the
    fading, so that a server that was forgotten is tried by one request, not by a stampede.

    What failures have added counts for a while only. Then what the answers have said is left.
    """

    __slots__ = ("_answers", "_decay", "_fresh", "_level", "_rests_until", "_row", "_seen")

    def __init__(self, decay: float = 10.0) -> None:
        """``decay``: seconds in which what was seen loses all but 1/e of its weight."""
        self._decay = decay
        self._level = 0.0
        self._answers = 0.0
        """What the level would be without failures."""
        self._rests_until = math.inf
        """When failures count no more."""
        self._seen = 0.0
        self._fresh = 0.0
        self._row = 0

    def observe(self, seconds: float, now: float) -> None:
        """An answer came after ``seconds``."""
        self._row = 0
        kept = self._kept(now)
        news = seconds * (1.0 - kept)
        level, answers = self._level * kept + news, self._answers * kept + news
        self._level = level if level > seconds else seconds
        self._answers = answers if answers > seconds else seconds

    def penalise(self, now: float, seconds: float) -> None:
        """A failure, however fast, counts as ``seconds``, twice that if it follows a failure, ...

        It counts for ``_REST`` times as long. ``seconds`` alone would make a server that fails at
        once the best of those that take longer.
        """
        penalty = min(seconds * 2.0**self._row, max(seconds, _WORST))
        kept = self._kept(now)
        self._level = max(penalty, self._level * kept + penalty * (1.0 - kept))
        self._answers *= kept
        self._rests_until = now + min(_REST * penalty, _LONGEST_REST)
        self._row = min(self._row + 1, 30)

    def _kept(self, now: float) -> float:
        """What is left of what was known, now that there is news."""
        age = now - self._seen
        self._seen = self._fresh = now
        return math.exp(-age / self._decay) if age > 0 else 1.0

    def asked(self, now: float) -> None:
        """A request is on its way: until news comes, all that was known counts again."""
        self._fresh = now

    def value(self, now: float) -> float:
        """Seconds, 0 where nothing is known."""
        if now >= self._rests_until:
            self._level, self._rests_until = self._answers, math.inf
        age = now - self._fresh
        return self._level * math.exp(-age / self._decay) if age > 0 else self._level
