"""The aiohttp.web application: one middleware, one catch-all route, cleanup_ctx."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, Protocol, TypeAlias, cast

from aiohttp import web

from proxy.core.body import EMPTY
from proxy.core.clock import monotonic
from proxy.core.errors import (
    ClientError,
    ClientGone,
    EndedByOperator,
    InternalError,
    MethodNotAllowed,
    NoRoute,
    ProxyError,
    RateLimited,
    RequestTimeout,
    ShuttingDown,
    forget_frames,
)
from proxy.core.exchange import Exchange
from proxy.core.local_limits import local_limit
from proxy.core.redaction import SECRETS, sent
from proxy.core.reply import Ending, Reply, UpgradedConnection
from proxy.edge.client_stream import ClientStream, mark_client_gone
from proxy.edge.connections import ConnectionTracker
from proxy.edge.http1.request_reader import ReadRequest
from proxy.edge.intake import Intake
from proxy.edge.last_hop import reply_here
from proxy.edge.preflights import PageRouter
from proxy.edge.relay import Relay
from proxy.edge.responses import (
    ErrorsOptions,
    charge,
    error_response,
    log_error,
    name_route,
)
from proxy.edge.route_fields import route_fields
from proxy.edge.route_of_refusal import Chain, answer_as_route, fields_on
from proxy.edge.tunnel import Tunnel
from proxy.http.fields import RawHeaders
from proxy.http.request_id import ensure_ids

log = logging.getLogger(__name__)

Handler: TypeAlias = Callable[[web.BaseRequest], Awaitable[bool]]
"""Says whether the client has a whole reply; its connection knows whether it can ask again."""


class Generation(Protocol):
    """What one configuration was built into, as the edge sees it."""

    users: int
    """Exchanges that go on with it: whoever begins one counts it, and counts it off."""

    @property
    def intake(self) -> Intake:
        """Makes exchanges of requests."""

    @property
    def relay(self) -> Relay:
        """Writes their replies."""

    @property
    def errors(self) -> ErrorsOptions | None:
        """How our answers look before there is a route."""

    @property
    def router(self) -> PageRouter[Chain]:
        """Finds the route of a request."""

    @property
    def superseded(self) -> bool:
        """Whether nothing more begins with it: the last of its users calls ``end``."""

    @property
    def end(self) -> Callable[[], None]:
        """Let go of all that no other generation uses."""


class ProxyService:
    """Serves every request of the data listener.

    Each exchange ends with the generation with which it began, however long that takes.
    """

    __slots__ = ("_tracker", "generation")

    def __init__(self, tracker: ConnectionTracker) -> None:
        self._tracker = tracker
        self.generation: Generation
        """With which exchanges begin; set once the upstreams are open."""

    async def serve(self, request: web.BaseRequest) -> bool:
        """The catch-all: admit, route, forward, relay. Says whether the client has its reply."""
        stream: ClientStream = request.protocol  # type: ignore[assignment]
        exchange = stream.exchange
        generation = self.generation  # nothing has waited since ``run_exchange`` counted it
        router, relay = generation.router, generation.relay
        further = True
        if type(request) is ReadRequest:
            further = generation.intake.admit(exchange, request, stream)
        fields: RawHeaders = request.raw_headers
        if router.identifies:
            fields = route_fields(fields, exchange.headers)
        chain = router.answering(exchange, fields) if exchange.method == "OPTIONS" else None
        if chain is None:
            chain = router.find(exchange.method, exchange.host, exchange.path, fields)
        stream.errors = chain.errors
        exchange.route = chain.name
        exchange.send_informational = stream.informational
        exchange.ties = stream.ties
        if further:
            reply = await chain.handle(exchange)
        else:
            raw = request.raw_headers
            allow = router.allowed(exchange.host, exchange.path, fields)
            reply = reply_here(exchange, raw, allow)
            reply.headers = [*reply.headers, *fields_on(chain, raw)]
        if reply.upgraded is not None:
            await self._tunnel(exchange, reply, reply.upgraded, stream, relay)
            return False  # HTTP is over on this connection
        return await relay.send(exchange, reply, stream)

    async def _tunnel(
        self,
        exchange: Exchange,
        reply: Reply,
        upstream: UpgradedConnection,
        stream: ClientStream,
        relay: Relay,
    ) -> None:
        """Go over to what client and upstream have agreed on.

        Raises ShuttingDown where nobody would read what the client says.
        """
        if self._tracker.unheard:
            reply.close(Ending.ABANDONED)
            raise ShuttingDown("no tunnel can begin any more: the proxy is shutting down")
        tunnel = Tunnel(exchange, stream, upstream)
        self._tracker.tunnels.add(tunnel)
        exchange.stalled = lambda now: now - tunnel.moved
        ending = Ending.ABANDONED
        try:
            commit = partial(relay.switch, exchange, reply, upstream.protocol, stream)
            await tunnel.run(commit)
            ending = Ending.COMPLETE
        except asyncio.CancelledError:
            # Both ends are cut by now, so that this client seems to have left. One that leaves a
            # tunnel cancels nothing.
            if exchange.ended_by is None:
                raise
            if isinstance(exchange.ended_by, EndedByOperator):  # else it had no end of its own
                charge(exchange, exchange.ended_by)
                log_error(exchange, exchange.ended_by)
        finally:
            self._tracker.tunnel_closed(tunnel)
            reply.close(ending)

    @web.middleware
    async def run_exchange(self, request: web.BaseRequest, handler: Handler) -> bool:
        """Errors to statuses, and the one place where an exchange ends."""
        stream: ClientStream = request.protocol  # type: ignore[assignment]
        generation = self.generation
        if type(request) is ReadRequest:
            exchange = generation.intake.open(request, stream)
        else:
            exchange = request.exchange  # type: ignore[attr-defined]  # of a FastRequest
        stream.exchange = exchange
        stream.errors = generation.errors
        self._tracker.in_flight += 1
        generation.users += 1
        try:
            return await handler(request)
        except ProxyError as error:
            if not exchange.route:
                answer_as_route(generation.router, exchange, request.raw_headers, stream)
            answered = self._answer(stream, error)
            forget_frames(error)
            return answered
        except ConnectionError as error:
            mark_client_gone(exchange, stream)
            forget_frames(error)
            return False
        except asyncio.CancelledError:
            if stream.gone or not (exchange.cut or exchange.ended_by):
                mark_client_gone(exchange, stream)
                raise
            return self._ended_here(stream)
        except Exception as error:
            if (ours := local_limit(error)) is not None:
                return self._answer(stream, ours)
            known = {"request_id": exchange.request_id, SECRETS: sent(exchange.headers)}
            log.exception("request failed", extra=known)
            fault = InternalError("an error of the proxy itself, see its log")
            answered = self._answer(stream, fault)
            forget_frames(error)
            return answered
        finally:
            if (body := exchange.body) is not EMPTY:
                exchange.bytes_in += body.received  # beside what came through a tunnel
                body.close()
            # It still knows how long its client was waited for.
            self._tracker.finished(exchange, monotonic())
            if body is not EMPTY:
                exchange.body = EMPTY  # who holds the exchange, the log for one, holds no body
            # Or the two would keep each other alive.
            exchange.send_informational = None
            if exchange.stalled is not None or exchange.relaying is not None:
                exchange.stalled = exchange.relaying = None
            generation.users -= 1
            if generation.superseded and not generation.users:
                generation.end()

    def _ended_here(self, stream: ClientStream) -> bool:
        """The proxy has ended the exchange: others wait for its permit, or an operator did it."""
        exchange = stream.exchange
        if (task := asyncio.current_task()) is not None:
            task.uncancel()  # the connection may go on
        if exchange.ended_by is not None:
            return self._answer(stream, exchange.ended_by)
        if not exchange.committed:
            return self._answer(stream, RequestTimeout("the body stood still while others waited"))
        stream.reset(at_once=True)
        return False

    def _answer(self, stream: ClientStream, error: ProxyError) -> bool:
        """Say what went wrong, or cut where a head is out already: there is never a second one."""
        exchange = stream.exchange
        if isinstance(error, ClientGone) or stream.gone:
            mark_client_gone(exchange, stream)
            return False
        status = charge(exchange, error)
        name_route(error, exchange.route)
        if exchange.committed:
            log_error(exchange, error)
            stream.reset(at_once=True)
            return False
        exchange.status = int(status)
        exchange.request_id = exchange.request_id or ensure_ids(exchange.headers)[1]
        status, reason, fields, body = error_response(
            error, stream.errors, request_id=exchange.request_id
        )
        last = ends_connection(error, exchange)
        exchange.bytes_out = stream.respond(
            status, reason, [*fields, *exchange.error_fields], (), body, length=len(body), last=last
        )
        log_error(exchange, error)
        return True


def ends_connection(error: ProxyError, exchange: Exchange) -> bool:
    """Whether the framing of what follows on the connection can no longer be trusted."""
    if isinstance(error, MethodNotAllowed):
        return exchange.method == "CONNECT"
    return isinstance(error, ClientError) and not isinstance(error, NoRoute | RateLimited)


def application(
    service: ProxyService, lifespan: Callable[[web.Application], AsyncIterator[None]]
) -> web.Application:
    """``lifespan`` opens what the edge needs, and closes it when the application is cleaned up."""
    app = web.Application(middlewares=[cast(Any, service.run_exchange)])
    app.cleanup_ctx.append(lifespan)
    app.router.add_route("*", "/{target:.*}", cast(Any, service.serve))
    return app


def flattened(app: web.Application) -> Handler:
    """The middlewares of an application around its one handler.

    What the application would find out anew for each request; and its dispatcher knows no ``*``
    and no authorities.
    """
    (route,) = app.router.routes()
    handler = cast(Handler, route.handler)
    for middleware in reversed(app.middlewares):
        handler = partial(cast(Any, middleware), handler=handler)
    return handler
