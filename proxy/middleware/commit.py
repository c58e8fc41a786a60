"""When a reply is good enough to be shown: what breaks before can still be tried again."""

from typing import Annotated, Final, Literal

from msgspec import Meta

from proxy.core.exchange import Exchange
from proxy.core.handler import Handler
from proxy.core.options import Duration, Size, Table, described, seconds
from proxy.core.reply import Ending, Reply
from proxy.core.sse import Events, streams_events

PATTERN: Final = r"^(headers|first_chunk|body:[0-9]+(\.[0-9]+)?(B|KiB|MiB))$"
_BODILESS: Final = frozenset({101, 204, 304})
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
    ] = "body:64KiB"
    heartbeat: Annotated[
        Duration,
        described(
            "Streams of events that are silent for so long get a comment; to a client that accepts "
            "them the stream is opened, with status 200, before the upstream has answered."
        ),
    ] = seconds(0)
    on_error: Annotated[
        Literal["abort", "event"],
        described(
            "How a stream of events that breaks ends: cut, or with an event called error that "
            "carries problem+json, and then cut."
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
    """Holds a reply until enough of it is here."""

    __slots__ = ("_inner", "_limit")

    def __init__(self, inner: Handler, options: StreamOptions) -> None:
        self._inner = inner
        kind, _, text = options.commit.partition(":")
        self._limit = Size.parse(text) if kind == "body" else 0

    async def handle(self, exchange: Exchange) -> Reply:
        """Raises ReplyBroken where a held body breaks; the reply is closed then."""
        reply = await self._inner(exchange)
        if reply.buffered is None:
            await self.hold(exchange, reply)
        return reply

    async def hold(self, exchange: Exchange, reply: Reply) -> None:
        """Wait for what has to be here. Raises as above."""
        if exchange.method == "HEAD" or reply.status in _BODILESS or reply.length == 0:
            return
        whole = reply.length is not None and reply.length <= self._limit
        events = None if whole or not streams_events(reply.headers) else Events()
        held = []
        size = 0
        try:
            while chunk := await reply.read():
                held.append(chunk)
                if whole:
                    continue
                size += len(chunk)
                # Comments and pings are no sign that it works: an upstream that fails behind them
                # can still be asked again.
                if events is None or events.feed(chunk) or size >= _PINGS:
                    break
        except BaseException as error:
            broken = isinstance(error, Exception)
            reply.close(Ending.BROKEN if broken else Ending.ABANDONED)
            raise
        if whole:
            reply.hold(b"".join(held), complete=True)
        elif held:
            reply.hold(held[0] if len(held) == 1 else b"".join(held), complete=False)


def holds(options: StreamOptions) -> bool:
    """Whether there is anything to hold."""
    return options.commit != _HEADERS


def speaks(options: StreamOptions) -> bool:
    """Whether there is anything to say in a stream of events."""
    return bool(options.heartbeat) or options.on_error != "abort"
