"""Tasks that nobody waits for: a loop holds its tasks weakly."""

import asyncio
from typing import Any, TypeVar

T = TypeVar("T", bound="asyncio.Task[Any]")


def keep(task: T, among: set[T]) -> T:
    """Hold a task until it is over; ``among``: the others, which somebody may await or cancel."""
    among.add(task)
    task.add_done_callback(among.discard)
    return task
