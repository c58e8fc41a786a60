"""The listeners that operators and orchestrators speak to, ``[admin]``."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from aiohttp import web

from proxy.admin.app import Reload
from proxy.admin.app import application as admin_application
from proxy.admin.app import probes as probes_application
from proxy.admin.door import Door
from proxy.admin.guard import Guard
from proxy.admin.options import AdminOptions
from proxy.edge.options import ServerOptions
from proxy.run.listener import Listener

CLEANUP = 0.1
"""Seconds that aiohttp may wait for handlers when a listener ends; it waits twice."""


class Desk:
    """One listener, and the application behind it."""

    def __init__(
        self, address: str, server: ServerOptions, app: web.Application, guard: Guard | None = None
    ) -> None:
        """``server``: mode and owner of a unix socket; ``guard``: that of the application."""
        self.asked = address
        self.guard = guard
        self._listener = Listener(address, server)
        self._runner = web.AppRunner(
            app, handle_signals=False, access_log=None, shutdown_timeout=CLEANUP
        )

    @property
    def address(self) -> str:
        """As it is: with the real port where 0 was asked for."""
        return self._listener.address

    async def open(self) -> None:
        """Raises CannotListen."""
        await self._runner.setup()
        assert self._runner.server is not None
        try:
            await self._listener.open(Door(self._runner.server))
        except BaseException:
            await self._runner.cleanup()
            raise

    def stop(self) -> None:
        """Accept no more."""
        self._listener.close()

    async def close(self) -> None:
        """End what is left."""
        self.stop()
        await self._runner.cleanup()


class Desks(NamedTuple):
    """Those that there are to be."""

    admin: Desk | None
    probes: Desk | None


class Operators:
    """The admin listener, and that for probes alone, where ``[admin]`` asks for them."""

    def __init__(
        self,
        ready: Callable[[], bool],
        report: Callable[[], dict[str, Any]],
        reload: Reload | None,
    ) -> None:
        """See ``admin/app``."""
        self._ready = ready
        self._report = report
        self._reload = reload
        self._admin: Desk | None = None
        self._probes: Desk | None = None
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def admin(self) -> str:
        """Address of the admin listener, empty where there is none."""
        return self._admin.address if self._admin is not None else ""

    @property
    def probes(self) -> str:
        """Address of the listener for probes alone, empty where there is none."""
        return self._probes.address if self._probes is not None else ""

    async def open(self, options: AdminOptions | None, server: ServerOptions) -> None:
        """Raises CannotListen."""
        self.follow(options, await self.prepare(options, server))

    async def prepare(self, options: AdminOptions | None, server: ServerOptions) -> Desks:
        """Listen on those addresses that are new. Raises CannotListen."""
        admin, probes = self._admin, self._probes
        if options is None:
            return Desks(None, None)
        try:
            if admin is None or admin.asked != options.listen:
                admin = self._admin_desk(options, server)
                await admin.open()
            if not options.probes:
                probes = None
            elif probes is None or probes.asked != options.probes:
                probes = Desk(options.probes, server, probes_application(self._ready))
                await probes.open()
        except BaseException:
            await self.abandon(Desks(admin, None))
            raise
        return Desks(admin, probes)

    def _admin_desk(self, options: AdminOptions, server: ServerOptions) -> Desk:
        # No browser comes by a unix socket.
        guard = None if options.listen.startswith("unix:") else Guard(options)
        app = admin_application(self._ready, self._report, guard, self._reload)
        return Desk(options.listen, server, app, guard)

    async def abandon(self, desks: Desks) -> None:
        """They are not wanted after all."""
        for desk in desks:
            if desk is not None and desk not in (self._admin, self._probes):
                await desk.close()

    def follow(self, options: AdminOptions | None, desks: Desks) -> None:
        """Serve by these options; what is asked on an address that is no more is answered yet."""
        before = (self._admin, self._probes)
        self._admin, self._probes = desks
        if options is not None and self._admin is not None and self._admin.guard is not None:
            self._admin.guard.follow(options)
        for desk in before:
            if desk is not None and desk not in desks:
                desk.stop()
                task = asyncio.get_running_loop().create_task(_leave(desk))
                self._leaving.add(task)
                task.add_done_callback(self._leaving.discard)

    def stop(self) -> None:
        """Accept no more."""
        for desk in (self._admin, self._probes):
            if desk is not None:
                desk.stop()

    async def close(self) -> None:
        """End what is left."""
        for desk in (self._admin, self._probes):
            if desk is not None:
                await desk.close()
        if self._leaving:
            await asyncio.wait(tuple(self._leaving))


async def _leave(desk: Desk) -> None:
    await asyncio.sleep(CLEANUP)  # whoever has asked for this reads its answer
    await desk.close()
