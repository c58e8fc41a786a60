"""Tasks that nobody waits for."""

import asyncio
from typing import Any

from proxy.core.tasks import keep


async def test_a_task_is_held_until_it_is_over() -> None:
    held: set[asyncio.Task[Any]] = set()
    done = asyncio.Event()
    task = keep(asyncio.ensure_future(done.wait()), held)
    assert held == {task}
    done.set()
    await task
    await asyncio.sleep(0)
    assert not held
