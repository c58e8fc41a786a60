"""The built tree: open, drain, close."""

import asyncio
import logging
import random
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

from aiohttp import web
from aiohttp.http_parser import HttpRequestParser, HttpRequestParserPy

from proxy.admin.app import application as admin_application
from proxy.admin.app import probes as probes_application
from proxy.admin.door import Door
from proxy.admin.guard import Guard
from proxy.admin.options import AdminOptions
from proxy.admin.state import state
from proxy.config.model import Config
from proxy.core.clock import monotonic
from proxy.core.samples import Sample
from proxy.core.secrets import conceal, redact
from proxy.edge.connections import ConnectionTracker, Observer, UnderWay
from proxy.edge.entrance import entrance
from proxy.edge.http1.connection import Connection
from proxy.edge.http1.head_cache import RequestHeadCache
from proxy.edge.intake import Intake
from proxy.edge.relay import Relay
from proxy.edge.service import ProxyService, flattened
from proxy.edge.service import application as edge_application
from proxy.run.descriptors import Descriptors
from proxy.run.listener import CannotListen, Listener
from proxy.run.tree import Tree
from proxy.telemetry import process
from proxy.telemetry.counters import Counters
from proxy.upstream.session import Session

log = logging.getLogger(__name__)

CLEANUP = 0.1
"""Seconds that aiohttp may wait for handlers once the grace period is over; it waits twice."""


class CannotStart(Exception):
    """A sentence for the operator."""


def _reason(error: OSError | ValueError) -> str:
    """What cannot be used, with the name of the file where it is one."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"cannot use {error.filename!r}: {error.strerror}"
    return f"{type(error).__name__}: {error}"


class Runtime:
    """A proxy in the running loop."""

    def __init__(
        self,
        config: Config,
        observers: tuple[Observer, ...] = (),
        descriptors: Descriptors | None = None,
    ) -> None:
        """``observers`` are told of every exchange when it has ended.

        ``descriptors``: where the process has no more than those.
        """
        if HttpRequestParser is HttpRequestParserPy:
            raise CannotStart(
                "aiohttp runs on its pure-Python parser, which accepts what it should not"
            )
        self._config = config
        redact(config.log.redact)
        self._counters = Counters()
        if config.admin is not None:  # nobody else asks for them
            observers = (*observers, self._counters.record)
        self._observers = observers
        connections = config.server.max_connections
        self._ceiling = 0
        if descriptors is not None:
            connections = min(connections, descriptors.connections)
            self._ceiling = descriptors.ceiling if descriptors.scarce else 0
        self._tracker = ConnectionTracker(connections, observers)
        self._session = Session()
        self._runners: list[web.AppRunner] = []
        self._listeners: list[Listener] = []
        self._admin: Listener | None = None
        self._probes: Listener | None = None
        self._data: web.Server | None = None
        self._tree: Tree
        self.ready = False

    @property
    def http(self) -> list[str]:
        """Addresses that clients speak to."""
        return [listener.address for listener in self._listeners]

    @property
    def admin(self) -> str:
        """Address of the admin listener, empty where there is none."""
        return self._admin.address if self._admin is not None else ""

    @property
    def probes(self) -> str:
        """Address of the listener for probes alone, empty where there is none."""
        return self._probes.address if self._probes is not None else ""

    async def open(self) -> None:
        """Serve. Raises CannotStart."""
        try:
            await self._open()
        except CannotListen as error:
            await self.close()
            raise CannotStart(conceal(str(error))) from error
        except (OSError, ValueError) as error:
            await self.close()
            raise CannotStart(conceal(_reason(error))) from error

    async def _open(self) -> None:
        server = self._config.server
        instance = secrets.token_hex(4)
        intake = Intake(server, instance)
        head_cache = RequestHeadCache()
        service = ProxyService(
            intake,
            Relay(f"sidecar-proxy-{instance}", server_timing=server.server_timing),
            self._tracker,
            self._config.errors,
        )

        async def lifespan(_: web.Application) -> AsyncIterator[None]:
            async with self._session:
                self._tree = tree = Tree(self._config, self._session, random.Random())
                service.router = tree.router
                tree.open()
                try:
                    yield
                finally:
                    await tree.close()

        app = edge_application(service, lifespan)
        await self._runner(app)
        # The data listener has a server of its own: no dispatching between one middleware and one
        # handler. A client that leaves ends its handler.
        data = self._data = web.Server(cast(Any, flattened(app)), handler_cancellation=True)
        if self._config.admin is not None:
            await self._open_admin(self._config.admin)

        def connect() -> Connection:
            return Connection(
                data,
                server,
                self._tracker,
                head_cache,
                errors=self._config.errors,
                access_log=None,
            )

        admit = entrance(connect, server)
        addresses = (server.listen,) if isinstance(server.listen, str) else server.listen
        for address in addresses:
            listener = Listener(address, server)
            await listener.open(connect, self._ceiling, admit)
            self._listeners.append(listener)
        self.ready = True

    async def _open_admin(self, options: AdminOptions) -> None:
        # No browser comes by a unix socket.
        guard = None if options.listen.startswith("unix:") else Guard(options)
        application = admin_application(
            lambda: self.ready, lambda: state(self.describe()), guard, self.describe
        )
        self._admin = Listener(options.listen, self._config.server)
        await self._admin.open(Door(await self._runner(application)))
        if options.probes:
            self._probes = Listener(options.probes, self._config.server)
            probes = await self._runner(probes_application(lambda: self.ready))
            await self._probes.open(Door(probes))

    async def _runner(self, app: web.Application) -> web.Server:
        runner = web.AppRunner(
            app,
            handle_signals=False,
            access_log=None,
            shutdown_timeout=CLEANUP,
        )
        self._runners.append(runner)
        await runner.setup()
        assert runner.server is not None
        return runner.server

    def describe(self) -> Iterator[Sample]:
        """What operators are shown."""
        now = monotonic()
        yield from self._tree.describe(now)
        for tunnel in self._tracker.tunnels:
            yield from tunnel.describe(now)
        yield from self._tracker.describe(now)
        yield from self._counters.describe(now)
        yield from process.describe()

    @property
    def under_way(self) -> UnderWay:
        """What would be cut now."""
        return self._tracker.under_way

    async def drain(self) -> bool:
        """Fail readiness, wait, stop accepting, let requests finish. False where some were cut."""
        shutdown = self._config.shutdown
        self.ready = False
        self._tracker.draining = True
        if shutdown.delay:
            log.info("stopping: the listeners close in %g s", shutdown.delay)
            await asyncio.sleep(shutdown.delay)
        await asyncio.gather(*(listener.retire() for listener in self._listeners))
        self._tree.shared.retire()
        return await self._tracker.drain(shutdown.grace_period)

    async def close(self) -> None:
        """Cut what is left and let go of everything."""
        self.ready = False
        for listener in self._listeners:
            listener.close()
        for operators in (self._admin, self._probes):
            if operators is not None:
                operators.close()
        self._tracker.expire()
        if self._data is not None:
            self._data.pre_shutdown()
            await self._data.shutdown(CLEANUP)
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()
        self._tracker.close()
