"""Health for orchestrators. Liveness is not readiness: a draining proxy lives on."""

from collections.abc import Callable

from aiohttp import web


def application(ready: Callable[[], bool]) -> web.Application:
    """``/healthz`` says that the process serves, ``/readyz`` that it wants new requests."""

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        if ready():
            return web.Response(text="ready\n")
        return web.Response(status=503, text="draining\n")

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    return app
