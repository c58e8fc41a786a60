"""Draining: what happens between SIGTERM and the end of the process.

In this order:

1. readiness fails, and ``[shutdown] delay`` passes (``run/runtime``): balancers look elsewhere.
2. The listeners let in who has begun to connect, nobody else, and close (``run/listener``).
3. Each reply says that it is the last one on its connection. Connections at rest have a second for
   one more request (``edge/http1/head_clock``). All others have until their requests have ended and
   their replies are read, ``[shutdown] grace_period`` at the most. This is where a drain waits.
4. Tunnels and streams of events have no end of their own. Tunnels are closed politely when the
   grace period is over, then whatever is left is cut (``run/runtime.close``).

A second SIGTERM goes to the cutting at once (``run/serve``).
"""

import logging
from typing import Final

from proxy.core.clock import monotonic
from proxy.edge.connections import ConnectionTracker

log = logging.getLogger(__name__)

_CLOSING: Final = 2.5
"""Seconds for tunnels to end politely, more than each of them takes for itself."""
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
    how_long = f"up to {grace:g} s" if grace else "as long as it takes"
    log.info("draining: %s in flight%s", left, f", {how_long}" if any(left) else "")
    began = monotonic()
    emptied = await tracker.emptied(grace)
    left = tracker.under_way
    if emptied or not any(left):  # who only rests misses nothing
        log.info("drained after %.1f s: nothing was cut", monotonic() - began)
        return True
    if left.requests:
        log.warning("grace_period of %g s is over: cutting %s", grace, left)
    else:
        log.info("grace_period of %g s is over: ending %s", grace, left)
    if tracker.tunnels:
        # Requests have had their time: they are cut as soon as the tunnels have ended.
        await tracker.tunnels_closed(_CLOSING)
        await tracker.emptied(_SETTLING)
    return not tracker.under_way.requests
