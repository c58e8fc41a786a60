"""When a stored reply may be used (RFC 9111 4.2, RFC 5861). Times are seconds since 1970."""

from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

import msgspec

Directives: TypeAlias = Mapping[bytes, bytes | None]

HEURISTIC: Final = frozenset({200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501})
"""Statuses that may be stored though nothing says for how long (RFC 9110 15.1)."""
_TENTH: Final = 0.1
"""Of the time since the last change: how long nothing is expected to change (RFC 9111 4.2.2)."""
_LONGEST_GUESS: Final = 24 * 3600.0
"""Seconds; a guess that is longer would need a warning by RFC 7234, and is a bold one."""
_ERROR: Final = 400
_CLOCKS_DIFFER: Final = 10.0
"""Seconds by which the clocks of machines that share a store may differ."""
_OLD: Final = 2.0**31
"""Seconds; the largest age that every recipient understands (RFC 9111 1.2.2)."""


class Freshness(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What matters of a reply for whether it may be used."""

    received_at: float
    initial_age: float
    """When it was received."""
    lifetime: float
    must_revalidate: bool
    """Whether it may never be used once it is stale."""
    always_validate: bool
    """Whether it may never be used before the server has been asked."""
    while_revalidate: float
    """Seconds of staleness in which it may be used while the server is asked."""
    if_error: float
    """Seconds of staleness in which it may be used while the server fails."""
    immutable: bool = False

    def age(self, now: float) -> float:
        """RFC 9111 4.2.3.

        What was received in the future has been stored by a machine whose clock is ahead, or
        before the clock was set back. Nobody can say how old it is: it is old.
        """
        resident = now - self.received_at
        if resident < -_CLOCKS_DIFFER:
            return _OLD
        return self.initial_age + max(0.0, resident)

    def is_of_the_future(self, now: float) -> bool:
        """Whether it came so much later than now that another clock said so."""
        return now - self.received_at < -_CLOCKS_DIFFER

    def remaining(self, now: float) -> float:
        """Seconds for which it is still fresh; below zero once it is stale."""
        return self.lifetime - self.age(now)

    def is_stale(self, now: float) -> bool:
        """Whether the server has to be asked first even for a request that takes what is fresh."""
        return self.always_validate or self.remaining(now) <= 0


class Wanted(NamedTuple):
    """What a request says of stored replies (RFC 9111 5.2.1)."""

    no_cache: bool = False
    no_store: bool = False
    only_if_cached: bool = False
    max_age: float | None = None
    min_fresh: float = 0.0
    max_stale: float | None = None
    if_error: float = 0.0


ANYTHING: Final = Wanted()
"""Of a request that says nothing."""


class Use(Enum):
    """What may be done with a stored reply."""

    FRESH = "fresh"
    """It is the answer."""
    STALE = "stale"
    """It is the answer: the client takes stale ones."""
    REFRESH = "refresh"
    """It is the answer, and the server is asked meanwhile."""
    VALIDATE = "validate"
    """The server has to be asked first."""


def reuse(stored: Freshness, wanted: Wanted, now: float) -> Use:
    """What may be done with it for this request (RFC 9111 4, RFC 5861 3).

    A request bounds how stale it may be: not at all with max-age alone (RFC 9111 5.2.1.1).
    """
    if wanted.no_cache or stored.always_validate:
        return Use.VALIDATE
    age = stored.age(now)
    remaining = stored.lifetime - age
    if wanted.max_age is not None and age > wanted.max_age:
        return Use.VALIDATE
    if remaining > 0 and remaining >= wanted.min_fresh:
        return Use.FRESH
    if remaining > 0 or stored.must_revalidate:
        return Use.VALIDATE
    if wanted.max_stale is not None:
        return Use.STALE if -remaining <= wanted.max_stale else Use.VALIDATE
    if wanted.max_age is not None or wanted.min_fresh:
        return Use.VALIDATE
    if -remaining < stored.while_revalidate:
        return Use.REFRESH
    return Use.VALIDATE


def usable_on_error(stored: Freshness, wanted: Wanted, now: float) -> bool:
    """Whether it is a better answer than none, where the server fails (RFC 5861 4).

    What stale-if-error allows counts "regardless of other freshness information": a reload, which
    says max-age=0, gets a stored reply rather than an error. One that says no-cache gets the error.
    """
    if reuse(stored, wanted, now) is not Use.VALIDATE:
        return True
    allowed = max(stored.if_error, wanted.if_error)
    if not allowed or wanted.no_cache or stored.always_validate:
        return False
    staleness = -stored.remaining(now)
    return staleness < (0 if stored.must_revalidate else allowed)


def initial_age(
    said: float | None, made: float | None, asked_at: float, received_at: float, wall: float
) -> float:
    """The age of a reply that has just come (RFC 9111 4.2.3).

    ``said``: its Age. ``made``: its Date, which is compared with the time of day, ``wall``.
    """
    apparent = max(0.0, wall - made) if made is not None else 0.0
    corrected = (said or 0.0) + max(0.0, received_at - asked_at)
    return max(apparent, corrected)


class Lifetime(msgspec.Struct, frozen=True, gc=False):
    """For how long a reply is fresh, and whether it says so itself."""

    seconds: float
    explicit: bool


def lifetime(
    directives: Directives,
    status: int,
    *,
    expires: float | None,
    made: float,
    modified: float | None,
    ttl: float,
) -> Lifetime:
    """RFC 9111 4.2.1 and 4.2.2, as a shared cache.

    ``directives``: values that are no numbers have been read as 0. ``expires``: the value of
    Expires, 0 where it is no date, None where there is none. ``made``: Date, or when the reply was
    received. ``ttl``: of replies below 400 that say nothing of it themselves.
    """
    for name in (b"s-maxage", b"max-age"):
        if name in directives:
            value = directives[name]
            return Lifetime(0.0 if value is None else _number(value), explicit=True)
    if expires is not None:
        return Lifetime(max(0.0, expires - made), explicit=True)
    if status in HEURISTIC or b"public" in directives:
        if ttl and status < _ERROR:
            return Lifetime(ttl, explicit=False)
        if modified is not None:
            guess = max(0.0, made - modified) * _TENTH
            return Lifetime(min(guess, _LONGEST_GUESS), explicit=False)
    return Lifetime(0.0, explicit=False)


def seconds(directives: Directives, name: bytes) -> float:
    """The number that a directive gives; 0 where it is no number, or not there."""
    value = directives.get(name)
    return 0.0 if value is None else _number(value)


@lru_cache(maxsize=128)  # an API sends few different ones
def _number(value: bytes) -> float:
    return min(float(value), _OLD) if value.isdigit() else 0.0


def wanted_by(directives: Directives, *, pragma: bool) -> Wanted:
    """What a request says. ``pragma``: of ``no-cache``, which counts without Cache-Control only."""
    if not directives:
        return Wanted(no_cache=True) if pragma else ANYTHING
    max_stale: float | None = None
    if b"max-stale" in directives:
        given = directives[b"max-stale"]
        max_stale = float("inf") if given is None else seconds(directives, b"max-stale")
    return Wanted(
        no_cache=b"no-cache" in directives,
        no_store=b"no-store" in directives,
        only_if_cached=b"only-if-cached" in directives,
        max_age=seconds(directives, b"max-age") if b"max-age" in directives else None,
        min_fresh=seconds(directives, b"min-fresh"),
        max_stale=max_stale,
        if_error=seconds(directives, b"stale-if-error"),
    )
