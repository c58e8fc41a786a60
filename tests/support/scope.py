"""What links are made from, and what became of them."""

import random
from collections.abc import Callable
from typing import TypeVar

from proxy.config.model import Config
from proxy.core.clock import Clock, monotonic
from proxy.core.errors import UpstreamError
from proxy.core.scope import UpstreamScope
from proxy.core.shared import Shared
from proxy.run.scopes import scope_of, upstream_scope_of
from tests.support.loop import loop_clock
from tests.support.proxy import Proxy

T = TypeVar("T")


def upstream_scope(config: Config) -> UpstreamScope:
    """Of the first upstream of a configuration, as its first route asks it."""
    route, upstream = config.routes[0], config.upstreams[0]
    shared = Shared(random.Random(1), clock=_clock())
    return upstream_scope_of(scope_of(route, shared), upstream, ServersOnly())


class ServersOnly:
    """Servers that connections are made to, or not."""

    def __init__(self) -> None:
        self.on_connect: list[Callable[[], None]] = []
        self.unreachable: UpstreamError | None = None


def watched(proxy: Proxy, kind: type[T]) -> list[T]:
    """Those of this kind that operators are shown."""
    things = [each.thing for each in proxy.tree.shared.watched]
    return [thing for thing in things if isinstance(thing, kind)]


def _clock() -> Clock:
    try:
        return loop_clock()
    except RuntimeError:  # a test without a loop
        return monotonic
