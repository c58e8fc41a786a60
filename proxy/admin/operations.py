"""What the operations of the admin API do; ``admin/api`` has the table of them."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final, Literal

import msgspec
from aiohttp import web

from proxy.admin import stopping, targets
from proxy.admin.answers import Told, answer, failed, number, raw, sent
from proxy.admin.filter import parse
from proxy.admin.observatory import Observatory
from proxy.telemetry.call import Call
from proxy.telemetry.episodes import Episode
from proxy.telemetry.phases import NAMES
from proxy.telemetry.second import Event

LONGEST_STEP: Final = 3600
LONGEST_SPAN: Final = 86400
_UP_TO_A_DAY: Final = {"minimum": 0, "maximum": LONGEST_SPAN}
_MOST: Final = 500
_SERVER: Final = '{"upstream": "api", "server": "http://10.0.0.1:9000"}, and maybe "seconds": 60'
_LEVEL: Final = '{"level": L}, where L is "debug", "info", "warning" or "error"'
_SHORT: Final = 600.0
"""Seconds that are added up within a few milliseconds; more would hold up the loop."""


class Exchanges(msgspec.Struct):
    """Calls, the newest first."""

    in_flight: list[Call]
    exchanges: list[Call]


class Steps(msgspec.Struct):
    """What happened over time."""

    step: float
    """Seconds from one to the next."""
    phases: list[str]
    """Names of the phases, in the order of their numbers."""
    series: list[list[str]]
    """Route, upstream and server, in the order of their numbers."""
    steps: list[dict[str, Any]]
    """As ``telemetry/history`` gives them."""
    started: float
    """When the proxy was started, in seconds since 1970."""
    size: int
    """Bytes that are kept of all of it."""


class Causes(msgspec.Struct):
    """What is wrong, and what was."""

    at: float
    """The end of the last second that is known, in seconds since 1970."""
    now: list[Episode]
    """What goes on, that with most calls first. ``last`` says when such a call was seen last."""
    before: list[Episode]
    """What has ended, the latest first."""
    events: list[Event]
    """Changes of state, the latest first."""


class Server(msgspec.Struct, forbid_unknown_fields=True):
    """Which server, and for how long."""

    upstream: str
    server: str
    """Its address, as ``/api/upstreams`` gives it."""
    seconds: Annotated[float, msgspec.Meta(extra_json_schema=_UP_TO_A_DAY)] = 0.0
    """With eject: when it is restored by itself; 0: never."""


class Level(msgspec.Struct, forbid_unknown_fields=True):
    """Least severity that standard error shows."""

    level: Literal["debug", "info", "warning", "error"]


async def exchanges(seen: Observatory, request: web.Request) -> web.StreamResponse:
    """The slow and the failed, and those in flight."""
    try:
        accepts = parse(request.query.get("filter", ""))
        limit = min(number(request, "limit", 100), _MOST)
        if limit < 0:
            raise ValueError("limit: expected a number, 0 or more")
    except ValueError as error:
        return failed(str(error), 400)
    flying = [call for call in await seen.in_flight() if accepts(call)]
    kept = _accepted(seen.history.calls(), accepts, limit)
    return answer(Exchanges(flying, kept))


def _accepted(calls: Iterable[bytes], accepts: Callable[[Call], bool], limit: int) -> list[Call]:
    found: list[Call] = []
    for each in calls:
        if len(found) >= limit:
            break
        call = _call(each)
        if accepts(call):
            found.append(call)
    return found


_call: Final = msgspec.json.Decoder(Call).decode


async def exchange(seen: Observatory, request: web.Request) -> web.StreamResponse:
    """One of them."""
    wanted = request.match_info["id"]
    for each in seen.history.calls():
        if wanted.encode() in each and _call(each).id == wanted:
            return raw(each)
    for call in await seen.in_flight():
        if call.id == wanted:
            return answer(call)
    return failed(f"no exchange {wanted!r} is in flight, and it was neither slow nor failed", 404)


async def cancel(seen: Observatory, request: web.Request) -> web.StreamResponse:
    """End one in flight."""
    wanted = request.match_info["id"]
    if await seen.any("cancel", request_id=wanted):
        return answer(Told(f"{wanted} was ended"))
    return failed(f"no exchange {wanted!r} is in flight", 404)


async def history(seen: Observatory, request: web.Request) -> web.StreamResponse:
    """Sums over time."""
    try:
        span = number(request, "span", 300.0)
        step = number(request, "step", 1.0)
        if not (1 <= step <= LONGEST_STEP and step <= span <= LONGEST_SPAN):
            expected = f"1 <= step <= {LONGEST_STEP}, and step <= span <= {LONGEST_SPAN}"
            raise ValueError(f"expected {expected}")
    except ValueError as error:
        return failed(str(error), 400)
    return answer(await steps(seen, span, step))


async def steps(seen: Observatory, span: float, step: float) -> Steps:
    """The last ``span`` seconds, in steps."""
    known = seen.history
    if span > _SHORT:
        found = await asyncio.to_thread(known.between, known.at - span, step)
    else:
        found = known.between(known.at - span, step)
    series = [list(each) for each in known.series]
    return Steps(step, list(NAMES), series, found, known.started, known.size)


async def causes(seen: Observatory, _: web.Request) -> web.StreamResponse:
    """What is wrong since when."""
    known = seen.history
    before = list(known.episodes.ended)[::-1]
    return answer(Causes(known.at, known.episodes.now(), before, list(known.events)[::-1]))


async def configuration(seen: Observatory, _: web.Request) -> web.StreamResponse:
    """The options in force."""
    return answer(await seen.any("configuration"))


async def drain(seen: Observatory, request: web.Request) -> web.StreamResponse:
    """Withdraw a server."""
    return await _change("drain", seen, request)


async def eject(seen: Observatory, request: web.Request) -> web.StreamResponse:
    """Withdraw a server for some time."""
    return await _change("eject", seen, request)


async def restore(seen: Observatory, request: web.Request) -> web.StreamResponse:
    """Ask a server again."""
    return await _change("restore", seen, request)


class Reloaded(msgspec.Struct, forbid_unknown_fields=True):
    """What became of a reload; with 409 where nothing has changed."""

    reloaded: bool
    message: str
    """All of it in words."""
    at: str
    """When it ended."""
    problems: list[str]
    """What speaks against the configuration; warnings where it is used."""
    added: list[str] = []
    changed: list[str] = []
    removed: list[str] = []
    kept: list[str] = []
    restart: list[str] = []
    """What will be other after a restart only."""


async def reload(seen: Observatory, _: web.Request) -> web.StreamResponse:
    """Read the configuration again."""
    try:
        told = Reloaded(**await seen.any("reload"))
    except ValueError:
        return failed("there is no configuration that could be read again", 404)
    return answer(told, 200 if told.reloaded else 409)


async def _change(action: str, seen: Observatory, request: web.Request) -> web.StreamResponse:
    try:
        wanted = await sent(request, Server, _SERVER)
        if not 0 <= wanted.seconds <= LONGEST_SPAN:
            raise ValueError(f"seconds: expected 0 to {LONGEST_SPAN}")
    except ValueError as error:
        return failed(str(error), 400)
    try:
        done = await seen.any(
            "change_server",
            keep=f"server {wanted.upstream} {wanted.server}",
            action=action,
            upstream=wanted.upstream,
            server=wanted.server,
            seconds=wanted.seconds if action == "eject" else 0.0,
        )
    except ValueError as error:
        return failed(str(error), 409)
    if done is None:
        return failed(f"upstream {wanted.upstream!r} has no server {wanted.server!r}", 404)
    return answer(Told(done))


class Explained(msgspec.Struct):
    """What would become of a request."""

    lines: list[str]


async def explain(seen: Observatory, request: web.Request) -> web.StreamResponse:
    """What would become of a request."""
    query = request.query
    parts = [header.partition(":") for header in query.getall("header", [])]
    try:
        if not all(colon for _, colon, _ in parts):
            raise ValueError("header: expected NAME:VALUE, as in X-Tenant:acme")
        if not query.get("url"):
            raise ValueError("url: expected http://HOST/PATH or /PATH")
        lines = await seen.any(
            "explain",
            method=query.get("method", "GET"),
            url=targets.url(request),
            fields=[[name.strip(), value.strip()] for name, _, value in parts],
        )
    except ValueError as error:
        return failed(str(error), 400)
    return answer(Explained(lines))


async def stop(seen: Observatory, request: web.Request) -> web.StreamResponse:
    """Stop as on SIGTERM, which this process is sent: the parent too, where there are workers."""
    if not seen.source.ready:
        return failed("it is stopping already, or not ready yet", 409)
    flying = len(await seen.in_flight())
    # The answer is written first. A second signal would cut what is in flight.
    if not seen.stopping:
        seen.stopping = True
        stopping.stop(f"{request.method} {request.path}")
    return answer(Told(f"stopping; requests in flight: {flying}"))


async def level(seen: Observatory, request: web.Request) -> web.StreamResponse:
    """Say or set what standard error shows."""
    if request.method == "PUT":
        try:
            wanted = await sent(request, Level, _LEVEL)
        except ValueError as error:
            return failed(str(error), 400)
        return answer({"level": await seen.any("log_level", keep="log", level=wanted.level)})
    return answer({"level": await seen.any("log_level")})
