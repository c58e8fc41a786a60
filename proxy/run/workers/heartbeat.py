"""Finds workers that hang: each is asked once a second for a sign of life.

A worker answers from its event loop, so one that is stopped, or whose loop stands still, is silent.
Time is counted in questions, not on the clock: if the parent itself was kept from running (a
machine that was suspended, a container that was frozen), that is one question without an answer,
not many.
"""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable, Iterable
from typing import Final

from proxy.run.workers.member import Member

log = logging.getLogger(__name__)

BEAT: Final = 1.0
"""Seconds between two questions to a worker."""
PASSED_OVER: Final = 2
"""Questions without an answer after which a worker is handed no connections of others."""
HUNG: Final = 10
"""Questions without an answer after which a worker is killed."""
HUNG_AT_START: Final = 60
"""Likewise of a worker that has not served yet: it may read slow disks and make many chains."""


class Heartbeat:
    """Of all workers."""

    def __init__(
        self, members: Callable[[], Iterable[Member]], pass_over: Callable[[int], None]
    ) -> None:
        """``pass_over``: has a slot handed no more connections, until it takes one itself."""
        self._members = members
        self._pass_over = pass_over
        self._asked: dict[Member, asyncio.Task[None]] = {}
        self._silent: dict[Member, int] = {}
        """Beats since the question that has no answer yet."""

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            while True:
                await asyncio.sleep(BEAT)
                self.beat()
        finally:
            for task in self._asked.values():
                task.cancel()

    async def kill_silent(self) -> None:
        """In a stop, kill those that hang: they do nothing with the time that they are given."""
        await asyncio.gather(*map(self._kill_if_silent, tuple(self._members())))

    async def _kill_if_silent(self, member: Member) -> None:
        asked = self._asked.get(member)
        silent = asked is not None and not asked.done()  # what it has not answered by now counts
        if not silent or self._silent.get(member, 0) < PASSED_OVER:
            try:
                await member.ask("alive", {})
            except TimeoutError:
                pass
            except ValueError:  # it has ended
                return
            else:
                return
        which = f"worker {member.slot}, process {member.pid}"
        log.error("%s, gives no sign of life and does not end: killed", which)
        _end(member)

    def beat(self) -> None:
        """Ask those that have answered, and count for those that have not."""
        members = tuple(self._members())
        for gone in self._asked.keys() - set(members):
            self._asked.pop(gone).cancel()
            self._silent.pop(gone, None)
        for member in members:
            asked = self._asked.get(member)
            if asked is None or asked.done():
                self._silent[member] = 0
                self._asked[member] = asyncio.get_running_loop().create_task(_sign(member))
                continue
            silent = self._silent[member] = self._silent[member] + 1
            if silent == PASSED_OVER:
                self._pass_over(member.slot)
            limit = HUNG_AT_START if member.state == "starting" else HUNG
            if silent % limit == 0:  # again, if the kernel does not let go of it
                _kill(member, silent * BEAT)


async def _sign(member: Member) -> None:
    """Wait for a sign of life; the end of the worker is seen elsewhere."""
    if member.link is not None:
        with contextlib.suppress(ValueError):
            await member.link.ask("alive")


def _kill(member: Member, seconds: float) -> None:
    which = f"worker {member.slot}, process {member.pid}"
    log.error("%s, has given no sign of life for %g s: killed", which, seconds)
    _end(member)


def _end(member: Member) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(member.pid, signal.SIGKILL)
