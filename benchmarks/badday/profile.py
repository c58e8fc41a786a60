"""What goes wrong on a day, how often and when."""

from dataclasses import dataclass, replace
from typing import Final

DAY: Final = 60.0
"""Seconds of a day as written here; a shorter one has everything earlier and shorter."""
ENDPOINTS: Final = 3
_ALL: Final = tuple(range(ENDPOINTS))


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time during which something is wrong with some endpoints, in seconds of the day."""

    begins: float
    ends: float
    endpoints: tuple[int, ...]

    def covers(self, endpoint: int, now: float) -> bool:
        """Whether it is so there, ``now`` seconds into the day."""
        return endpoint in self.endpoints and self.begins <= now < self.ends


@dataclass(frozen=True, slots=True)
class Profile:
    """Shares of the requests that arrive at an endpoint, and stretches."""

    name: str
    title: str
    stalled: float = 0.0
    reset: float = 0.0
    cut: float = 0.0
    unavailable: float = 0.0
    down: Stretch | None = None
    """Connections are refused, those that were there are reset."""
    slow: Stretch | None = None
    partition: Stretch | None = None
    """Connections are accepted, nothing is answered."""
    brownout: Stretch | None = None
    """A part is refused with 503, the rest is the slower the more of it there is."""

    @property
    def lost(self) -> Stretch | None:
        """When an endpoint serves nothing, and comes back."""
        return self.down or self.partition

    def lasting(self, seconds: float) -> "Profile":
        """The same on a day of another length."""
        return replace(
            self,
            down=_scaled(self.down, seconds / DAY),
            slow=_scaled(self.slow, seconds / DAY),
            partition=_scaled(self.partition, seconds / DAY),
            brownout=_scaled(self.brownout, seconds / DAY),
        )


def _scaled(stretch: Stretch | None, factor: float) -> Stretch | None:
    if stretch is None:
        return None
    return replace(stretch, begins=stretch.begins * factor, ends=stretch.ends * factor)


PROFILES: Final = {
    profile.name: profile
    for profile in (
        Profile(
            "bad",
            "Bad day: 4.5 % faults, one endpoint down, then another slow",
            stalled=0.02,
            reset=0.01,
            cut=0.005,
            unavailable=0.01,
            down=Stretch(15, 25, (1,)),
            slow=Stretch(35, 45, (2,)),
        ),
        Profile(
            "brownout",
            "Brownout: all refuse a fifth and slow down under load",
            brownout=Stretch(20, 35, _ALL),
        ),
        Profile(
            "partition",
            "Partition: one endpoint accepts connections and never answers",
            partition=Stretch(20, 35, (1,)),
        ),
        Profile("calm", "Calm: nothing goes wrong"),
    )
}
