"""Servers that play scripts, and balancing over them."""

import asyncio
import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from proxy.core.exchange import Exchange, Handler
from proxy.core.permit_wait import setting_aside
from proxy.core.record import Attempt
from proxy.core.reply import Ending, Reply
from proxy.http.fields import RawHeaders
from proxy.middleware.load_balance.load_balance import LoadBalance
from proxy.middleware.load_balance.options import LoadBalanceOptions
from proxy.middleware.load_balance.room import Room
from proxy.middleware.load_balance.targets import Target, Targets
from proxy.policy.breaker import Breaker
from proxy.policy.permits import Permits
from tests.support.endpoint import StateOnly
from tests.support.loop import Script, get, loop_clock, reply, settle


class Node(StateOnly):
    """A server that plays a script, and then answers 200 for ever."""

    def __init__(
        self,
        name: str,
        *outcomes: Any,
        weight: float = 1.0,
        backup: bool = False,
        breaker: Breaker | None = None,
    ) -> None:
        super().__init__(name, weight=weight, backup=backup)
        self.breaker = breaker
        self.asked = 0
        self._script = Script(*outcomes)
        self._left = len(outcomes)

    async def handle(self, exchange: Exchange) -> Reply:
        exchange.record.endpoint = self.name
        self.asked += 1
        if self.permits is not None:
            self.permits.take(asyncio.current_task())
        try:
            return reply(200) if self.asked > self._left else await self._script(exchange)
        finally:
            if self.permits is not None:
                self.permits.release()


def limited(name: str, *outcomes: Any, full: bool = True, **options: Any) -> Node:
    """A server that takes one request at a time; ``full``: it has one of somebody else."""
    node = Node(name, *outcomes, **options)
    node.permits = Permits(1)
    if full:
        node.permits.set_aside("another")
    return node


def free(node: Node) -> None:
    """What the other one had is over."""
    assert node.permits is not None
    node.permits.forgo("another")


def balance(
    *nodes: Node,
    repeatable: Callable[[Exchange], bool] = lambda _: True,
    passive: bool = False,
    **options: Any,
) -> Handler:
    """Balancing over these, in turn unless another policy is asked for."""
    targets: Any = SimpleNamespace(
        now=Targets([Target(node, _sends(node), node.breaker) for node in nodes]),
        on_state=[],
        passive=passive,
    )
    table = LoadBalanceOptions(**{"policy": "round_robin", **options})
    clock = loop_clock()
    room = Room(targets, 5.0, upstream="api", clock=clock)
    known = targets, table, random.Random(1), repeatable
    return LoadBalance(*known, room=room, clock=clock).handle


def _sends(node: Node) -> Handler:
    return setting_aside(node.permits, node.handle) if node.permits else node.handle


def again(*tried: Node) -> Exchange:
    """A request that these have failed."""
    exchange = get()
    exchange.record.attempt_log = tuple(Attempt(node.name, "reset", 0.0) for node in tried)
    return exchange


def busy(after: bytes = b"", status: int = 503) -> Reply:
    fields: RawHeaders = ((b"Retry-After", after),) if after else ()
    return reply(status, fields)


class Endless:
    """A body of which nothing has come yet."""

    buffered = None

    async def read(self) -> bytes:
        return b""

    def close(self, ending: Ending) -> None:
        """Nothing is held."""


def streaming(status: int = 200) -> Reply:
    return Reply(status, (), Endless())


async def shares(handle: Handler, *nodes: Node, requests: int = 40) -> list[int]:
    """How many of the requests each got."""
    before = [node.asked for node in nodes]
    for _ in range(requests):
        await settle(handle(get()))
    return [node.asked - was for node, was in zip(nodes, before, strict=True)]
