"""What goes wrong on a day, how often and when."""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

DAY: Final = 60.0
"""Seconds of a day as written here; a shorter one has everything earlier and shorter."""
ENDPOINTS: Final = 3
_ALL: Final = tuple(range(ENDPOINTS))
_PEERS: Final = ("ours", "nginx", "haproxy", "caddy")
_HEDGED: Final = ("ours", "ours-hedge", *_PEERS[1:])
"""This proxy also with one line more, which the others have nothing like."""


class Tuning(Enum):
    """How much the operator has written."""

    DEFAULT = "default"
    """The servers, and nothing else."""
    HEDGE = "hedge"
    """One word more for this proxy: ``[hedge]``. The others have nothing like it."""
    TUNED = "tuned"
    """All that helps."""


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
    servers: int = ENDPOINTS
    faulty: tuple[int, ...] = ()
    """The only servers that these shares concern; all of them where there are none here."""
    slow_ones: tuple[int, ...] = ()
    """Servers that are slow all day."""
    median: float = 0.040
    """Seconds that an answer takes."""
    sigma: float = 0.5
    """Of their logarithm."""
    tuning: Tuning = Tuning.DEFAULT
    rows: tuple[str, ...] = _PEERS
    """Who has this day."""
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


def _bad(name: str, title: str, tuning: Tuning) -> Profile:
    """The same day for every tuning: 4.5 % faults, one endpoint down, then another slow."""
    return Profile(
        name,
        title,
        stalled=0.02,
        reset=0.01,
        cut=0.005,
        unavailable=0.01,
        tuning=tuning,
        down=Stretch(15, 25, (1,)),
        slow=Stretch(35, 45, (2,)),
    )


PROFILES: Final = {
    profile.name: profile
    for profile in (
        replace(
            _bad("default", "Bad day, nothing written but three servers", Tuning.DEFAULT),
            rows=("ours", "ours-auto", *_PEERS[1:]),
        ),
        _bad("hedge", "Bad day, one word more: `[hedge]`", Tuning.HEDGE),
        _bad("tuned", "Bad day, each tuned as well as it can be", Tuning.TUNED),
        Profile(
            "single",
            "One server that is slow and flaky, nothing written but its address",
            stalled=0.02,
            reset=0.02,
            cut=0.005,
            unavailable=0.02,
            servers=1,
            median=0.150,
            sigma=0.7,
            rows=("ours", "ours-auto", "ours-hedge", *_PEERS[1:]),
            slow=Stretch(35, 45, (0,)),
        ),
        Profile(
            "twenty",
            "Twenty servers, one of them failing and one slow, nothing written but their addresses",
            reset=0.3,
            cut=0.1,
            unavailable=0.3,
            servers=20,
            faulty=(3,),
            slow_ones=(11,),
            rows=_HEDGED,
        ),
        Profile(
            "restart",
            "One server that restarts within two seconds, nothing written but its address",
            servers=1,
            rows=("ours", "ours-wait", *_PEERS[1:]),
            down=Stretch(20, 22, (0,)),
        ),
        Profile(
            "brownout",
            "Brownout: all refuse a fifth and slow down under load; tuned",
            tuning=Tuning.TUNED,
            brownout=Stretch(20, 35, _ALL),
        ),
        Profile(
            "partition",
            "Partition: one endpoint accepts connections and never answers; tuned",
            tuning=Tuning.TUNED,
            partition=Stretch(20, 35, (1,)),
        ),
        Profile("steady", "Steady: nothing goes wrong, nothing written but three servers"),
        Profile("calm", "Calm: nothing goes wrong; tuned", tuning=Tuning.TUNED),
    )
}
