"""What answers when an upstream has failed for a request."""

import mimetypes
from collections.abc import Callable, Sequence
from functools import partial
from http.client import responses
from typing import Annotated, TypeAlias

from msgspec import Meta

from proxy.core.body import EMPTY, Body
from proxy.core.clock import Clock, monotonic
from proxy.core.errors import (
    ProxyError,
    Stage,
    UpstreamError,
    forget_frames,
)
from proxy.core.exchange import Exchange, Handler
from proxy.core.options import Table, described
from proxy.core.outcome import attempt_outcome, refusal, takes_over
from proxy.core.pipes import content
from proxy.core.record import NOT_ATTEMPTED
from proxy.core.reply import NoMoreBytes, Reply
from proxy.core.scope import Scope

_Covered: TypeAlias = Callable[[Exchange, ProxyError], str]


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
    fallback = Fallback(
        inner,
        scope.others,
        fixed,
        scope.repeatable,
        covered=scope.covered,
        keep=scope.keep,
        clock=scope.shared.clock,
    )
    if fixed is not None:
        scope.fixed = partial(fallback.instead, fixed)
    return fallback.handle


def may_take_over(
    exchange: Exchange, repeatable: Callable[[Exchange], bool], *, sent: bool
) -> bool:
    """Whether another upstream may be asked for what one may have been sent, or was not."""
    if exchange.login and sent:  # another server knows nothing of it
        return False
    return exchange.body.resendable and (not sent or repeatable(exchange))


class TakesOver:
    """Whether another upstream would take a request over if its attempt were ended now."""

    __slots__ = ("_index", "_repeatable", "_servers_left")

    def __init__(
        self,
        repeatable: Callable[[Exchange], bool],
        servers_left: Sequence[Sequence[Callable[[Exchange], bool]]],
        index: int,
    ) -> None:
        """``servers_left``: see ``Scope``; ``index``: of the upstream that is asked first now."""
        self._repeatable = repeatable
        self._servers_left = servers_left
        self._index = index

    def __call__(self, exchange: Exchange) -> bool:
        """Says what ``Fallback`` would say, and that one of those that follow has a server."""
        return self.later(exchange) and any(
            all(has_left(exchange) for has_left in upstream)
            for upstream in self._servers_left[self._index + 1 :]
        )

    def later(self, exchange: Exchange) -> bool:
        """Whether one would as soon as it has a server."""
        sent, more = exchange.record.connect_s is not None, self._servers_left[self._index + 1 :]
        return bool(more) and may_take_over(exchange, self._repeatable, sent=sent)


class Fallback:
    """Asks others in turn, where the request may be run again, and then answers itself."""

    __slots__ = ("_clock", "_covered", "_fixed", "_inner", "_keep", "_others", "_repeatable")

    def __init__(
        self,
        inner: Handler,
        others: Sequence[Handler],
        fixed: "Fixed | None",
        repeatable: Callable[[Exchange], bool],
        *,
        covered: _Covered,
        keep: Callable[[Body], None] = lambda _: None,
        clock: Clock = monotonic,
    ) -> None:
        """``repeatable``: whether running a request twice is the same as once.

        ``covered``: logs a failure that the client does not see, and gives its token; ``keep``: has
        a body kept for the next one.
        """
        self._clock = clock
        self._covered = covered
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
            except UpstreamError as error:
                sent = error.stage is not Stage.NOT_SENT
                if index < last and may_take_over(exchange, self._repeatable, sent=sent):
                    self._covered(exchange, error)
                    forget_frames(error)
                    self._log(exchange, error)
                    continue
                if index:
                    self._log(exchange, error)
                if self._fixed is None:
                    raise
                forget_frames(error)
                return self.instead(self._fixed, exchange, error)
            goes_on = takes_over(reply.status) and index < last
            goes_on = goes_on and may_take_over(exchange, self._repeatable, sent=True)
            if index or goes_on:
                self._log(exchange, reply)
            if goes_on:
                reply.drop()
                self._covered(exchange, refusal(reply, exchange))
                continue
            if self._fixed is None or not takes_over(reply.status):
                return reply
            exchange.record.outcome = str(reply.status)
            reply.drop()
            return self.instead(self._fixed, exchange, refusal(reply, exchange), _said(reply))
        raise AssertionError("the loop answers or raises")

    def _log(self, exchange: Exchange, came: Reply | UpstreamError) -> None:
        """Log the last attempt of an upstream, where no retry has done so, if it made one."""
        record, now = exchange.record, self._clock()
        record.log_last(attempt_outcome(came), exchange.asked_at, now, exchange.body)

    def instead(
        self,
        fixed: "Fixed",
        exchange: Exchange,
        error: ProxyError,
        came: Reply | None = None,
    ) -> Reply:
        """The fixed reply in the place of a failure. ``came``: the reply that is the failure."""
        exchange.error = self._covered(exchange, error)
        record = exchange.record
        record.covered = came or error
        if error.clock:
            record.clock = error.clock
        if not record.outcome:  # the last upstream was not asked
            made = [each.outcome for each in record.attempt_log if each.outcome != NOT_ATTEMPTED]
            record.outcome = made[-1] if made else ""
        return fixed.reply(exchange.error)


def _said(reply: Reply) -> Reply:
    """What is kept of a reply that is dropped, for whoever tells of it."""
    kept = NoMoreBytes()
    return Reply(reply.status, reply.headers, kept, reason=reply.reason, whole=reply.buffered)


class Fixed:
    """A fixed reply, read once at start."""

    __slots__ = ("_data", "_kind", "_status")

    def __init__(self, options: FixedReply) -> None:
        """Raises OSError where the file cannot be read."""
        self._data = content(options.file)
        kind = mimetypes.guess_type(options.file)[0] or "application/octet-stream"
        self._kind = kind.encode()
        self._status = options.status

    def reply(self, token: str) -> Reply:
        """In the place of a failure with this token."""
        fields = [
            (b"Content-Type", self._kind),
            (b"Proxy-Status", b"sidecar-proxy; error=%b" % token.encode()),
        ]
        return Reply(
            self._status,
            fields,
            NoMoreBytes(),
            reason=responses.get(self._status, "").encode(),
            length=len(self._data),
            whole=self._data,
        )
