"""The built tree: open, drain, close."""

import asyncio
import logging
import random
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import partial
from typing import Any, cast

from aiohttp import web
from aiohttp.http_parser import HttpRequestParser, HttpRequestParserPy

from proxy.admin.source import Answer, Local
from proxy.config.model import Config
from proxy.core.clock import monotonic
from proxy.core.exchange import Exchange
from proxy.core.samples import Sample
from proxy.core.secrets import conceal, redact
from proxy.edge.connections import ConnectionTracker, Observer, UnderWay
from proxy.edge.drain import drain
from proxy.edge.entrance import entrance
from proxy.edge.http1.connection import Connection
from proxy.edge.http1.fast_request_head import FastHeadReader
from proxy.edge.intake import Intake
from proxy.edge.relay import Relay
from proxy.edge.service import ProxyService, flattened
from proxy.edge.service import application as edge_application
from proxy.middleware.cache.purging import purge
from proxy.run.answers import Answers
from proxy.run.descriptors import Descriptors
from proxy.run.listener import CannotListen, Listener
from proxy.run.operators import CLEANUP, Operators, set_up
from proxy.run.tree import Tree
from proxy.run.workers.inherited import Inherited
from proxy.telemetry import process
from proxy.telemetry.counters import Counters
from proxy.telemetry.recorder import Recorder
from proxy.upstream.session import Session

log = logging.getLogger(__name__)


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
        inherited: Inherited | None = None,
    ) -> None:
        """``observers`` are told of every exchange when it has ended.

        ``descriptors``: where the process has no more than those. ``inherited``: what a worker
        serves on; it has no admin listener, and no delay: its parent waits for all.
        """
        if HttpRequestParser is HttpRequestParserPy:
            raise CannotStart(
                "aiohttp runs on its pure-Python parser, which accepts what it should not"
            )
        self._config = config
        redact(config.log.redact)
        self._counters = Counters()
        self._recorder: Recorder | None = None
        if config.admin is not None:  # nobody else asks for them
            self._recorder = Recorder(self._in_flight, config.log.redact)
            observers = (*observers, self._counters.record, self._recorder.record)
        self._observers = observers
        connections = config.server.max_connections
        self._ceiling = self._refused = 0
        if descriptors is not None:
            connections = min(connections, descriptors.connections)
            if descriptors.scarce:
                self._ceiling, self._refused = descriptors.ceiling, descriptors.refused
        self._inherited = inherited
        tracker = ConnectionTracker if inherited is None else inherited.tracker
        self._tracker = tracker(connections, observers)
        self._session = Session()
        self._runners: list[web.AppRunner] = []
        self._listeners: list[Listener] = []
        self._operators: Operators | None = None
        self.answers: dict[str, Answer] = {}
        """To questions about this process, see ``admin/source``."""
        self.answers["purge"] = self._purge
        self._answers: Answers | None = None
        if self._recorder is not None:
            self._answers = Answers(
                self._recorder,
                self._tracker,
                lambda: self._tree.endpoints,
                lambda: self._config,
            )
            self.answers |= self._answers.table()
        self._data: web.Server | None = None
        self.connect: Callable[[type[Connection]], Connection]
        """Makes the protocol of one client's connection, once it is open."""
        self._tree: Tree
        self.ready = False

    async def _purge(self, **wanted: str) -> int:
        return await purge(self._tree.shared.store, **wanted)

    def _in_flight(self) -> Iterable[Exchange]:
        return self._tracker.exchanges()

    @property
    def http(self) -> list[str]:
        """Addresses that clients speak to."""
        return [listener.address for listener in self._listeners]

    @property
    def admin(self) -> str:
        """Address of the admin listener, empty where there is none."""
        return self._operators.address if self._operators is not None else ""

    @property
    def probes(self) -> str:
        """Address of the listener for probes alone, empty where there is none."""
        return self._operators.probes if self._operators is not None else ""

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
        inherited = self._inherited
        instance = secrets.token_hex(4) if inherited is None else inherited.instance
        intake = Intake(server, instance)
        fast = FastHeadReader(server)
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
        self._runners.append(await set_up(app))
        # The data listener has a server of its own: no dispatching between one middleware and one
        # handler. A client that leaves ends its handler.
        data = self._data = web.Server(cast(Any, flattened(app)), handler_cancellation=True)
        if self._config.admin is not None and inherited is None:
            self._operators = Operators(self._config.admin, server)
            source = Local(lambda: self.ready, self.describe, self.answers)
            await self._operators.open(source)

        def connect(kind: type[Connection] = Connection) -> Connection:
            return kind(
                data,
                server,
                self._tracker,
                fast,
                errors=self._config.errors,
                access_log=None,
            )

        self.connect = connect
        admit = entrance(connect, server)
        if inherited is not None:
            admit = admit or partial(asyncio.get_running_loop().connect_accepted_socket, connect)
            room = self._room if self._refused else None
            inherited.open(admit, self._ceiling, server.max_connections, room)
            self.ready = True
            return
        addresses = (server.listen,) if isinstance(server.listen, str) else server.listen
        for address in addresses:
            listener = Listener(address, server)
            self._listeners.append(listener)
            room = self._room if self._refused else None
            await listener.open(connect, self._ceiling, admit, room)
        self.ready = True

    def _room(self) -> int:
        """How many more clients may be accepted: to be served, and to be refused."""
        tracker = self._tracker
        left = tracker.limit - len(tracker.connections) + self._refused - len(tracker.refused)
        inherited = self._inherited
        listeners = self._listeners if inherited is None else inherited.listeners
        return left - sum(listener.admitting for listener in listeners)

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

    def fail_readiness(self) -> None:
        """Want no new requests; those that come are served, each as the last of its connection."""
        self.ready = False
        self._tracker.draining = True

    async def drain(self, *, replaced: bool = False) -> bool:
        """Fail readiness, wait, stop accepting, let requests finish. False where some were cut.

        ``replaced``: another worker goes on with the sockets, at once.
        """
        shutdown = self._config.shutdown
        self.fail_readiness()
        if self._inherited is not None:
            await self._inherited.retire(replaced=replaced)
        elif shutdown.delay:
            log.info("stopping: the listeners close in %g s", shutdown.delay)
            await asyncio.sleep(shutdown.delay)
        await asyncio.gather(*(listener.retire() for listener in self._listeners))
        self._tree.shared.retire()
        return await drain(self._tracker, shutdown.grace_period)

    async def close(self) -> None:
        """Cut what is left and let go of everything."""
        self.ready = False
        for listener in self._listeners:
            listener.close()
        if self._inherited is not None:
            self._inherited.close()
        if self._operators is not None:
            self._operators.stop()
        if self._answers is not None:
            self._answers.close()
        self._tracker.expire()
        if self._data is not None:
            self._data.pre_shutdown()
            await self._data.shutdown(CLEANUP)
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()
        if self._operators is not None:
            await self._operators.close()
        self._tracker.close()
