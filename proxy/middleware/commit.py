"""When a reply is good enough to be shown: what breaks before can still be tried again."""

import asyncio
from collections.abc import Callable
from typing import Final

from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Ending, Reply
from proxy.core.scope import UpstreamScope
from proxy.core.size import Size
from proxy.core.stream_options import StreamOptions
from proxy.http.framing import has_no_body
from proxy.http.incremental import is_incremental
from proxy.http.sse import SseScanner, of_events, streams_events

_AUTO: Final = "auto"
_HEADERS: Final = "headers"
_SMALL: Final = Size(64 << 10)
"""Bytes of a reply that "auto" holds: it has them in a round trip or two, and the client gains
nothing from a part of them."""
_PINGS: Final = 64 << 10
"""Bytes of comments and pings that are held while no event comes."""
MOST_HELD: Final = 32 << 20
"""Bytes of replies that are held, all together: beyond that they are shown as they come. Where an
upstream sends all but the end of its replies to ten thousand clients, it were 640 MiB."""


class Held:
    """What is held of replies."""

    __slots__ = ("bytes",)

    def __init__(self) -> None:
        self.bytes = 0


HELD: Final = Held()
"""Of this process; there is one memory."""


def link(scope: UpstreamScope, inner: Handler) -> Handler | None:
    """Where ``[stream] commit`` holds anything; "auto" does where something may follow.

    A retry above calls ``hold`` itself, which saves a frame for each request.
    """
    options = scope.find(StreamOptions)
    if options is None:
        options = StreamOptions()
    may_follow = scope.may_follow_reply
    if options.commit == _HEADERS or (options.commit == _AUTO and may_follow is None):
        return None
    commit = Commit(inner, options, may_follow)
    if scope.retries:
        scope.hold = commit.hold
        return inner
    return commit.handle


class Commit:
    """Holds a reply until enough of it is here, or until it has been held for long enough."""

    __slots__ = ("_inner", "_limit", "_may_follow", "_only_whole", "_wait")

    def __init__(
        self,
        inner: Handler,
        options: StreamOptions,
        may_follow: Callable[[Exchange], bool] | None = None,
    ) -> None:
        """``may_follow``: see ``Scope.may_follow_reply``; "auto" holds nothing else."""
        self._inner = inner
        self._may_follow = may_follow
        kind, _, text = options.commit.partition(":")
        self._limit = Size.parse(text) if kind == "body" else 0
        self._only_whole = kind == _AUTO
        if self._only_whole:
            self._limit = _SMALL
        self._wait = options.commit_wait or None

    async def handle(self, exchange: Exchange) -> Reply:
        """Raises ReplyBroken where a held body breaks; the reply is closed then."""
        reply = await self._inner(exchange)
        if reply.buffered is None:
            await self.hold(exchange, reply)
        return reply

    async def hold(self, exchange: Exchange, reply: Reply) -> None:
        """Wait for what has to be here. Raises as above."""
        if has_no_body(exchange.method, reply.status) or reply.length == 0:
            return
        whole = reply.length is not None and reply.length <= self._limit
        if self._only_whole and not (whole and self._gains(exchange, reply)):
            return
        held: list[bytes] = []
        complete = False
        try:
            try:
                # Reading gives up nothing that has come: the next one to read gets it.
                async with asyncio.timeout(self._wait) as clock:
                    complete = await _gather(reply, held, whole=whole)
            except TimeoutError:
                if not clock.expired():
                    raise
        except BaseException as error:
            broken = isinstance(error, Exception)
            reply.close(Ending.BROKEN if broken else Ending.ABANDONED)
            raise
        finally:
            HELD.bytes -= sum(map(len, held))
        if complete or held:
            reply.put_back(held[0] if len(held) == 1 else b"".join(held), complete=complete)

    def _gains(self, exchange: Exchange, reply: Reply) -> bool:
        """Whether something may follow a reply that breaks, and nobody wants its parts at once.

        Else its head is better than none: where a POST was done, the head says what it made.
        """
        if self._may_follow is None or not self._may_follow(exchange):
            return False
        return not (of_events(reply.headers) or is_incremental(reply.headers))


async def _gather(reply: Reply, held: list[bytes], *, whole: bool) -> bool:
    """Read until enough is here; whether that is all of it."""
    events = None if whole or not streams_events(reply.headers) else SseScanner()
    size = 0
    while chunk := await reply.read():
        held.append(chunk)
        HELD.bytes += len(chunk)
        if whole:
            if HELD.bytes > MOST_HELD:
                return False
            continue
        size += len(chunk)
        # Comments and pings are no sign that it works: an upstream that fails behind them can still
        # be asked again.
        if events is None or events.feed(chunk) or size >= _PINGS:
            return False
    return whole
