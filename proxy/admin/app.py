"""Health for orchestrators, state for operators.

Liveness is not readiness: a draining proxy lives on.
"""

import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, TypeAlias

from aiohttp import web
from aiohttp.typedefs import Middleware

Reload: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
"""Reads the configuration again; what became of it."""

_dumps: Final = partial(json.dumps, indent=1)


def application(
    ready: Callable[[], bool],
    report: Callable[[], dict[str, Any]],
    guard: Middleware | None = None,
    reload: Reload | None = None,
) -> web.Application:
    """The probes, and ``/api/state``, which is ``report`` as JSON; ``/api/NAME`` is a part of it.

    ``guard`` is asked before anything is answered, see ``admin/guard``. ``POST /api/reload`` is
    there where ``reload`` is: 200 with what has changed, 409 with what speaks against it.
    """

    async def api(request: web.Request) -> web.Response:
        parts = report()
        name = request.match_info["name"]
        if name == "state":
            return web.json_response(parts, dumps=_dumps)
        if name in parts:
            return web.json_response(parts[name], dumps=_dumps)
        known = ", ".join(["state", *parts])
        return web.json_response({"error": f"there is {known}"}, status=404, dumps=_dumps)

    app = web.Application(middlewares=() if guard is None else (guard,))
    app.router.add_get("/api/{name}", api)
    if reload is not None:
        again = reload

        async def changed(_: web.Request) -> web.Response:
            told = await again()
            return web.json_response(told, status=200 if told["reloaded"] else 409, dumps=_dumps)

        app.router.add_post("/api/reload", changed)
    _add_probes(app, ready)
    return app


def probes(ready: Callable[[], bool]) -> web.Application:
    """``/healthz`` and ``/readyz`` alone, for an address that others reach too."""
    app = web.Application()
    _add_probes(app, ready)
    return app


def _add_probes(app: web.Application, ready: Callable[[], bool]) -> None:
    """``/healthz`` says that the process serves, ``/readyz`` that it wants new requests."""

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        if ready():
            return web.Response(text="ready\n")
        return web.Response(status=503, text="draining\n")

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
