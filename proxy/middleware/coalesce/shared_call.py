"""One call of an upstream, for several clients."""

import asyncio
import contextlib
import copy
from collections.abc import Callable
from functools import partial
from typing import Any

from proxy.core.errors import InternalError, ProxyError, forget_frames
from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Ending, Reply
from proxy.http.cache_control import for_one_client
from proxy.http.sse import streams_events
from proxy.middleware.coalesce.shared_reply import MAX_KEPT, MemoryBudget, SharedBody, SharedReply


class SharedCall:
    """One request to the upstream, and the clients that share it."""

    __slots__ = (
        "_error",
        "_leader",
        "_on_private",
        "_own",
        "_room",
        "_shared",
        "_twin",
        "_waiting",
        "_whole",
        "clients",
        "over",
        "pending",
        "task",
    )

    def __init__(
        self,
        leader: Exchange,
        twin: Exchange,
        room: MemoryBudget,
        on_private: Callable[[], None],
    ) -> None:
        """``on_private`` is told that nobody may share."""
        self._leader: Exchange | None = leader
        self._twin = twin
        self._room = room
        self.over: Callable[[], None]
        """Told when nobody may join any more."""
        self._on_private = on_private
        self.task: asyncio.Task[None]
        self.clients = 0
        """Those that wait or read."""
        self.pending = True
        """Whether the head is still to come."""
        self._waiting: set[asyncio.Future[None]] = set()
        self._error: Exception | None = None
        self._own: Reply | None = None
        """A reply that is the leader's alone."""
        self._whole: tuple[Reply, bytes] | None = None
        """One that was here as a whole."""
        self._shared: SharedReply | None = None

    def outlast(self, deadline: float | None) -> None:
        """Another client is there: the call is tried for as long as anybody waits for it."""
        own = self._twin.deadline
        if own is not None:
            self._twin.deadline = None if deadline is None else max(own, deadline)

    async def run(self, inner: Handler) -> None:
        """Ask, and see what may be done with the answer.

        A task that ends by an error keeps it, and its frames with it.
        """
        with contextlib.suppress(asyncio.CancelledError):
            await self._run(inner)

    async def _run(self, inner: Handler) -> None:
        try:
            reply = await inner(self._twin)
        except Exception as error:
            forget_frames(error)
            self._error = error
            self.over()
        except BaseException:
            self._error = InternalError("the call was given up")
            self.over()
            raise
        else:
            self._sort(reply)
        finally:
            self.pending = False
            for future in self._waiting:
                if not future.done():
                    future.set_result(None)
        if (shared := self._shared) is not None:
            try:
                await asyncio.wait((shared.task,))
            except asyncio.CancelledError:
                shared.end()
                raise

    def _sort(self, reply: Reply) -> None:
        if private(reply):
            self.over()
            self._on_private()
            self._own = reply
            if self._leader is None:
                reply.close(Ending.ABANDONED)
        elif (whole := reply.buffered) is not None:
            self.over()
            reply.keep_trailers()
            reply.close(Ending.COMPLETE)
            self._whole = (reply, whole)
        else:
            self._shared = SharedReply(reply, self._room, self.over)
            if not self.clients:
                self._shared.end()

    async def reply(self, exchange: Exchange, patience: float | None) -> Reply | None:
        """What a client is given; None where it has to ask itself."""
        self.clients += 1
        try:
            if self.pending and not await self._head(patience):
                self._leave(exchange)
                return None
        except BaseException:
            self._leave(exchange)
            raise
        return self._given(exchange)

    async def _head(self, patience: float | None) -> bool:
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            async with asyncio.timeout(patience):
                await future
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(future)
        return True

    def _given(self, exchange: Exchange) -> Reply | None:
        twin = self._twin
        leads = exchange is self._leader
        exchange.record.adopt(twin.record, started_at=exchange.started_at, shared=not leads)
        if leads:
            exchange.record.attempt_log = twin.record.attempt_log
        exchange.error = twin.error
        if self._error is not None:
            raise _anew(self._error)
        if self._own is not None:
            return self._own if leads else None
        if self._whole is not None:
            return _like(self._whole[0], _Nothing(), self._whole[1])
        assert self._shared is not None
        return _like(self._shared.reply, SharedBody(self._shared, partial(self._leave, exchange)))

    def _leave(self, exchange: Exchange) -> None:
        """A client wants no more; with the last one the call ends."""
        self.clients -= 1
        if exchange is self._leader:
            self._leader = None
            if self._own is not None:
                self._own.close(Ending.ABANDONED)
        if self.clients:
            return
        if self._shared is not None:
            self._shared.end()
        elif self.pending:
            self.over()
            self.task.cancel()


class _Nothing:
    """Behind a body that is here as a whole."""

    __slots__ = ()

    buffered: None = None

    async def read(self) -> bytes:
        """It has all been read."""
        return b""

    def close(self, ending: Ending) -> None:
        """Nothing is held."""


def _like(reply: Reply, source: Any, whole: bytes | None = None) -> Reply:
    """The same head, for another client."""
    like = Reply(
        reply.status,
        reply.headers,
        source,
        reason=reply.reason,
        length=reply.length,
        version=reply.version,
        buffered=whole,
    )
    like.encoded = reply.encoded
    like.trailers_of(reply)
    return like


def _anew(error: Exception) -> Exception:
    """One for each client: they are written to on their way."""
    if not isinstance(error, ProxyError):
        return InternalError("an error of the proxy itself, see its log")
    return copy.copy(error)


def private(reply: Reply) -> bool:
    """Whether it may be meant for one client only, or would never end (RFC 9111 3, 4.1)."""
    if (
        reply.upgraded is not None
        or (reply.length or 0) > MAX_KEPT
        or streams_events(reply.headers)
    ):
        return True
    return for_one_client(reply.status, reply.headers)
