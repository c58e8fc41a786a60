"""Health for orchestrators, state for operators.

Liveness is not readiness: a draining proxy lives on.
"""

import json
from collections.abc import Iterable
from functools import partial
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from proxy.admin.metrics import add_metrics
from proxy.admin.source import Source
from proxy.admin.state import state

_API: Final = "/api/"
_dumps: Final = partial(json.dumps, indent=1)


def application(
    source: Source,
    guard: Middleware | None = None,
    routes: Iterable[web.AbstractRouteDef] = (),
) -> web.Application:
    """The probes, and ``/api/state``; each part of it is ``/api/NAME``.

    ``guard`` is asked before anything is answered, see ``admin/guard``. ``routes``: all else, see
    ``admin/api``.
    """

    async def api(request: web.Request) -> web.Response:
        parts = state(source.describe())
        name = request.path.rpartition("/")[2]
        return web.json_response(parts if name == "state" else parts[name], dumps=_dumps)

    app = web.Application(middlewares=(_unknown,) if guard is None else (guard, _unknown))
    for name in ("state", *state(())):
        app.router.add_get(f"{_API}{name}", api)
    app.router.add_routes(routes)
    add_metrics(app, source)
    _add_probes(app, source)
    return app


@web.middleware
async def _unknown(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Say what there is to whoever asks the API for something else."""
    try:
        return await handler(request)
    except web.HTTPNotFound:
        if not request.path.startswith(_API):
            raise
    paths = dict.fromkeys(each.canonical for each in request.app.router.resources())
    known = ", ".join(path.removeprefix(_API) for path in paths if path.startswith(_API))
    return web.json_response({"error": f"there is {known}"}, status=404, dumps=_dumps)


def probes(source: Source) -> web.Application:
    """``/healthz`` and ``/readyz`` alone, for an address that others reach too."""
    app = web.Application()
    _add_probes(app, source)
    return app


def _add_probes(app: web.Application, source: Source) -> None:
    """``/healthz`` says that the process serves, ``/readyz`` that it wants new requests."""

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        if source.ready:
            return web.Response(text="ready\n")
        return web.Response(status=503, text="draining\n")

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
