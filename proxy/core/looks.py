"""Files that are looked at again, on a disk that may stand still."""

import asyncio
from collections.abc import Callable
from typing import Final

from proxy.core.daemon_threads import in_daemon_thread
from proxy.core.local_limits import local_limit

PATIENCE: Final = 1.0
"""Seconds for which a look is waited for; then what is known has to do."""


def _no_thread(error: BaseException | None) -> bool:
    """Whether none could be started, which may pass: what is known has to do until then."""
    return isinstance(error, RuntimeError) and local_limit(error) is not None


class Looks:
    """Has files looked at in a thread: one look at a time, for all who want one.

    A look that takes longer than ``PATIENCE`` goes on, and keeps nobody any longer.
    """

    __slots__ = ("_task", "_until", "_work")

    def __init__(self, work: Callable[[], object]) -> None:
        """``work`` looks; in a thread."""
        self._work = work
        self._task: asyncio.Task[object] | None = None
        """The look that is under way."""
        self._until = 0.0

    @property
    def under_way(self) -> bool:
        """Whether there is one."""
        return self._task is not None and not self._task.done()

    async def look(self) -> None:
        """Look, or wait for the look that is under way. Raises what it has raised."""
        loop = asyncio.get_running_loop()
        if not self.under_way:
            self._task = loop.create_task(in_daemon_thread(self._work))
            self._until = loop.time() + PATIENCE
        task = self._task
        assert task is not None
        if (left := self._until - loop.time()) > 0:
            await asyncio.wait((task,), timeout=left)
        if task.done() and not _no_thread(task.exception()):
            task.result()
