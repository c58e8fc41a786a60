"""Permits whose requests wait for nobody but their client.

A permit stands for work of the API. One whose client drips its upload, does not read its reply or
keeps a silent tunnel open does none, and whoever holds all of them that way would lock everybody
out. So where others wait, such a permit is lent: another request goes, and this one goes on
without. There are never more on loan than there are permits, so an API is never asked more than
twice what its limit says, however many clients wake up at once. Where that many are on loan and
others still have to wait, those that have not moved for long are ended: else twice as many idle
clients as there are permits would lock everybody out.
"""

from collections.abc import Hashable
from typing import Final, Protocol

from proxy.policy.limiter import ConcurrencyLimiter

GRACE: Final = 10.0
"""Seconds that a client may keep a permit waiting."""
SHARE: Final = 0.8
"""Of the time that a permit is held: a client that drips moves now and then."""
LEFT: Final = 20.0
"""Seconds on loan after which one that still waits for its client is ended for the next."""
SILENT: Final = 60.0
"""Seconds without a byte after which a tunnel is: peers that live send pings twice a minute."""
_PAUSE: Final = 1.0
"""Seconds between two looks at all permits."""


class Holder(Protocol):
    """A request with a permit."""

    @property
    def key(self) -> Hashable:
        """Its key in a fair queue."""

    def stalls(self, now: float) -> bool:
        """Whether nothing but its client has been waited for lately."""

    def abandoned(self, now: float, since: float) -> bool:
        """Whether it has been on loan ``since`` then for nothing."""

    def cut(self) -> None:
        """End it: its client has done nothing for long, and others wait."""


class Loans:
    """The permits of one limiter."""

    __slots__ = ("_held", "_limiter", "_looked", "out")

    def __init__(self, limiter: ConcurrencyLimiter) -> None:
        self._limiter = limiter
        self._held: dict[Holder, None] = {}
        self._looked = 0.0
        self.out: dict[Holder, float] = {}
        """Requests whose permit is lent, and since when."""

    def begin(self, holder: Holder) -> None:
        """A request has a permit."""
        self._held[holder] = None

    def end(self, holder: Holder, now: float) -> None:
        """The request with this permit has ended."""
        if self._held.pop(holder, holder) is None:
            self._limiter.release(holder.key, now)
        else:
            self.out.pop(holder, None)

    def look(self, now: float) -> bool:
        """Somebody waits: lend what may be lent. Whether it was looked for; not that often."""
        if now - self._looked < _PAUSE:
            return False
        self._looked = now
        stalled = [each for each in self._held if each.stalls(now)]
        wanted = len(self.out) + len(stalled) - self._limiter.limit
        if wanted > 0:
            self._end(wanted, now)
        for holder in stalled[: max(0, self._limiter.limit - len(self.out))]:
            del self._held[holder]
            self.out[holder] = now
            self._limiter.release(holder.key, now)
        return True

    def _end(self, most: int, now: float) -> None:
        """Make room for further loans, by those that have been out for the longest time."""
        for holder in [h for h, since in self.out.items() if h.abandoned(now, since)][:most]:
            del self.out[holder]
            holder.cut()
