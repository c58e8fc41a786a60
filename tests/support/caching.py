"""A cache on the loop whose clock jumps, over an upstream that answers in order."""

import asyncio
import random
from collections import Counter
from typing import Any

from proxy.config.model import Config
from proxy.core.cache_options import CacheOptions
from proxy.core.clock import Clock
from proxy.core.duration import Duration
from proxy.core.exchange import Exchange
from proxy.core.reply import Ending, Reply
from proxy.core.scope import Scope
from proxy.core.shared import Shared
from proxy.core.size import Size
from proxy.http.fields import RawHeaders, values
from proxy.middleware.cache.cache import Cache
from proxy.middleware.coalesce.coalesce import Coalesce
from proxy.middleware.coalesce.options import CoalesceOptions
from proxy.middleware.coalesce.shared_reply import MemoryBudget
from proxy.run.scopes import scope_of
from proxy.store.memory import MemoryStore
from tests.support.loop import Script, get, loop_clock, reply
from tests.support.pieces import body
from tests.support.proxy import parsed

DAY_ZERO = 1_700_000_000.0
"""When the loop's clock is at zero, in seconds since 1970."""
CONFIG = """
[[upstreams]]
name = "api"
servers = ["http://a"]
[[routes]]
upstream = "api"
"""


def config() -> Config:
    """One route to one upstream."""
    return parsed(CONFIG)


def time_of_day() -> Clock:
    """Moves with the loop's clock."""
    clock = loop_clock()
    return lambda: DAY_ZERO + clock()


class Caching:
    """What a test asks, and what it looks at."""

    def __init__(self, *outcomes: Any, store: MemoryStore | None = None, **options: Any) -> None:
        """``options``: of `[cache]`, durations in seconds and sizes in bytes."""
        self.script = Script(*outcomes)
        self.shared = Shared(random.Random(1), clock=loop_clock())
        self.store = store or MemoryStore(1 << 20)
        kinds = {int: Size, float: Duration}
        chosen = {
            name: kinds.get(type(value), lambda same: same)(value)
            for name, value in options.items()
        }
        coalesce = Coalesce(
            self.script,
            CoalesceOptions(),
            MemoryBudget(),
            self.shared.tasks,
            clock=loop_clock(),
        )
        self.cache = Cache(
            coalesce,
            CacheOptions(**chosen),
            self.store,
            self._scope(),
            counts=Counter(),
            clock=loop_clock(),
            time_of_day=time_of_day(),
        )

    def _scope(self) -> Scope:
        return scope_of(config().routes[0], self.shared)

    def exchange(self, target: str) -> Exchange:
        """A GET whose target has a query, maybe."""
        exchange = get(target)
        exchange.path = target.partition("?")[0]
        return exchange

    async def ask(self, exchange: Exchange | None = None) -> "Answer":
        """One request, its body read to the end."""
        exchange = exchange or get()
        came = await self.cache.handle(exchange)
        whole = await body(came)
        return Answer(came, whole, exchange)

    async def ask_for(self, *fields: tuple[bytes, bytes], path: str = "/") -> "Answer":
        """A GET with these fields."""
        return await self.ask(get(path, headers=fields))


class Answer:
    """A reply that has been read."""

    def __init__(self, came: Reply, whole: bytes, exchange: Exchange) -> None:
        self.status = came.status
        self.body = whole
        self.headers: RawHeaders = came.headers
        self.exchange = exchange

    def value(self, name: bytes) -> bytes | None:
        """Of the first field of this name, which is in lower case."""
        found = values(self.headers, name)
        return found[0] if found else None

    @property
    def cache(self) -> str:
        """Cache-Status without the name of the cache."""
        found = values(self.headers, b"cache-status")
        return found[-1].partition(b"; ")[2].decode()


def fresh(seconds: int = 60, content: bytes = b"body", *fields: tuple[bytes, bytes]) -> Reply:
    """A reply that says how long it is fresh."""
    life = (b"Cache-Control", b"max-age=%d" % seconds)
    return reply(200, [life, *fields], content)


async def settled() -> None:
    """Let tasks in the background run."""
    for _ in range(10):
        await asyncio.sleep(0)


async def dropped(came: Reply) -> None:
    """Leave before the end."""
    came.close(Ending.ABANDONED)
    await settled()
