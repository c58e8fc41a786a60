"""When a reply is good enough to be shown: what breaks before can still be tried again."""

import asyncio
from typing import Annotated, Final, Literal

from msgspec import Meta

from proxy.core.exchange import Exchange, Handler
from proxy.core.options import Duration, Size, Table, described, seconds
from proxy.core.reply import Ending, Reply
from proxy.http.framing import has_no_body
from proxy.http.sse import SseScanner, streams_events

PATTERN: Final = r"^(headers|first_chunk|body:[0-9]+(\.[0-9]+)?(B|KiB|MiB))$"
_HEADERS: Final = "headers"
_PINGS: Final = 64 << 10
"""Bytes of comments and pings that are held while no event comes."""


class StreamOptions(Table, frozen=True, kw_only=True):
    """How replies are passed on."""

    commit: Annotated[
        str,
        Meta(
            pattern=PATTERN,
            description='When the client is shown a reply: with its "headers"; with its '
            '"first_chunk"; or, up to a known length, as a whole: "body:64KiB". What breaks '
            "before may be tried again; the rest is held for its first chunk, a stream of events "
            "for its first event that is no ping.",
        ),
    ] = "headers"
    commit_wait: Annotated[
        Duration,
        described(
            "How long commit holds a reply at the most; then the client is shown what has come, "
            "pings included."
        ),
    ] = seconds(5)
    heartbeat: Annotated[
        Duration,
        described(
            "A stream of events that is silent for this long gets a comment. To a client whose "
            "Accept "
            "prefers text/event-stream to all else, the stream is opened, with status 200, before "
            "the upstream has answered."
        ),
    ] = seconds(0)
    on_error: Annotated[
        Literal["abort", "event", "openai", "anthropic", "graphql"],
        described(
            'How a stream of events that breaks ends: "abort" cuts it; the others send a last '
            'event that says what went wrong, and then cut: "event" one that is called error and '
            'carries problem+json; "openai", "anthropic" and "graphql" what the clients of those '
            "APIs take for an error."
        ),
    ] = "abort"
    resume: Annotated[
        Duration,
        described(
            "How long a stream of events is read on when its client has left, for it to come back "
            "with Last-Event-ID; GET only."
        ),
    ] = seconds(0)


class Commit:
    """Holds a reply until enough of it is here, or until it has been held for long enough."""

    __slots__ = ("_inner", "_limit", "_wait")

    def __init__(self, inner: Handler, options: StreamOptions) -> None:
        self._inner = inner
        kind, _, text = options.commit.partition(":")
        self._limit = Size.parse(text) if kind == "body" else 0
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
        if complete or held:
            reply.put_back(held[0] if len(held) == 1 else b"".join(held), complete=complete)


async def _gather(reply: Reply, held: list[bytes], *, whole: bool) -> bool:
    """Read until enough is here; whether that is all of it."""
    events = None if whole or not streams_events(reply.headers) else SseScanner()
    size = 0
    while chunk := await reply.read():
        held.append(chunk)
        if whole:
            continue
        size += len(chunk)
        # Comments and pings are no sign that it works: an upstream that fails behind them can still
        # be asked again.
        if events is None or events.feed(chunk) or size >= _PINGS:
            return False
    return whole


def holds(options: StreamOptions) -> bool:
    """Whether there is anything to hold."""
    return options.commit != _HEADERS


def speaks(options: StreamOptions) -> bool:
    """Whether there is anything to say in a stream of events."""
    return bool(options.heartbeat) or options.on_error != "abort"
