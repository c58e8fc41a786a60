"""Process 1 inherits every process whose parent has ended; what it takes no note of is a zombie.

In a container that is often the proxy. Workers come to it if the process that forks them dies,
others by ``docker exec`` and probes that leave something behind. It looks once a second: uvloop has
SIGCHLD for itself.
"""

import asyncio
import os
from typing import Final

AWAITED: Final[set[int]] = set()
"""Children that somebody waits for; their statuses are left alone."""
LOOK: Final = 1.0
"""Seconds between two looks."""


def are_ours() -> bool:
    """Whether orphans come to this process."""
    return os.getpid() == 1


async def reap() -> None:
    """Take note of their ends, until it is cancelled."""
    while True:
        reap_once()
        await asyncio.sleep(LOOK)


def reap_once() -> None:
    """Of all that have ended, up to one that somebody waits for: it hides those behind it."""
    look = os.WEXITED | os.WNOHANG | os.WNOWAIT
    try:
        while (ended := os.waitid(os.P_ALL, 0, look)) is not None:
            if ended.si_pid in AWAITED:
                return
            os.waitpid(ended.si_pid, 0)
    except ChildProcessError:  # there is none
        return
