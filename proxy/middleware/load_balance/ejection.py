"""When a server is left alone for a while."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from typing import Annotated, Any, Final
from weakref import ref

from msgspec import Meta

from proxy.core.duration import Duration, seconds
from proxy.core.findings import Finding, Written, percent_doubts
from proxy.core.options import Table, described
from proxy.core.state_changes import tell
from proxy.core.words import in_seconds
from proxy.policy.breaker import Breaker
from proxy.policy.endpoint import Endpoint, in_service

_IN_A_ROW: Final = 3
_RELAPSES: Final = 5
"""Times the first ejection, for a server that fails again as soon as it is asked."""


class CircuitBreakerOptions(Table, frozen=True, kw_only=True):
    """Takes a server out that fails, and lets it back when a trial goes well.

    No connection, a reset, a timeout and a status of 500 or above are failures.
    """

    consecutive_failures: Annotated[
        int, Meta(ge=0, description="Failures in a row that eject a server; 0: never.")
    ] = 5
    failure_ratio: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Share of failures in `interval`, from 0 to 1, that "
            "ejects a server; 0: never.",
        ),
    ] = 0.0
    min_requests: Annotated[
        int, Meta(ge=1, description="Requests in `interval` from which on failure_ratio counts.")
    ] = 20
    interval: Annotated[Duration, described("The time over which failure_ratio is counted.")] = (
        seconds(10)
    )
    base_ejection_time: Annotated[
        Duration,
        described(
            "How long the first ejection lasts; each further one in a row lasts twice as long."
        ),
    ] = seconds(5)
    max_ejection_time: Annotated[
        Duration, described("The longest time that an ejection lasts.")
    ] = seconds(60)
    max_ejection_percent: Annotated[
        float,
        Meta(
            ge=0,
            le=100,
            description="Most servers that may be ejected at a time, in "
            "percent of those that are healthy and not drained; one always may be.",
        ),
    ] = 50.0


def passive(ejection_time: float) -> CircuitBreakerOptions:
    """What applies where several servers have no ``[circuit_breaker]``: short and soon over.

    Three in a row: with 5 % of failures that come by chance, this happens to a server once in
    8,000 requests.
    """
    longest = Duration(_RELAPSES * ejection_time)
    return CircuitBreakerOptions(
        consecutive_failures=_IN_A_ROW,
        base_ejection_time=Duration(ejection_time),
        max_ejection_time=longest,
    )


def problems(written: Written) -> Iterator[Finding]:
    """What is wrong with `[circuit_breaker]`."""
    options: CircuitBreakerOptions | None = written.options.circuit_breaker
    for name in ("interval", "base_ejection_time") if options is not None else ():
        if not getattr(options, name) and (place := written.at("circuit_breaker", name)):
            yield Finding(place, "expected a time above 0")
    yield from percent_doubts(written, "circuit_breaker", "max_ejection_percent")


def breaker(
    options: CircuitBreakerOptions,
    may_open: Callable[[], bool],
    on_change: Callable[[float], None] = lambda _: None,
) -> Breaker:
    """One for a server; ``may_open``: whether another one may be ejected.

    ``on_change``: see ``policy/breaker``.
    """
    return Breaker(
        consecutive_failures=options.consecutive_failures,
        failure_ratio=options.failure_ratio,
        min_requests=options.min_requests,
        interval=options.interval,
        base_ejection_time=options.base_ejection_time,
        max_ejection_time=options.max_ejection_time,
        may_open=may_open,
        on_change=on_change,
    )


_AT_LEAST: Final = 2
"""Endpoints that are asked, before one of them may be ejected without ``[circuit_breaker]``."""


class Breakers:
    """The breakers of one route for the servers of an upstream, found again by their names.

    A configuration that follows another builds the route anew, and finds what was learnt here.
    """

    __slots__ = ("__weakref__", "_all", "_counted", "_options", "_passive", "labels")

    def __init__(self, options: CircuitBreakerOptions, *, passive: bool) -> None:
        """``passive``: nobody has asked for them, see ``TargetSet``."""
        self._options = options
        self._passive = passive
        self._all: dict[tuple[str, int], Breaker] = {}
        self._counted: Collection[tuple[Endpoint, Breaker]] = ()
        self.labels: dict[str, Any] = {"route": "", "upstream": ""}
        """Of what operators are told when a server is ejected."""

    def of(self, name: str, number: int = 0) -> Breaker:
        """The breaker of a server; ``number``: of those that have the same name."""
        found = self._all.get((name, number))
        if found is None:
            us = ref(self)  # they are held here
            found = self._all[name, number] = breaker(
                self._options, partial(_may_eject, us), partial(_tell, us, name)
            )
        return found

    def keep(
        self,
        now: Collection[tuple[Endpoint, Breaker]],
        away: Collection[tuple[Endpoint, Breaker]],
    ) -> None:
        """Of the servers that there are now, and of those that may come back; forget others."""
        self._counted = now
        known = {id(each) for _, each in (*now, *away)}
        self._all = {key: each for key, each in self._all.items() if id(each) in known}

    def tell(self, name: str, seconds: float) -> None:
        """The breaker of a server has opened for so long, or has closed."""
        of = self.labels
        if seconds:
            sentence = (
                f"{name} fails, and gets no requests of {of['route']} for {in_seconds(seconds)}"
            )
            tell("ejected", sentence, **of, endpoint=name, for_s=round(seconds, 3))
        else:
            tell("back", f"{name} works again for {of['route']}", **of, endpoint=name)

    def may_eject(self) -> bool:
        """Whether one more of the servers that there are now may be left alone.

        What is unhealthy or withdrawn is left alone anyway, and does none of the work.
        """
        asked = [breaker for server, breaker in self._counted if in_service(server)]
        if self._passive and sum(not each.open for each in asked) < _AT_LEAST:
            return False
        return may_eject(asked, self._options.max_ejection_percent)


def _may_eject(breakers: ref[Breakers]) -> bool:
    known = breakers()
    return known is not None and known.may_eject()


def _tell(breakers: ref[Breakers], name: str, seconds: float) -> None:
    if (known := breakers()) is not None:
        known.tell(name, seconds)


def numbered(names: Iterable[str]) -> Iterator[int]:
    """For each name how often it came before."""
    seen: Counter[str] = Counter()
    for name in names:
        yield seen[name]
        seen[name] += 1


def may_eject(breakers: Collection[Breaker], max_percent: float) -> bool:
    """Whether one more endpoint may be ejected: at most a share of all, but always one."""
    ejected = sum(breaker.open for breaker in breakers)
    return not ejected or (ejected + 1) * 100 <= max_percent * len(breakers)
