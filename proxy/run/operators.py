"""The listeners for operators: ``[admin] listen``, and ``probes`` beside it."""

from aiohttp import web

from proxy.admin.api import quit_routes, routes
from proxy.admin.app import application, probes
from proxy.admin.door import Door
from proxy.admin.guard import Guard
from proxy.admin.observatory import Observatory
from proxy.admin.options import AdminOptions
from proxy.admin.source import Source
from proxy.edge.options import ServerOptions
from proxy.run.listener import Listener

CLEANUP = 0.1
"""Seconds that aiohttp may wait for handlers once the grace period is over; it waits twice."""


class Operators:
    """Shows a source to whoever asks."""

    def __init__(self, options: AdminOptions, server: ServerOptions) -> None:
        """``server``: mode and owner of unix sockets."""
        self._options = options
        self._listener = Listener(options.listen, server)
        self._probes = Listener(options.probes, server) if options.probes else None
        self._runners: list[web.AppRunner] = []
        self._observatory: Observatory | None = None

    @property
    def address(self) -> str:
        """Of the admin listener, with its real port."""
        return self._listener.address

    @property
    def probes(self) -> str:
        """Address of the listener for probes alone, empty where there is none."""
        return self._probes.address if self._probes is not None else ""

    async def open(self, source: Source) -> None:
        """Answer. Raises CannotListen."""
        # No browser comes by a unix socket.
        guard = None if self._options.listen.startswith("unix:") else Guard(self._options)
        self._observatory = Observatory(source)
        served = [*routes(self._observatory)]
        if self._options.quit:
            served += quit_routes(self._observatory)
        app = application(source, guard, served)
        await self._listener.open(Door(await self._server(app)))
        self._observatory.open()
        if self._probes is not None:
            await self._probes.open(Door(await self._server(probes(source))))

    async def _server(self, app: web.Application) -> web.Server:
        runner = await set_up(app)
        self._runners.append(runner)
        assert runner.server is not None
        return runner.server

    def stop(self) -> None:
        """Accept no more."""
        if self._observatory is not None:
            self._observatory.close()
        self._listener.close()
        if self._probes is not None:
            self._probes.close()

    async def close(self) -> None:
        """Let go of everything."""
        self.stop()
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()


async def set_up(app: web.Application) -> web.AppRunner:
    """What serves an application; signals and the access log are ours."""
    runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=CLEANUP)
    try:
        await runner.setup()
    except BaseException:
        await runner.cleanup()
        raise
    return runner
