"""Waiting for a connection that ``[[upstreams]] limit`` allows, of one server or of several."""

import asyncio
import math
from collections.abc import Sequence

from proxy.core.errors import ServerAtLimit
from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Reply
from proxy.core.words import in_seconds
from proxy.policy.permits import Permits


class Line:
    """The places of one task in the lines of several servers, kept until it leaves."""

    __slots__ = ("_given", "_joined", "_looks", "_task")

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._joined = set[Permits]()
        self._given: Permits | None = None
        """What is set aside for the task, and neither kept nor left to others yet."""
        self._looks: asyncio.Future[None]

    async def wait(self, several: Sequence[Permits], seconds: float = math.inf) -> Permits | None:
        """Which has one first, of these and of those before. It is set aside for the task.

        None where it is told to look again before, and after so many ``seconds``.
        """
        loop = asyncio.get_running_loop()
        self._looks = loop.create_future()
        for permits in several:
            permits.wait(self._task, self._tell)
        self._joined.update(several)
        timer = loop.call_later(seconds, self.look_again) if seconds < math.inf else None
        try:
            await self._looks
        finally:
            if timer is not None:
                timer.cancel()
        return self._given

    def look_again(self) -> None:
        """Its wait ends, and it keeps its places."""
        if not self._looks.done():
            self._looks.set_result(None)

    def _tell(self, permits: Permits) -> bool:
        if self._given is not None:
            return False
        self._given = permits
        self.look_again()
        return True

    def keep(self) -> None:
        """The task uses what it was given."""
        self._given = None

    def forgo(self) -> None:
        """What it was given may go to others."""
        if self._given is not None:
            self._given.forgo(self._task)
            self._given = None

    def leave(self) -> None:
        """It waits no more."""
        for permits in self._joined:
            permits.leave(self._task)
        self.forgo()


async def first_free(permits: Permits, name: str, patience: float) -> None:
    """Wait until this has one, which is set aside for this task.

    Raises ServerAtLimit, with the ``name`` of the server, after ``patience``; 0: never.
    """
    line = Line()
    try:
        if await line.wait((permits,), patience or math.inf) is None:
            raise at_limit(name, patience)
        line.keep()
    finally:
        line.leave()


def at_limit(name: str, patience: float) -> ServerAtLimit:
    """What is raised where no connection has become free for so long."""
    within = f"within connect of {in_seconds(patience)}"
    return ServerAtLimit(f"no connection to {name} became free {within}")


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
