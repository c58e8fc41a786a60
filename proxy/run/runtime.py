"""A proxy in the running loop: open, reload, drain, close."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from aiohttp import web
from aiohttp.http_parser import HttpRequestParser, HttpRequestParserPy

from proxy.admin.source import Local
from proxy.config.model import Config
from proxy.core.clock import monotonic
from proxy.core.pipes import without_waiting
from proxy.core.recording_mode import RecordingMode
from proxy.core.redaction import conceal
from proxy.core.samples import Sample
from proxy.edge.connections import ConnectionTracker, Observer, UnderWay
from proxy.edge.drain import drain, drain_unheard
from proxy.edge.http1.connection import Connection
from proxy.edge.http1.fast_request_head import FastHeadReader
from proxy.edge.service import ProxyService, flattened
from proxy.edge.service import application as edge_application
from proxy.run.admin_listeners import AdminListeners, Next
from proxy.run.changes import Listening, Report, changes, possible
from proxy.run.descriptors import Descriptors
from proxy.run.generation import Generation, Generations
from proxy.run.observation import Follow, Observation
from proxy.run.reasons import CannotListen, CannotReload, CannotStart, reason
from proxy.run.reload import Read, Reloader
from proxy.run.runner import CLEANUP, set_up
from proxy.run.sockets.listeners import Listeners, Opened
from proxy.telemetry import process
from proxy.telemetry.missing_packages import lacking
from proxy.upstream.session import Session

if TYPE_CHECKING:
    from proxy.run.workers.inherited import Inherited

log = logging.getLogger(__name__)


class Prepared(NamedTuple):
    """Another configuration, ready to be used: that cannot fail any more."""

    generation: Generation
    listeners: Opened
    admin: Next


class Runtime:
    """A proxy in the running loop."""

    def __init__(
        self,
        config: Config,
        observers: tuple[Observer, ...] = (),
        descriptors: Descriptors | None = None,
        inherited: "Inherited | None" = None,
        *,
        read: Read | None = None,
        follow: Follow = lambda _: (),
        recording_mode: RecordingMode | None = None,
        mount: str = "",
    ) -> None:
        """``observers`` are told of every exchange when it has ended.

        ``descriptors``: where the process has no more than those. ``inherited``: what a worker
        serves on; it has no admin listener, and no delay: its parent waits for all. ``read`` reads
        the configuration again, for reloads that operators ask for. ``follow`` is told of each
        configuration that is used, and says who observes exchanges then, beside ``observers``.
        ``mount``: the path that requests lose before they come here.
        """
        if HttpRequestParser is HttpRequestParserPy:
            raise CannotStart("aiohttp runs on its pure-Python parser, which accepts too much")
        if fault := lacking(config.tracing):
            raise CannotStart(fault)
        self._config = config
        self._inherited = inherited
        self._tracker = (inherited.tracker if inherited else ConnectionTracker)(
            config.server.max_connections, ()
        )
        self._session = Session()
        self._fast = FastHeadReader(config.server)
        self._service = ProxyService(self._tracker)
        known = "" if inherited is None else inherited.instance
        self._generations = Generations(self._session, known, recording_mode, mount)
        self._observation = Observation(
            self._tracker, observers, follow, lambda: self._generations.endpoints, read
        )
        self._observation.follow(config)
        self.answers = self._observation.answers
        self.answers["purge"] = self._generations.purge
        self._listeners = Listeners(self.connect, self._tracker, descriptors, inherited)
        self.reloader = None if read is None else Reloader(read, self.reload, config)
        if self.reloader is not None:
            self.answers["reload"] = self.reloader.answer
        self._admin = AdminListeners(
            Local(lambda: self.ready, self.describe_state, self.answers, self.samples)
        )
        self._runner: web.AppRunner | None = None
        self._data: web.Server | None = None
        self._changing = asyncio.Lock()
        self.ready = False

    @property
    def http(self) -> list[str]:
        """Addresses that clients speak to."""
        return self._listeners.addresses

    @property
    def admin(self) -> str:
        """Address of the admin listener, empty where there is none."""
        return self._admin.address

    @property
    def probes(self) -> str:
        """Address for probes alone, empty where there is none."""
        return self._admin.probes

    async def open(self) -> None:
        """Serve. Raises CannotStart."""
        try:
            await self._open()
        except CannotListen as error:
            await self.close()
            raise CannotStart(conceal(str(error))) from error
        except (OSError, ValueError) as error:
            await self.close()
            raise CannotStart(conceal(reason(error))) from error

    async def _open(self) -> None:
        config = self._config

        async def lifespan(_: web.Application) -> AsyncIterator[None]:
            async with self._session:
                self._become(await self._generations.build(config))
                try:
                    yield
                finally:
                    await self._generations.close()

        app = edge_application(self._service, lifespan)
        self._runner = await set_up(app)
        # The data listener has a server of its own: no dispatching between one middleware and one
        # handler. A client that leaves ends its handler.
        self._data = web.Server(cast(Any, flattened(app)), handler_cancellation=True)
        self._admin.follow(await self._prepare_admin(config))
        await self._listeners.follow(await self._listeners.prepare(config.server))
        self.ready = True

    def connect(self, kind: type[Connection] = Connection) -> Connection:
        """The protocol of one client's connection, once it is open."""
        assert self._data is not None
        config = self._config
        return kind(
            self._data,
            config.server,
            self._tracker,
            self._fast,
            errors=config.errors,
            access_log=None,
        )

    def _become(self, generation: Generation) -> None:
        """Begin with this generation whatever begins from now on."""
        self._config = generation.config
        generation.tree.shared.unseen = self._observation.unseen
        before = self._generations.current
        self._generations.become(generation)
        self._service.generation = generation
        if before is None or before.intake is not generation.intake:
            self._fast.follow(generation.config.server, generation.intake.sampled)

    # Reload

    async def reload(self, config: Config) -> Report:
        """Serve by another configuration from now on; nothing that is under way is cut.

        Raises CannotReload with a sentence, and then all is as it was.
        """
        async with self._changing:
            config, later = possible(self._config, config)
            report = await self.commit(await self.prepare(config))
            return report._replace(restart=later)

    async def prepare(self, config: Config) -> Prepared:
        """Build and open all that a configuration asks for; ``commit`` or ``abandon`` it.

        Raises CannotReload. Nothing is used of it yet, but for new addresses, which are served.
        """
        if not self.ready:
            raise CannotReload("the proxy does not serve now")
        if fault := lacking(config.tracing):
            raise CannotReload(fault)
        try:
            with without_waiting():  # for a pipe: the loop would
                async with contextlib.AsyncExitStack() as undo:
                    opened = await self._listeners.prepare(config.server)
                    undo.callback(self._listeners.abandon, opened)
                    admin = await self._prepare_admin(config)
                    undo.push_async_callback(self._admin.abandon, admin)
                    generation = await self._generations.build(config)
                    undo.pop_all()
                    return Prepared(generation, opened, admin)
        except CannotListen as error:
            raise CannotReload(conceal(str(error))) from error
        except (OSError, ValueError) as error:
            raise CannotReload(conceal(reason(error))) from error

    async def _prepare_admin(self, config: Config) -> Next:
        options = config.admin if self._inherited is None else None
        return await self._admin.prepare(options, config.server)

    async def commit(self, prepared: Prepared) -> Report:
        """Use it. What is said of it compares it with what was used before."""
        before, config = self._config, prepared.generation.config
        self._become(prepared.generation)
        self._observation.follow(config)
        self._admin.follow(prepared.admin)
        await self._listeners.follow(prepared.listeners)
        await asyncio.sleep(0)  # to compare hundreds of routes takes a while, and so did the above
        listening = Listening(self._listeners.by_address, self._admin.by_option)
        return changes(before, config, listening=listening)

    async def abandon(self, prepared: Prepared) -> None:
        """It is not wanted after all."""
        prepared.generation.tree.abandon()
        self._listeners.abandon(prepared.listeners)
        await self._admin.abandon(prepared.admin)

    def describe(self) -> Iterator[Sample]:
        """What operators are shown."""
        yield from self.describe_state()
        yield from self._observation.times()

    async def samples(self) -> list[Sample]:
        """The same, in steps."""
        return [*self.describe_state(), *await self._observation.times_in_steps()]

    def describe_state(self) -> Iterator[Sample]:
        """The same without what metrics alone show."""
        now = monotonic()
        if self._generations.current is not None:
            yield from self._generations.current.tree.describe(now)
        for tunnel in self._tracker.tunnels:
            yield from tunnel.describe(now)
        yield from self._tracker.describe(now)
        yield from self._observation.describe(now)
        yield from process.describe()
        if self.reloader is not None:
            yield from self.reloader.describe(now)

    @property
    def under_way(self) -> UnderWay:
        """What would be cut now."""
        return self._tracker.under_way

    # The end

    def fail_readiness(self) -> None:
        """Want no new requests; those that come are served, each as the last of its connection."""
        self.ready = False
        self._tracker.draining = True

    async def drain(self, *, replaced: bool = False, unheard: bool = False) -> bool:
        """Fail readiness, wait, stop accepting, let requests finish. False where some were cut.

        ``replaced``: another worker goes on with the sockets, at once. ``unheard``: nobody reads
        what clients send.
        """
        self.fail_readiness()
        async with self._changing:  # a reload that has begun comes to its end
            shutdown = self._config.shutdown
        if shutdown.delay and self._inherited is None:
            log.info("stopping: the listeners close in %g s", shutdown.delay)
            await asyncio.sleep(shutdown.delay)
        await self._listeners.retire(replaced=replaced)
        self._generations.retire()
        drained = (drain_unheard if unheard else drain)(self._tracker, shutdown.grace_period)
        return await drained

    async def close(self) -> None:
        """Cut what is left and let go of everything."""
        self.ready = False
        self._listeners.close()
        self._admin.stop()
        self._observation.close()
        self._tracker.expire()
        if self._data is not None:
            self._data.pre_shutdown()
            await self._data.shutdown(CLEANUP)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        await self._admin.close()
        await self._observation.end()
        self._tracker.close()
