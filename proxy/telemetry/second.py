"""What happened in one second: plain values, made by a recorder and added up by a history.

Several processes may each make their own; whoever adds them up shows the whole.
"""

import msgspec

from proxy.telemetry.call import Call


class Cell(msgspec.Struct, array_like=True, gc=False):
    """The exchanges of one route that ended, by the upstream and server that answered last."""

    route: str
    upstream: str
    server: str
    calls: int
    failed: int
    """Those with a status of 500 or above, and those that failed in another way."""
    denied: int
    """Those with a status of 400 to 499, without a failure."""
    bytes_in: int
    bytes_out: int
    phases: list[float]
    """Seconds of each phase, all exchanges together, in the order of ``telemetry/phases``."""
    counts: dict[int, int]
    """How many took how long: a histogram of ``telemetry/buckets``."""
    covered: int = 0
    """Failures of this server that no client has seen: a stored reply, or the answer of another
    upstream, was given in their place."""
    besides: int = 0
    """What this server was asked beside these calls: what another upstream has answered then, and
    what the cache asks in the background."""


class Flying(msgspec.Struct, array_like=True, gc=False):
    """Exchanges in flight at the end of the second that are in the same phase."""

    route: str
    upstream: str
    server: str
    phase: str
    number: int
    oldest: float
    """Seconds since the oldest of them began."""


class Hit(msgspec.Struct, array_like=True, gc=False):
    """Calls that were slow, or have failed, for the same cause."""

    cause: str
    route: str
    upstream: str
    server: str
    number: int
    worst: float
    """Seconds of the longest."""
    example: str
    """The request id of the longest."""
    usual: float | None
    """Seconds that this phase usually takes there, where that is known."""
    about: str = ""
    """What exactly is waited for in the queue, as ``core/record`` calls it, or the reason of the
    failure where its cause has several; calls that differ in this are told apart."""


class Event(msgspec.Struct, kw_only=True, gc=False):
    """A change of state."""

    at: float
    """Seconds since 1970."""
    kind: str
    """What changed: ``breaker``, ``health``, ``operator``, ``limit``, ``pause``, ``proxy``."""
    text: str
    upstream: str = ""
    server: str = ""
    route: str = ""


class Second(msgspec.Struct, kw_only=True, gc=False):
    """All of it."""

    at: float
    """Its end, in seconds since 1970."""
    cells: list[Cell]
    flying: list[Flying]
    in_flight: list[Call]
    """Some of the exchanges in flight, the oldest first."""
    kept: list[Call]
    """Some of the exchanges that have ended slowly or failed."""
    hits: list[Hit]
    events: list[Event]
    connections: int = 0
    """Client connections."""
