"""The table of the admin API: what is served, and what ``/api/openapi.json`` says of it.

``/api/state`` and its parts are beside it, in ``admin/app``.
"""

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
from aiohttp import web

from proxy import __version__
from proxy.admin import operations as o
from proxy.admin.answers import Failed, Told, answer
from proxy.admin.observatory import Observatory
from proxy.admin.page.document import page
from proxy.admin.purge import Purged, purge
from proxy.admin.state import state
from proxy.http.grammar import TCHAR
from proxy.telemetry.call import Call

Handler: TypeAlias = Callable[[Observatory, web.Request], Awaitable[web.StreamResponse]]


class Parameter(NamedTuple):
    """One in the query, or in the path."""

    name: str
    description: str
    schema: dict[str, Any] = {"type": "string"}  # noqa: RUF012 - it is never changed
    required: bool = False


class Operation(NamedTuple):
    """One of the API."""

    method: str
    path: str
    summary: str
    handler: Handler
    result: Any
    """The type of what is answered with 200."""
    parameters: tuple[Parameter, ...] = ()
    body: Any = None
    """The type of what is sent."""
    errors: tuple[int, ...] = ()
    goes_on: bool = False
    """Whether it may answer before it is done, with 202."""


_FILLED: Final = {"type": "string", "minLength": 1}
_FIELD: Final = {"type": "string", "pattern": rf"^\s*[{TCHAR.decode()}]+\s*:"}
_ID: Final = Parameter("id", "The request id.", required=True)
_FILTER: Final = Parameter("filter", "As in the filter box: `route:/v1 status:5xx slow:>2s`.")
_LIMIT: Final = Parameter(
    "limit", "At most so many, 100 by default, 500 at most.", {"type": "integer", "minimum": 0}
)
_SPAN: Final = Parameter(
    "span", "Seconds back from now, 300 by default.",
    {"type": "number", "minimum": 1, "maximum": o.LONGEST_SPAN},
)  # fmt: skip
_STEP: Final = Parameter(
    "step", "Seconds that are added up, 1 by default; no more than span.",
    {"type": "number", "minimum": 1, "maximum": o.LONGEST_STEP},
)  # fmt: skip
_PURGED: Final = (
    Parameter(
        "path",
        "Of requests for this path, whatever their query: as the log shows it (`/a%20b`), escaped "
        "once more for a URL (`/a%2520b`), or with a blank. One of the three is needed.",
        _FILLED,
    ),
    Parameter("tag", "With this word in Cache-Tag or Surrogate-Key.", _FILLED),
    Parameter("route", "Of this route, as the log calls it.", _FILLED),
)

# fmt: off
_REQUEST: Final = (
    Parameter("url", "`http://HOST/PATH` or `/PATH`.", _FILLED, True),
    Parameter("method", "GET by default."),
    Parameter(
        "header", "`Name: value`; may be given again.",
        {"type": "array", "items": _FIELD},
    ),
)

OPERATIONS: Final = (
    Operation("GET", "/api/exchanges", "Calls that were slow or failed, and those in flight",
              o.exchanges, o.Exchanges, (_FILTER, _LIMIT), errors=(400,)),
    Operation("GET", "/api/exchanges/{id}", "One call: where its time went, in words and numbers",
              o.exchange, Call, (_ID,), errors=(404,)),
    Operation("POST", "/api/exchanges/{id}/cancel", "End a call in flight",
              o.cancel, Told, (_ID,), errors=(404,)),
    Operation("GET", "/api/history", "Counts, phases and histograms over time",
              o.history, o.Steps, (_SPAN, _STEP), errors=(400,)),
    Operation("GET", "/api/causes", "What is wrong now and since when, and what was",
              o.causes, o.Causes),
    Operation("POST", "/api/servers/drain", "Ask a server no more; what is in flight goes on",
              o.drain, Told, body=o.Server, errors=(400, 404, 409)),
    Operation("POST", "/api/servers/eject", "Ask a server no more for some seconds",
              o.eject, Told, body=o.Server, errors=(400, 404, 409)),
    Operation("POST", "/api/servers/restore", "Ask a server again",
              o.restore, Told, body=o.Server, errors=(400, 404)),
    Operation("DELETE", "/api/cache", "Remove stored replies: of a path, a tag or a route",
              purge, Purged, _PURGED, errors=(400,), goes_on=True),
    Operation("GET", "/api/configuration", "The options in force, without secrets",
              o.configuration, dict[str, Any]),
    Operation("POST", "/api/reload", "Read the configuration again, and use it if it is right",
              o.reload, o.Reloaded, errors=(404, 409)),
    Operation("GET", "/api/explain", "What would become of a request, and why",
              o.explain, o.Explained, _REQUEST, errors=(400,)),
    Operation("POST", "/api/drain", "Stop as on SIGTERM: what is in flight may finish",
              o.stop, Told, errors=(409,)),
    Operation("GET", "/api/log", "Least severity that standard error shows", o.level, o.Level),
    Operation("PUT", "/api/log", "Change it", o.level, o.Level, body=o.Level, errors=(400,)),
)
# fmt: on


def routes(seen: Observatory) -> Iterator[web.RouteDef]:
    """What serves them."""
    for each in OPERATIONS:
        yield web.route(each.method, each.path, partial(each.handler, seen))

    async def description(_: web.Request) -> web.Response:
        return answer(openapi())

    yield web.get("/", page)
    yield web.get("/api/openapi.json", description)
    yield web.get("/api/live", seen.live.serve)


def quit_routes(seen: Observatory) -> Iterator[web.RouteDef]:
    """Where ``[admin] quit`` asks for it; what jobs in Kubernetes know from other proxies."""
    yield web.post("/quitquitquit", partial(o.stop, seen))


def openapi() -> dict[str, Any]:
    """The description of all of it (OpenAPI 3.1)."""
    kinds = [Failed, *(k for each in OPERATIONS for k in (each.result, each.body) if k is not None)]
    schemas, components = msgspec.json.schema_components(
        kinds, ref_template="#/components/schemas/{name}"
    )
    known = {repr(kind): schema for kind, schema in zip(kinds, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for each in OPERATIONS:
        paths.setdefault(each.path, {})[each.method.lower()] = _described(each, known)
    paths["/api/state"] = {"get": _plain("state", "The state of everything")}
    for part in state(()):
        paths.setdefault(f"/api/{part}", {})["get"] = _plain(
            f"state_{part}", f"Of the state: {part}"
        )
    paths["/api/live"] = {"get": _plain("live", "The same, second by second", "text/event-stream")}
    paths["/api/live"]["get"]["responses"]["503"] = _json("A sentence", known[repr(Failed)])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "sidecar-proxy, the admin listener",
            "version": __version__,
            "description": "What changes something wants `Authorization: Bearer TOKEN` of "
            "`[admin] token_file`, unless the listener is on loopback.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _described(operation: Operation, known: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": operation.handler.__name__ + ("" if operation.method != "PUT" else "_set"),
        "summary": operation.summary,
        "parameters": [
            {
                "name": each.name,
                "in": "path" if f"{{{each.name}}}" in operation.path else "query",
                "required": each.required,
                "description": each.description,
                "schema": each.schema,
            }
            for each in operation.parameters
        ],
        "responses": {"200": _json("What was asked for", known[repr(operation.result)])},
    }
    if operation.goes_on:
        told["responses"]["202"] = _json("It goes on", known[repr(operation.result)])
    for status in operation.errors:
        told["responses"][str(status)] = _json("A sentence", known[repr(Failed)])
    if operation.body is not None:
        content = {"application/json": {"schema": known[repr(operation.body)]}}
        told["requestBody"] = {"required": True, "content": content}
        told["responses"]["413"] = _text("The body is longer than 1 MiB")
    told["responses"]["403"] = _FOREIGN
    if operation.method != "GET":
        told["security"] = [{}, {"token": []}]
        told["responses"]["401"] = _text("The token is missing or wrong")
    return told


def _text(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"text/plain": {"schema": {"type": "string"}}}}


_FOREIGN: Final = _text("It comes by a name that is not ours, from a page, or may not change this")


def _json(description: str, schema: Any) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _plain(name: str, summary: str, kind: str = "application/json") -> dict[str, Any]:
    content = {kind: {"schema": {} if kind == "application/json" else {"type": "string"}}}
    return {
        "operationId": name,
        "summary": summary,
        "responses": {"200": {"description": summary, "content": content}, "403": _FOREIGN},
    }
