"""A server as health checks see it, and its checks."""

import asyncio
import random
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

from proxy.core.duration import Duration
from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
from proxy.upstream.endpoints import Endpoints
from proxy.upstream.health import HealthCheckOptions, HealthGuard
from tests.support.loop import reply


class Endpoint:
    """A server as checks see it: what it answers, and what was made of it."""

    check_pool: Any = None
    pool: Any = None

    def __init__(self, name: str = "a") -> None:
        self.name = name
        self.upstream = "api"
        self.address = self
        self.healthy = True
        self.proven = self.withdrawn = False
        self.answer: Any = 200
        self.asked: list[float] = []
        self.heard = asyncio.Event()
        self.exchange: Exchange | None = None
        self.replies: list[Reply] = []

    def set_health(self, *, healthy: bool) -> None:
        self.healthy = healthy

    async def handle(self, exchange: Exchange) -> Reply:
        self.exchange = exchange
        self.asked.append(asyncio.get_running_loop().time())
        self.heard.set()
        said = next(self.answer) if isinstance(self.answer, Iterator) else self.answer
        record = exchange.record
        record.connect_s, record.first_byte_at = 0.1, None
        if isinstance(said, tuple):  # on a connection that was idle
            record.connect_s, (said,) = 0.0, said
        if isinstance(said, Exception):
            raise said
        if isinstance(said, float):
            await asyncio.sleep(said)
            return reply(200)
        if isinstance(said, Reply):
            return said
        record.first_byte_at = 0.2
        self.replies.append(answer := reply(said, body=b"fine"))
        return answer


class Members:
    """Endpoints as checks see them."""

    def __init__(self, *members: Endpoint) -> None:
        self.members: tuple[Endpoint, ...] = members
        self.on_membership: list[Callable[[], None]] = []
        self.credentials = SimpleNamespace(shown=lambda: ((b"X-Key", b"of-the-proxy"),))

    def now(self, *members: Endpoint) -> None:
        self.members = members
        for tell in list(self.on_membership):
            tell()


def seen(endpoint: Endpoint) -> tuple[bool, bool, int]:
    """Whether it is well, whether it has ever been, and how often it was asked."""
    return endpoint.healthy, endpoint.proven, len(endpoint.asked)


def guard(endpoints: Members, **options: Any) -> HealthGuard:
    """Its checks, every ten seconds where the options say nothing else."""
    table = HealthCheckOptions(**{"interval": Duration(10), **options})
    return HealthGuard(cast(Endpoints, endpoints), table, random.Random(1))
