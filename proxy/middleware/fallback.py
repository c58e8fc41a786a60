"""What answers when an upstream has failed for a request."""

import mimetypes
from collections.abc import Callable, Sequence
from http.client import responses
from typing import Annotated, Final

from msgspec import Meta

from proxy.core.body import EMPTY, Body
from proxy.core.errors import ConnectionLimit, Stage, UpstreamError, forget_frames
from proxy.core.exchange import Exchange, Handler
from proxy.core.options import Table, described
from proxy.core.outcome import takes_over
from proxy.core.pipes import content
from proxy.core.reply import Ending, NoMoreBytes, Reply
from proxy.core.scope import Scope

_TOKEN: Final = "destination_unavailable"


class FixedReply(Table, frozen=True, kw_only=True):
    """A reply from a file."""

    status: Annotated[int, Meta(ge=200, le=599, description="Its status.")] = 503
    file: Annotated[str, described("Its body; the name's ending gives the Content-Type.")]


def link(scope: Scope, inner: Handler) -> Handler | None:
    """Where ``fallback`` names upstreams that take over, or a fixed reply."""
    options = scope.find(FixedReply)
    if options is None and not scope.others:
        return None
    fixed = None if options is None else Fixed(options)
    return Fallback(inner, scope.others, fixed, scope.repeatable, scope.keep).handle


class Fallback:
    """Asks others in turn, where the request may be run again, and then answers itself."""

    __slots__ = ("_fixed", "_inner", "_keep", "_others", "_repeatable")

    def __init__(
        self,
        inner: Handler,
        others: Sequence[Handler],
        fixed: "Fixed | None",
        repeatable: Callable[[Exchange], bool],
        keep: Callable[[Body], None] = lambda _: None,
    ) -> None:
        """``repeatable``: whether running a request twice is the same as once.

        ``keep``: has a body kept for the next one.
        """
        self._keep = keep
        self._inner = inner
        self._others = others
        self._fixed = fixed
        self._repeatable = repeatable

    async def handle(self, exchange: Exchange) -> Reply:
        """Raises what the last one raised, where nobody has an answer."""
        handlers = [self._inner, *self._others]
        if self._others and exchange.body is not EMPTY and self._repeatable(exchange):
            self._keep(exchange.body)
        last = len(handlers) - 1
        for index, handler in enumerate(handlers):
            try:
                reply = await handler(exchange)
            except (UpstreamError, ConnectionLimit) as error:
                sent = isinstance(error, UpstreamError) and error.stage is not Stage.NOT_SENT
                if index < last and self._may_go_on(exchange, sent=sent):
                    forget_frames(error)
                    continue
                if self._fixed is None:
                    raise
                forget_frames(error)
                return self._fixed.reply(exchange)
            if not takes_over(reply.status):
                return reply
            if index < last and self._may_go_on(exchange, sent=True):
                reply.close(Ending.ABANDONED if reply.buffered is None else Ending.COMPLETE)
                continue
            if self._fixed is None:
                return reply
            reply.close(Ending.ABANDONED if reply.buffered is None else Ending.COMPLETE)
            return self._fixed.reply(exchange)
        raise AssertionError("the loop answers or raises")

    def _may_go_on(self, exchange: Exchange, *, sent: bool) -> bool:
        if exchange.login and sent:  # another server knows nothing of it
            return False
        return exchange.body.resendable and (not sent or self._repeatable(exchange))


class Fixed:
    """A fixed reply, read once at start."""

    __slots__ = ("_data", "_fields", "_status")

    def __init__(self, options: FixedReply) -> None:
        """Raises OSError where the file cannot be read."""
        self._data = content(options.file)
        kind = mimetypes.guess_type(options.file)[0] or "application/octet-stream"
        self._fields = [
            (b"Content-Type", kind.encode()),
            (b"Proxy-Status", b"sidecar-proxy; error=%b" % _TOKEN.encode()),
        ]
        self._status = options.status

    def reply(self, exchange: Exchange) -> Reply:
        """One; the log says why it was needed."""
        exchange.error = _TOKEN
        return Reply(
            self._status,
            self._fields,
            NoMoreBytes(),
            reason=responses.get(self._status, "").encode(),
            length=len(self._data),
            buffered=self._data,
        )
