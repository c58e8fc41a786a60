"""Equal requests that are under way at the same time share one call of the upstream."""

import asyncio
import time
from collections import Counter, OrderedDict
from functools import partial
from typing import Annotated, Any, Final, TypeAlias

from msgspec import Meta

from proxy.core.body import EMPTY, Body, BytesBody
from proxy.core.exchange import Exchange, Handler
from proxy.core.options import Duration, Table, described, seconds
from proxy.core.reply import Reply
from proxy.core.secrets import digest
from proxy.http.equivalence import told
from proxy.middleware.coalesce.shared_call import SharedCall
from proxy.middleware.coalesce.shared_reply import MemoryBudget

_REMEMBERED: Final = 1024
_FOR: Final = 60.0
"""Seconds for which requests whose replies may not be shared are known."""
_LONGEST: Final = 64 << 10
"""Bytes of a body that is read before it is sent, to compare it with others."""

Key: TypeAlias = tuple[Any, ...]


class CoalesceOptions(Table, frozen=True, kw_only=True):
    """Equal GETs and QUERYs that are under way at the same time share one request."""

    max_waiters: Annotated[
        int, Meta(ge=1, description="Clients that share one request; further ones send their own.")
    ] = 1024
    wait_timeout: Annotated[
        Duration,
        described(
            "How long one waits for the head of another's answer before it goes on alone; "
            "0: as long as its own clocks allow."
        ),
    ] = seconds(0)


class Coalesce:
    """Finds requests that are the same, and those that only looked so."""

    __slots__ = (
        "_calls",
        "_inner",
        "_most",
        "_patience",
        "_private",
        "_room",
        "_tasks",
        "alone",
        "calls",
        "joined",
    )

    def __init__(
        self,
        inner: Handler,
        options: CoalesceOptions,
        room: MemoryBudget,
        tasks: set[asyncio.Task[None]],
    ) -> None:
        """``room``: shared by all routes; so is the set of ``tasks`` under way."""
        self._inner = inner
        self._most = options.max_waiters
        self._patience = options.wait_timeout or None
        self._room = room
        self._tasks = tasks
        self._calls: dict[Key, SharedCall] = {}
        self._private: OrderedDict[bytes, float] = OrderedDict()
        self.calls = 0
        self.joined = 0
        self.alone: Counter[str] = Counter()

    async def handle(self, exchange: Exchange) -> Reply:
        """GET without a body, and QUERY with one (RFC 10008): they are safe."""
        if exchange.upgrade or exchange.bound:
            return await self._inner(exchange)
        whole: bytes | None = b""
        if exchange.method == "QUERY":
            whole = await _whole(exchange.body)
        elif exchange.method != "GET" or exchange.body is not EMPTY:
            return await self._inner(exchange)
        if whole is None:
            self.alone["body"] += 1
            return await self._inner(exchange)
        key: Key = (exchange.method, exchange.scheme, exchange.host, exchange.target)
        if whole:
            key += (digest(whole),)
        key += (exchange.proxy_credentials, told(exchange.headers))
        if self._private and self._is_private(key):
            self.alone["private"] += 1
            return await self._inner(exchange)
        call = self._calls.get(key)
        if call is None:
            call = self._begun(exchange, key, whole)
        elif call.clients >= self._most:
            self.alone["max_waiters"] += 1
            return await self._inner(exchange)
        else:
            exchange.record.coalesced = True
            call.outlast(exchange.deadline)
            self.joined += 1
        reply = await call.reply(exchange, self._patience if exchange.record.coalesced else None)
        if reply is None:
            exchange.record.coalesced = False
            self.alone["wait_timeout" if call.pending else "private"] += 1
            return await self._inner(exchange)
        return reply

    def _begun(self, exchange: Exchange, key: Key, whole: bytes) -> SharedCall:
        self.calls += 1
        body = exchange.body
        if body is not EMPTY:  # which goes with its client, and that may leave
            body = BytesBody(whole, body.framing, body.length)
        twin = exchange.twin(body)
        call = SharedCall(exchange, twin, self._room, partial(self._remember, key))
        call.over = partial(self._over, key, call)
        self._calls[key] = call
        task = asyncio.get_running_loop().create_task(call.run(self._inner))
        call.task = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return call

    def _over(self, key: Key, call: SharedCall) -> None:
        call.over = _nothing  # it holds the call
        if self._calls.get(key) is call:
            del self._calls[key]

    def _is_private(self, key: Key) -> bool:
        mark = _mark(key)
        until = self._private.get(mark)
        if until is None:
            return False
        if time.monotonic() < until:
            return True
        del self._private[mark]
        return False

    def _remember(self, key: Key) -> None:
        mark = _mark(key)
        self._private.pop(mark, None)
        self._private[mark] = time.monotonic() + _FOR
        if len(self._private) > _REMEMBERED:
            self._private.popitem(last=False)

    def report(self) -> dict[str, Any]:
        """Its state for operators."""
        return {
            "calls": self.calls,
            "joined": self.joined,
            "in_flight": len(self._calls),
            "alone": dict(self.alone),
        }


def _nothing() -> None:
    """Nobody could join already."""


def _mark(key: Key) -> bytes:
    """What stands for one kind of request, all that it says included.

    A reply to somebody who is not logged in, or who has no cookie yet, says nothing of what others
    get: nobody can keep them from sharing.
    """
    return digest(repr(key).encode())


async def _whole(body: Body) -> bytes | None:
    """All of a body that is not long; None of others, which are sent from the start nevertheless.

    Raises ClientError as reading does.
    """
    if body.buffered is not None:
        return body.buffered
    if (body.length or 0) > _LONGEST:
        return None
    body.keep(_LONGEST, spool=True)
    body.proceed()
    reader = body.reader()
    parts = []
    size = 0
    while data := await reader.read():
        parts.append(data)
        size += len(data)
        if size > _LONGEST:
            return None
    return None if body.trailers else b"".join(parts)
