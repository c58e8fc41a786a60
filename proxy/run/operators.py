"""The listeners for operators: ``[admin] listen``, and ``probes`` beside it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import NamedTuple, TypeAlias, cast

from aiohttp import web

from proxy.admin.api import quit_routes, routes
from proxy.admin.app import application, probes
from proxy.admin.door import Door
from proxy.admin.guard import Guard
from proxy.admin.observatory import Observatory
from proxy.admin.options import AdminOptions
from proxy.admin.source import Source
from proxy.core.tasks import keep
from proxy.edge.options import ServerOptions
from proxy.run.runner import CLEANUP, set_up
from proxy.run.sockets.listener import Listener
from proxy.run.sockets.unix import Undo, put_back

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


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

    @property
    def address(self) -> str:
        """The first of those that are listened on."""
        return self.listener.addresses[0]

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
    """The admin listener and the one for probes, as a configuration wants them."""

    admin: Desk
    probes: Desk | None
    guard: Guard | None
    """By which the admin listener goes then, where that is another one."""
    undo: list[Undo]
    """What puts back mode and owner of unix sockets that stay."""

    @property
    def all(self) -> Iterator[Desk]:
        """The listeners that the configuration has."""
        return (desk for desk in (self.admin, self.probes) if desk is not None)


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
        """Address of the admin listener, with its real port; empty without one."""
        return self._desks.admin.address if self._desks is not None else ""

    @property
    def probes(self) -> str:
        """Address of the listener for probes alone, empty where there is none."""
        found = None if self._desks is None else self._desks.probes
        return found.address if found is not None else ""

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
        undo: list[Undo] = []
        guard: Guard | None = None
        before = self._desks
        admin = before.admin if before is not None else None
        prober = before.probes if before is not None else None
        try:
            if admin is None or admin.asked != options.listen:
                opened.append(admin := self._admin(options, server))
                await admin.open()
            else:
                undo.append(admin.listener.change_rights(server))
                if admin.guard is not None and options != self._options:
                    guard = Guard(options)
            if not options.probes:
                prober = None
            elif prober is None or prober.asked != options.probes:
                prober = Desk(options.probes, server, probes(self._source))
                opened.append(prober)
                await prober.open()
            else:
                undo.append(prober.listener.change_rights(server))
        except BaseException:
            put_back(undo)
            for desk in opened:
                await desk.close()
            raise
        return Desks(admin, prober, guard, undo)

    def _admin(self, options: AdminOptions, server: ServerOptions) -> Desk:
        # No browser comes by a unix socket.
        guard = None if options.listen.startswith("unix:") else Guard(options)
        seen = self._observatory
        app = application(
            self._source, guard, [*routes(seen), *map(self._if_asked, quit_routes(seen))]
        )
        return Desk(options.listen, server, app, guard)

    def _if_asked(self, route: web.RouteDef) -> web.RouteDef:
        """What is there while ``[admin] quit`` is on."""
        handler = cast(Handler, route.handler)

        async def answer(request: web.Request) -> web.StreamResponse:
            if not self._options.quit:
                raise web.HTTPNotFound
            return await handler(request)

        return web.route(route.method, route.path, answer)

    async def abandon(self, desks: Desks) -> None:
        """They are not wanted after all."""
        put_back(desks.undo)
        kept = [] if self._desks is None else list(self._desks.all)
        for desk in desks.all:
            if desk not in kept:
                await desk.close()

    def follow(self, options: AdminOptions, desks: Desks) -> None:
        """Answer there from now on; what is being asked elsewhere is answered yet."""
        before, self._desks = self._desks, desks
        self._options = options
        if desks.admin.guard is not None and desks.guard is not None:
            desks.admin.guard.follow(desks.guard)
        for desk in () if before is None else before.all:
            if desk not in desks.all:
                self._leave(desk)

    def _leave(self, desk: Desk) -> None:
        desk.listener.close()
        keep(asyncio.get_running_loop().create_task(_close_later(desk)), self._leaving)

    def leave(self) -> None:
        """Accept no more, and close when what is being asked has been answered."""
        self.stop()
        desks, self._desks = self._desks, None
        for desk in () if desks is None else desks.all:
            self._leave(desk)

    def stop(self) -> None:
        """Accept no more."""
        if self._desks is not None:
            self._observatory.close()
        for desk in () if self._desks is None else self._desks.all:
            desk.listener.close()

    async def close(self) -> None:
        """Let go of everything."""
        self.stop()
        for desk in () if self._desks is None else self._desks.all:
            await desk.close()
        if self._leaving:
            await asyncio.wait(tuple(self._leaving))


async def _close_later(desk: Desk) -> None:
    await asyncio.sleep(CLEANUP)  # whoever has asked for this reads the answer
    await desk.close()
