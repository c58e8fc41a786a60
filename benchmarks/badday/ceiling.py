"""The most that any proxy could make of a day: everything is known in advance.

Nothing unsafe is sent twice: a POST has its first draw and no other. Everything else may be sent as
often as helps, at once or later, to whichever server suits it best.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from benchmarks.badday.client import PATIENCE, Order
from benchmarks.badday.profile import Profile, Stretch
from benchmarks.badday.schedule import Fate, Kind, Schedule

_DRAWS: Final = 10
"""Sends of one request after which another would not help."""
_PASSED: Final = frozenset({Kind.WHOLE, Kind.UNAVAILABLE, Kind.RETRY_AFTER})
"""What a POST may come to: its own 503 is nobody's failure."""


def ceiling(profile: Profile, seed: int, day: Iterable[Order]) -> float:
    """Share of the requests that could be good."""
    schedules = [Schedule(profile, seed, number) for number in range(profile.servers)]
    judged = [_could_be_good(order, schedules, profile) for order in day]
    return sum(judged) / max(len(judged), 1)


def _could_be_good(order: Order, schedules: list[Schedule], profile: Profile) -> bool:
    for number, schedule in enumerate(schedules):
        for moment in _moments(order, number, profile):
            waited = moment - order.due
            if waited < PATIENCE and _answered(order, schedule, moment, PATIENCE - waited):
                return True
    return False


def _moments(order: Order, server: int, profile: Profile) -> Iterator[float]:
    """When it could be sent there: as it comes, or when something that is wrong there has ended."""
    lost = profile.lost
    if lost is None or not lost.covers(server, order.due):
        yield order.due
    for stretch in (lost, profile.slow, profile.brownout):
        if stretch is not None and stretch.covers(server, order.due):
            yield _after(stretch, lost, server)


def _after(stretch: Stretch, lost: Stretch | None, server: int) -> float:
    """When it has ended there."""
    if lost is not None and lost.covers(server, stretch.ends):
        return lost.ends
    return stretch.ends


def _answered(order: Order, schedule: Schedule, moment: float, left: float) -> bool:
    """Whether it is answered well there within ``left`` seconds, as the only request."""
    fates: Iterable[Fate] = (
        schedule.fate(order.name, before, moment, 0)
        for before in range(1 if order.method == "POST" else _DRAWS)
    )
    good = _PASSED if order.method == "POST" else {Kind.WHOLE}
    return any(fate.kind in good and fate.wait < left for fate in fates)
