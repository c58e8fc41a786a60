"""A client leaves the queue in the very turn of the loop in which its wait is over."""

import asyncio
from typing import Any

import pytest

from proxy.middleware.concurrency.concurrency import Concurrency
from proxy.middleware.concurrency.options import QueueOptions
from proxy.policy.limiter import ConcurrencyLimiter
from proxy.policy.queue import Queue
from tests.support.loop import JumpingLoop, Script, get, loop_clock

PATIENCE = 3.0


@pytest.mark.parametrize("earlier", [0.0, 0.001])
async def test_a_client_leaves_as_its_wait_ends(jumping: JumpingLoop, earlier: float) -> None:
    complaints: list[dict[str, Any]] = []
    jumping.set_exception_handler(lambda _, context: complaints.append(context))
    limiter = ConcurrencyLimiter(1, Queue(10, "fifo"))
    limiter.try_acquire(b"")
    limited = Concurrency(Script(), limiter, QueueOptions(), PATIENCE, clock=loop_clock())
    waiting: list[asyncio.Task[Any]] = []

    def leave() -> None:
        waiting[0].cancel()

    # Set before the timer of the request, so that it comes first where both are due at once.
    jumping.call_at(jumping.time() + PATIENCE - earlier, leave)
    waiting.append(asyncio.create_task(limited.handle(get())))
    await asyncio.wait(waiting)
    assert waiting[0].cancelled()
    assert (limiter.waiting, limiter.timed_out) == (0, 0)
    assert complaints == []
