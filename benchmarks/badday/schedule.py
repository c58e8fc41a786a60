"""What becomes of each request that arrives at an endpoint."""

import math
import random
from dataclasses import dataclass
from enum import Enum
from typing import Final

from benchmarks.badday.profile import Profile

STALL: Final = 4.0
"""Longer than any client waits."""
SLOWER: Final = 2.0
_SMALLEST: Final = 200
_LARGEST: Final = 20 << 10
_SHED: Final = 0.2
# At four in flight an endpoint takes twice as long. Fifty requests a second keep it at about
# five; a quarter more, sent again, at nine: a proxy that retries pays for it.
_CROWD: Final = 4


class Kind(Enum):
    """How a request is answered."""

    WHOLE = "whole"
    RESET = "reset"
    """Without a head."""
    CUT_FIN = "cut, closed"
    """After half the body."""
    CUT_RST = "cut, reset"
    UNAVAILABLE = "503"
    RETRY_AFTER = "503, Retry-After"


@dataclass(frozen=True, slots=True)
class Fate:
    """One answer: after how many seconds, of how many bytes, and how."""

    kind: Kind
    wait: float
    size: int


class Schedule:
    """An endpoint's day.

    What a request draws depends on its name and on how often it has come before, not on what came
    in between: behind every proxy the same requests have the same luck, wherever they are sent.
    """

    __slots__ = ("_endpoint", "_profile", "_seed")

    def __init__(self, profile: Profile, seed: int, endpoint: int) -> None:
        self._profile = profile
        self._endpoint = endpoint
        self._seed = seed

    def fate(self, name: str, before: int, now: float, in_flight: int) -> Fate:
        """Of a request that has come ``before`` times, anywhere.

        It arrives ``now`` seconds into the day, beside ``in_flight`` others.
        """
        rng, profile = random.Random(f"{self._seed} {name} {before}"), self._profile
        # All are drawn every time: a stretch changes what it is about and nothing else.
        fault, variant, shed = rng.random(), rng.random(), rng.random()
        wait = rng.lognormvariate(math.log(profile.median), profile.sigma)
        size = rng.randint(_SMALLEST, _LARGEST)
        slow = profile.slow is not None and profile.slow.covers(self._endpoint, now)
        if slow or self._endpoint in profile.slow_ones:
            wait += SLOWER
        if profile.brownout and profile.brownout.covers(self._endpoint, now):
            if shed < _SHED:
                return Fate(Kind.UNAVAILABLE, 0.0, size)
            wait *= 1 + in_flight / _CROWD
        if profile.faulty and self._endpoint not in profile.faulty:
            return Fate(Kind.WHOLE, wait, size)
        if (fault := fault - profile.stalled) < 0:
            return Fate(Kind.WHOLE, wait + STALL, size)
        if (fault := fault - profile.reset) < 0:
            return Fate(Kind.RESET, wait, size)
        if (fault := fault - profile.cut) < 0:
            return Fate(Kind.CUT_FIN if variant < 0.5 else Kind.CUT_RST, wait, size)
        if fault - profile.unavailable < 0:
            # At once, as overloaded servers do it; it looks fast to whoever balances by latency.
            return Fate(Kind.RETRY_AFTER if variant < 1 / 3 else Kind.UNAVAILABLE, 0.0, size)
        return Fate(Kind.WHOLE, wait, size)
