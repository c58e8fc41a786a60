"""Work that may wait for ever: for a disk of the network that is away, or for a pipe.

Threads of ``asyncio.to_thread`` are waited for when the loop ends, and once more when the process
does, so that such work would hold up the exit.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def in_daemon_thread(work: Callable[[], T]) -> T:
    """What ``work`` returns or raises; whoever ends meanwhile waits for nothing."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, failed: BaseException | None) -> None:
        if future.done():  # nobody waits any longer
            return
        if failed is not None:
            future.set_exception(failed)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # None is a T if there was no error

    def run() -> None:
        result, failed = None, None
        try:
            result = work()
        except Exception as error:
            failed = error
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, result, failed)

    threading.Thread(target=run, name="may wait", daemon=True).start()
    return await future
