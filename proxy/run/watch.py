"""``run --watch``: a reload when the configuration, or a file that it names, has changed."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Final

from proxy.core.daemon_threads import in_daemon_thread
from proxy.core.files import marks

log = logging.getLogger(__name__)

EVERY: Final = 0.5
"""Seconds between two looks."""
AGAIN: Final = 1.0
"""Seconds to the next try where a reload failed for a reason that may pass, such as a lack of
descriptors or a port that is taken; each wait is twice the one before."""
_AGAIN_MOST: Final = 60.0
_AGAIN_FOR: Final = 600.0
"""Seconds from a change to the last of these tries: what lasts is for an operator to see to."""


class Watch:
    """Looks at files. A change counts once it is half a second old: files are written in steps.

    Files are looked at by what ``stat`` says of where their names lead: Kubernetes turns a link,
    editors put another file in the place, and no event of the file itself tells of that.
    """

    def __init__(
        self, files: Callable[[], Iterable[str]], reload: Callable[[], Awaitable[bool]]
    ) -> None:
        """``files``: those of now; they may be others after a reload. ``reload`` says whether it
        failed for a reason that may pass.

        What changes from now on is a change, also before ``open``.
        """
        self._files = files
        self._reload = reload
        names = self._names()
        self._first: dict[str, object] = dict(zip(names, marks(names), strict=True))
        self._task: asyncio.Task[None] | None = None
        self._again_at = self._again_until = math.inf
        self._again_wait = AGAIN

    def open(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _names(self) -> list[str]:
        return list(dict.fromkeys(self._files()))

    async def _look(self) -> dict[str, object]:
        """A disk may stand still, the loop may not."""
        names = self._names()
        return dict(zip(names, await in_daemon_thread(partial(marks, names)), strict=True))

    async def _run(self) -> None:
        used = seen = self._first
        while True:
            await asyncio.sleep(EVERY)
            try:
                before, seen = seen, await self._look()
                # A file that is named since the last look was read when it came to be named.
                used = {name: used.get(name, mark) for name, mark in seen.items()}
                if seen == before and used != seen:
                    changed = [name for name, mark in seen.items() if used[name] != mark]
                    used = seen
                    log.info("changed: %s", ", ".join(changed))
                    self._again_wait, self._again_until = AGAIN, _now() + _AGAIN_FOR
                    await self._try()
                elif seen == before and _now() >= self._again_at:
                    await self._try()
            except Exception:  # or nobody would look again
                log.exception("watch")

    async def _try(self) -> None:
        self._again_at = math.inf
        if not await self._reload():
            return
        wait, self._again_wait = self._again_wait, min(2 * self._again_wait, _AGAIN_MOST)
        if (at := _now() + wait) > self._again_until:
            log.error("the reload is not tried again before a file changes")
            return
        self._again_at = at
        log.warning("the reason may pass: the reload is tried again in %g s", wait)


def _now() -> float:
    return asyncio.get_running_loop().time()
