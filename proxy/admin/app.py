"""Health for orchestrators, state for operators.

Liveness is not readiness: a draining proxy lives on.
"""

import json
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from aiohttp import web

_dumps: Final = partial(json.dumps, indent=1)


def application(ready: Callable[[], bool], report: Callable[[], dict[str, Any]]) -> web.Application:
    """``/healthz`` says that the process serves, ``/readyz`` that it wants new requests.

    ``/api/state`` is ``report`` as JSON, ``/api/NAME`` one part of it.
    """

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        if ready():
            return web.Response(text="ready\n")
        return web.Response(status=503, text="draining\n")

    async def api(request: web.Request) -> web.Response:
        parts = report()
        name = request.match_info["name"]
        if name == "state":
            return web.json_response(parts, dumps=_dumps)
        if name in parts:
            return web.json_response(parts[name], dumps=_dumps)
        known = ", ".join(["state", *parts])
        return web.json_response({"error": f"there is {known}"}, status=404, dumps=_dumps)

    app = web.Application()
    app.router.add_get("/api/{name}", api)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    return app
