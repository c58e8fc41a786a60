"""The service with a real router and chain, clients in memory, and an upstream that is a script."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.streams import StreamReader

from proxy.core.duration import Duration
from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Ending, Reply
from proxy.edge.connections import ConnectionTracker
from proxy.edge.intake import Intake
from proxy.edge.options import ServerOptions
from proxy.edge.preflights import PageRouter, answers
from proxy.edge.relay import Relay
from proxy.edge.responses import ErrorsOptions
from proxy.edge.router import RouteOptions
from proxy.edge.service import ProxyService, application, flattened
from proxy.middleware.retry.options import RetryOptions
from proxy.middleware.retry.retry import Retry
from proxy.middleware.total import Total
from proxy.policy.budget import Budget
from tests.support.client_stream import FakeClientStream, client_request
from tests.support.loop import loop_clock

INSTANCE = "00c0ffee"
GET = b"GET /v1/items HTTP/1.1\r\nHost: api.test\r\n\r\n"
JSON = ((b"Content-Type", b"application/json"),)


class OneRoute:
    """A route as the service sees it."""

    name = "/v1"
    errors = ErrorsOptions()
    own_fields = None

    def __init__(self, handle: Handler) -> None:
        self.handle = handle


class OneGeneration:
    """What the edge knows of a configuration."""

    errors = ErrorsOptions()

    def __init__(self, intake: Intake, relay: Relay, router: PageRouter[OneRoute]) -> None:
        self.intake, self.relay, self.router = intake, relay, router
        self.users = 0
        self.superseded = False
        self.ended = 0

    def end(self) -> None:
        self.ended += 1


class ServiceInMemory:
    """Answers what is under ``/v1`` by ``upstream``, below Total and Retry."""

    def __init__(self, upstream: Handler, **server: Any) -> None:
        self.records: list[Exchange] = []
        """What the access log is told of."""
        self.tracker = ConnectionTracker(100, (lambda exchange, _: self.records.append(exchange),))
        options = RetryOptions(backoff_base=Duration(0), backoff_max=Duration(0))
        retry = Retry(upstream, options, Budget(0, 1000, 10), random.Random(1), clock=loop_clock())
        self.service = service = ProxyService(self.tracker)
        route = OneRoute(Total(retry.handle, 60).handle)
        self.generation = service.generation = OneGeneration(
            Intake(ServerOptions(**server), INSTANCE),
            Relay(f"sidecar-proxy-{INSTANCE}", server_timing=False),
            PageRouter([(RouteOptions(path="/v1", upstream="api"), route)], answers),
        )
        self._handle = flattened(application(service, _nothing))

    def begin(
        self, stream: FakeClientStream, head: bytes, body: StreamReader | None = None
    ) -> "asyncio.Task[bool]":
        """Serve a request; the task says whether its client has a whole reply."""
        request = client_request(stream, head, body)
        return asyncio.ensure_future(self._handle(request))

    async def ask(self, head: bytes, **stream: Any) -> FakeClientStream:
        """A client that waits for the end of its answer."""
        client = FakeClientStream(**stream)
        whole = await self.begin(client, head)
        assert whole is (client.ended == "complete")
        return client

    def close(self) -> None:
        """Let go of the loop."""
        self.tracker.close()


async def _nothing(_: web.Application) -> AsyncIterator[None]:
    yield


class Pieces:
    """The source of a body that comes in pieces; an error ends it."""

    buffered = None

    def __init__(self, *pieces: "bytes | Exception | asyncio.Event") -> None:
        self._pieces = list(pieces)
        self.endings: list[Ending] = []
        self.pauses: list[bool] = []

    async def read(self) -> bytes:
        if not self._pieces:
            return b""
        piece = self._pieces.pop(0)
        if isinstance(piece, asyncio.Event):
            await piece.wait()
            return await self.read()
        if isinstance(piece, Exception):
            raise piece
        return piece

    def pause(self, *, paused: bool) -> None:
        self.pauses.append(paused)

    def close(self, ending: Ending) -> None:
        self.endings.append(ending)


def coming(source: Pieces, length: int | None = None) -> Reply:
    return Reply(200, list(JSON), source, reason=b"OK", length=length)


@asynccontextmanager
async def serving(upstream: Handler, **server: Any) -> AsyncIterator[ServiceInMemory]:
    service = ServiceInMemory(upstream, **server)
    try:
        yield service
    finally:
        service.close()
