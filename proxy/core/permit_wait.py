"""Waiting for a connection that ``[[upstreams]] limit`` allows, of one server or of several."""

import asyncio
from collections.abc import Sequence

from proxy.core.errors import ServerAtLimit
from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Reply
from proxy.core.words import in_seconds
from proxy.policy.permits import Permits


async def first_free(
    several: Sequence[Permits], name: str, patience: float, spent: float = 0.0
) -> Permits:
    """Which of these has one first. It is set aside for the task that waits.

    Raises ServerAtLimit, with the ``name`` of the server, after ``patience``, of which a part is
    ``spent`` already; 0: never.
    """
    task = asyncio.current_task()
    found: asyncio.Future[Permits] = asyncio.get_running_loop().create_future()

    def tell(permits: Permits) -> bool:
        if found.done():  # by another one in the same turn of the loop, or it has left
            return False
        found.set_result(permits)
        return True

    for permits in several:
        permits.wait(task, tell)
    try:
        async with asyncio.timeout(patience - spent if patience else None):
            return await found
    except BaseException as error:  # it may have been told in the same turn
        for permits in several:
            permits.forgo(task)
        if not isinstance(error, TimeoutError):
            raise
        within = f"within connect of {in_seconds(patience)}"
        raise ServerAtLimit(f"no connection to {name} became free {within}") from None
    finally:
        for permits in several:
            permits.leave(task)


def setting_aside(permits: Permits, inner: Handler) -> Handler:
    """Sends to a server with a permit that is set aside at once, where it has one to spare.

    Nobody takes it while the attempt waits for something else, such as credentials.
    """

    async def handle(exchange: Exchange) -> Reply:
        task = asyncio.current_task()
        permits.set_aside(task)
        try:
            return await inner(exchange)
        finally:
            permits.forgo(task)  # it was not sent

    return handle
