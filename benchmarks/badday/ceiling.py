"""The most that any proxy could make of a day.

For ``ceiling`` everything is known in advance. Nothing unsafe is sent twice: a POST has its first
draw and no other. Everything else may be sent as often as helps, at once or later, to whichever
server suits it best.

For ``foreseen``, of a day with one server, the profile is known, with its stretches, but not what a
request will draw before that shows. What shows too late could only be helped by a copy that was
sent before, and nothing says which requests need one.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from benchmarks.badday.client import PATIENCE, Order
from benchmarks.badday.profile import Profile, Stretch
from benchmarks.badday.schedule import Fate, Kind, Schedule

_DRAWS: Final = 10
"""Sends of one request after which another would not help."""
_SENT: Final = 1.10
"""Sends per request that the day with one server allows."""
_COPIES: Final = 0.05
"""Of the requests: the budget of ``[hedge]``."""
_MOMENTS: Final = tuple(number / 10 for number in range(10, 29))
"""Seconds after which a copy of what has stalled may be sent: no answer takes so long otherwise."""
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


def foreseen(profile: Profile, seed: int, day: Iterable[Order]) -> tuple[float, float] | None:
    """Expected share of good requests that no policy can pass which does not foresee what a request
    draws: with 1.10 sends per request, and with the copies among them within 5 %.

    In its favour, a request that stalls shows so at once, and a copy is always answered well. None
    for a day that is not of one server that is slow for a while.
    """
    if profile.servers > 1 or profile.slow is None:
        return None
    schedule = Schedule(profile, seed, 0)
    orders = list(day)
    lost = failed = stalled = slow = blind = 0
    for order in orders:
        if order.method == "POST":
            lost += not _answered(order, schedule, order.due, PATIENCE)
            continue
        slow += profile.slow is not None and profile.slow.covers(0, order.due)
        fate = schedule.fate(order.name, 0, order.due, 0)
        whole = fate.kind is Kind.WHOLE
        if whole and fate.wait < PATIENCE:
            continue
        moments = _MOMENTS if whole else (fate.wait,)
        if not any(_answered_again(order, schedule, moment) for moment in moments):
            blind += 1
        elif whole:
            stalled += 1
        else:
            failed += 1
    requests = len(orders)
    spare = (_SENT - 1) * requests - failed - stalled

    def share(copies: float) -> float:
        helped = min(blind, max(0.0, copies) * blind / max(slow, 1))
        return (requests - lost - blind + helped) / requests

    return share(spare), share(min(spare, _COPIES * requests - stalled))


def _answered_again(order: Order, schedule: Schedule, waited: float) -> bool:
    """Whether an attempt that begins so late may be answered in time, if all goes well."""
    moment = order.due + waited
    fates = (schedule.fate(order.name, before, moment, 0) for before in range(1, _DRAWS))
    return any(fate.kind is Kind.WHOLE and waited + fate.wait < PATIENCE for fate in fates)
