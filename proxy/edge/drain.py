"""Draining: what happens between SIGTERM and the end of the process.

In this order:

1. readiness fails, and ``[shutdown] delay`` passes (``run/runtime``): balancers look elsewhere.
2. The listeners let in who has begun to connect, nobody else, and close (``run/sockets/listener``).
3. Each reply says that it is the last one on its connection. Connections at rest have a second for
   one more request (``edge/http1/head_clock``). All others have until their requests have ended and
   their replies are read, ``[shutdown] grace_period`` at the most. This is where a drain waits.
4. Tunnels and streams of events have no end of their own. Tunnels are closed politely when the
   grace period is over, then whatever is left is cut (``run/runtime.close``).

A second SIGTERM goes to the cutting at once (``run/stop``).
"""

import logging
from typing import Any, Final

from proxy.core.clock import monotonic
from proxy.core.state_changes import tell
from proxy.core.words import in_seconds
from proxy.edge.connections import ConnectionTracker, UnderWay

_SETTLING: Final = 0.1
"""Seconds for their connections to go after them."""


async def drain(tracker: ConnectionTracker, grace: float) -> bool:
    """Let requests finish and replies be read; False where some were not.

    ``grace`` in seconds, zero for as long as it takes. Tunnels are told to end when it is over.
    """
    tracker.draining = tracker.retiring = True
    for connection in list(tracker.connections):
        connection.retire()
    left = tracker.under_way
    how_long = f"up to {in_seconds(grace)}" if grace else "as long as it takes"
    more = f", {how_long}" if any(left) else ""
    sentence = f"draining: {left} in flight{more}"
    tell("draining", sentence, level=logging.INFO, **_counted(left), grace_s=grace)
    began = monotonic()
    emptied = await tracker.emptied(grace)
    left = tracker.under_way
    if emptied or not any(left):  # who only rests, or has sent half a head, misses nothing
        sentence = f"drained after {monotonic() - began:.1f} s: nothing was cut"
        _tell_drained(UnderWay(0, 0, 0), sentence, began)
        return True
    act = "cutting" if left.requests else "ending"
    _tell_drained(left, f"grace_period of {in_seconds(grace)} is over: {act} {left}", began)
    if tracker.tunnels:
        # Requests have had their time: they are cut as soon as the tunnels have ended.
        await tracker.tunnels_closed()
        await tracker.emptied(_SETTLING)
    return not tracker.under_way.requests


async def drain_unheard(tracker: ConnectionTracker, grace: float) -> bool:
    """The same where clients are not read any more: tunnels end first, and what is left is cut.

    None begins meanwhile (``edge/service``).
    """
    tracker.unheard = True
    await tracker.tunnels_closed()
    finished = await drain(tracker, grace)
    tracker.expire()
    return finished


def _tell_drained(left: UnderWay, sentence: str, began: float) -> None:
    level = logging.WARNING if left.requests else logging.INFO
    seconds = round(monotonic() - began, 3)
    tell("drained", sentence, level=level, **_counted(left), seconds=seconds)


def _counted(left: UnderWay) -> dict[str, Any]:
    return {"requests": left.requests, "streams": left.streams, "tunnels": left.tunnels}
