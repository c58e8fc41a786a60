"""The listeners for operators: ``[admin] listen``, and ``probes`` beside it."""

import asyncio
from typing import NamedTuple

from aiohttp import web

from proxy.admin.api import routes
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


class Desk:
    """One listener, and what answers there."""

    def __init__(
        self, address: str, server: ServerOptions, app: web.Application, guard: Guard | None = None
    ) -> None:
        """``server``: mode and owner of a unix socket; ``guard``: that of the application."""
        self.asked = address
        self.guard = guard
        self.listener = Listener(address, server)
        self._app = app
        self._runner: web.AppRunner | None = None

    async def open(self) -> None:
        """Raises CannotListen."""
        self._runner = await set_up(self._app)
        assert self._runner.server is not None
        await self.listener.open(Door(self._runner.server))

    async def close(self) -> None:
        """End it, and whatever is asked there."""
        self.listener.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None


class Desks(NamedTuple):
    """Those that there are to be."""

    admin: Desk
    probes: Desk | None


class Operators:
    """Shows a source to whoever asks."""

    def __init__(self, options: AdminOptions, server: ServerOptions) -> None:
        """``server``: mode and owner of unix sockets."""
        self._options = options
        self._server = server
        self._desks: Desks | None = None
        self._observatory: Observatory
        self._source: Source
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """Of the admin listener, with its real port."""
        return self._desks.admin.listener.address if self._desks is not None else ""

    @property
    def probes(self) -> str:
        """Address of the listener for probes alone, empty where there is none."""
        found = None if self._desks is None else self._desks.probes
        return found.listener.address if found is not None else ""

    async def open(self, source: Source) -> None:
        """Answer. Raises CannotListen."""
        self._source = source
        self._observatory = Observatory(source)
        self._desks = await self.prepare(self._options, self._server)
        self._observatory.open()

    async def prepare(self, options: AdminOptions, server: ServerOptions) -> Desks:
        """Listen where other options say; ``follow`` or ``abandon`` it.

        Raises CannotListen, or OSError without a file of theirs.
        """
        opened: list[Desk] = []
        before = self._desks
        admin = before.admin if before is not None else None
        prober = before.probes if before is not None else None
        try:
            if admin is None or admin.asked != options.listen:
                opened.append(admin := self._admin(options, server))
                await admin.open()
            elif admin.guard is not None:
                Guard(options)
            if not options.probes:
                prober = None
            elif prober is None or prober.asked != options.probes:
                prober = Desk(options.probes, server, probes(self._source))
                opened.append(prober)
                await prober.open()
        except BaseException:
            for desk in opened:
                await desk.close()
            raise
        return Desks(admin, prober)

    def _admin(self, options: AdminOptions, server: ServerOptions) -> Desk:
        # No browser comes by a unix socket.
        guard = None if options.listen.startswith("unix:") else Guard(options)
        app = application(self._source, guard, routes(self._observatory))
        return Desk(options.listen, server, app, guard)

    async def abandon(self, desks: Desks) -> None:
        """They are not wanted after all."""
        for desk in desks:
            if desk is not None and desk not in (self._desks or ()):
                await desk.close()

    def follow(self, options: AdminOptions, desks: Desks) -> None:
        """Answer there from now on; what is being asked elsewhere is answered yet."""
        before, self._desks = self._desks, desks
        self._options = options
        if desks.admin.guard is not None:
            desks.admin.guard.follow(options)
        for desk in before or ():
            if desk is not None and desk not in desks:
                self._leave(desk)

    def _leave(self, desk: Desk) -> None:
        desk.listener.close()
        task = asyncio.get_running_loop().create_task(_close_later(desk))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def leave(self) -> None:
        """Accept no more, and close when what is being asked has been answered."""
        self.stop()
        desks, self._desks = self._desks, None
        for desk in desks or ():
            if desk is not None:
                self._leave(desk)

    def stop(self) -> None:
        """Accept no more."""
        if self._desks is not None:
            self._observatory.close()
        for desk in self._desks or ():
            if desk is not None:
                desk.listener.close()

    async def close(self) -> None:
        """Let go of everything."""
        self.stop()
        for desk in self._desks or ():
            if desk is not None:
                await desk.close()
        if self._leaving:
            await asyncio.wait(tuple(self._leaving))


async def _close_later(desk: Desk) -> None:
    await asyncio.sleep(CLEANUP)  # whoever has asked for this reads the answer
    await desk.close()


async def set_up(app: web.Application) -> web.AppRunner:
    """What serves an application; signals and the access log are ours."""
    runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=CLEANUP)
    try:
        await runner.setup()
    except BaseException:
        await runner.cleanup()
        raise
    return runner
