"""When a reply is good enough to be shown: what breaks before can still be tried again."""

from typing import Annotated, Final

from msgspec import Meta

from proxy.core.exchange import Exchange
from proxy.core.handler import Handler
from proxy.core.options import Duration, Size, Table, described, seconds
from proxy.core.reply import Ending, Reply

PATTERN: Final = r"^(headers|first_chunk|body:[0-9]+(\.[0-9]+)?(B|KiB|MiB))$"
_BODILESS: Final = frozenset({101, 204, 304})
_HEADERS: Final = "headers"


class StreamOptions(Table, frozen=True, kw_only=True):
    """How replies are passed on."""

    commit: Annotated[
        str,
        Meta(
            pattern=PATTERN,
            description='When the client is shown a reply: with its "headers"; with its '
            '"first_chunk"; or, up to a known length, as a whole: "body:64KiB". What breaks '
            "before may be tried again; the rest is held for its first chunk.",
        ),
    ] = "body:64KiB"
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
        held = []
        try:
            while chunk := await reply.read():
                held.append(chunk)
                if not whole:
                    break
        except BaseException as error:
            broken = isinstance(error, Exception)
            reply.close(Ending.BROKEN if broken else Ending.ABANDONED)
            raise
        if whole:
            reply.hold(b"".join(held), complete=True)
        elif held:
            reply.hold(held[0], complete=False)


def holds(options: StreamOptions) -> bool:
    """Whether there is anything to hold."""
    return options.commit != _HEADERS
