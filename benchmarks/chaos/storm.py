"""What happens to whole processes while requests go on; the same for a seed."""

import asyncio
import random
import signal
from dataclasses import dataclass
from enum import Enum
from typing import Final

from benchmarks.chaos.process import Proxy, Server

_AFTER: Final = 2.0
"""Seconds for which connections that could not be accepted may still wait: asyncio tries again
after one."""


class What(Enum):
    """What happens."""

    STOP = "a server is stopped and continued"
    RESTART = "a server is killed and started again"
    STARVE = "the proxy runs out of descriptors"


@dataclass(frozen=True, slots=True)
class Blow:
    """One such thing."""

    at: float
    """When, as a share of the time."""
    what: What
    server: int
    seconds: float
    left: int
    """Descriptors that the proxy may still open."""


def storm(seed: int, seconds: float, servers: int) -> list[Blow]:
    """About one in six seconds, each kind at least once."""
    rng = random.Random(f"{seed} storm")
    kinds = list(What) * 2
    kinds += rng.choices(list(What), (3, 3, 1), k=max(0, int(seconds / 6) - len(kinds)))
    rng.shuffle(kinds)
    step = 0.9 / len(kinds)
    return [
        Blow(
            0.05 + step * (index + rng.random() * 0.5),
            what,
            rng.randrange(servers),
            rng.uniform(0.2, 2.0 if what is not What.STOP else 5.0),
            rng.randrange(8),
        )
        for index, what in enumerate(kinds)
    ]


async def rage(
    blows: list[Blow],
    seconds: float,
    proxy: Proxy,
    servers: list[Server],
    starved: list[tuple[float, float]],
) -> None:
    """All of it; when this ends or is cancelled, everything runs again.

    ``starved`` is told from when until when the proxy had no descriptors.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    for blow in blows:
        await asyncio.sleep(max(0.0, began + blow.at * seconds - loop.time()))
        server = servers[blow.server]
        at = loop.time()
        try:
            if blow.what is What.STOP:
                server.signal(signal.SIGSTOP)
            elif blow.what is What.RESTART:
                await server.kill()
            else:
                proxy.limit_descriptors(blow.left)
            await asyncio.sleep(blow.seconds)
        finally:
            if blow.what is What.STOP:
                server.signal(signal.SIGCONT)
            elif blow.what is What.STARVE:
                proxy.limit_descriptors(None)
                starved.append((at, loop.time() + _AFTER))
            else:
                await server.start()
