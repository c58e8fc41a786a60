"""The endpoints of the demo API."""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from typing import Any, Final, NoReturn

from aiohttp import web

from proxy.core.size import Size

MAX_WAIT: Final = 600.0
MAX_EVENTS: Final = 100_000
MAX_BYTES: Final = 16 << 30
_BLOCK: Final = bytes(range(32, 96)) * 1024  # 64 KiB that can be recognised
_BODILESS: Final = (204, 205, 304)

Sleep = Callable[[float], Awaitable[object]]

ENDPOINTS: Final = {
    "/": "this list",
    "/slow?seconds=2": "answers after a wait",
    "/stream?events=5&interval=1": "server-sent events, one after the other",
    "/drip?seconds=2": "ten pieces of a body, spread over that time",
    "/bytes/1MiB": "that many bytes, of known length",
    "/status/503": "that status",
    "/flaky": "fails every other time: 503 with Retry-After",
    "/cut?after=100000": "declares more than it sends, then closes the connection",
    "/echo": "what arrived: method, target, header fields, length of the body",
    "/echo/body": "the body that arrived, as it arrives",
    "/never": "accepts the request and says nothing",
    "/headers": "the header fields that arrived; the reply repeats some of its own",
}


def application(sleep: Sleep = asyncio.sleep) -> web.Application:
    """The demo API; ``sleep`` is how it waits."""
    api = _Api(sleep)
    app = web.Application()
    app.add_routes(
        [
            web.get("/", api.index),
            web.get("/slow", api.slow),
            web.get("/stream", api.stream),
            web.get("/drip", api.drip),
            web.get("/bytes/{size}", api.bytes),
            web.route("*", "/status/{status}", api.status),
            web.route("*", "/flaky", api.flaky),
            web.get("/cut", api.cut),
            web.route("*", "/echo", api.echo),
            web.route("*", "/echo/body", api.echo_body),
            web.route("*", "/never", api.never),
            web.route("*", "/headers", api.headers),
        ]
    )
    return app


class _Api:
    __slots__ = ("_calls", "_sleep")

    def __init__(self, sleep: Sleep) -> None:
        self._sleep = sleep
        self._calls = 0  # of /flaky

    async def index(self, _request: web.Request) -> web.Response:
        lines = (json.dumps({"path": path, "does": does}) for path, does in ENDPOINTS.items())
        return _json_text("[\n  " + ",\n  ".join(lines) + "\n]")

    async def slow(self, request: web.Request) -> web.Response:
        waited = _number(request, "seconds", 2, MAX_WAIT)
        await self._sleep(waited)
        return _json({"waited": waited})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        events = int(_number(request, "events", 5, MAX_EVENTS))
        interval = _number(request, "interval", 1, MAX_WAIT)
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        )
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        for number in range(1, events + 1):
            if number > 1:
                await self._sleep(interval)
            event = f'id: {number}\nevent: tick\ndata: {{"number": {number}, "of": {events}}}\n\n'
            await response.write(event.encode())
        return response

    async def drip(self, request: web.Request) -> web.StreamResponse:
        pause = _number(request, "seconds", 2, MAX_WAIT) / 10
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        response.content_length = 10 * 1024
        await response.prepare(request)
        for _ in range(10 if request.method == "GET" else 0):
            await response.write(_BLOCK[:1024])
            await self._sleep(pause)
        return response

    async def bytes(self, request: web.Request) -> web.StreamResponse:
        text = request.match_info["size"]
        try:
            length = int(text) if text.isdecimal() else Size.parse(text)
        except ValueError as error:
            _refuse(str(error))
        if length > MAX_BYTES:
            _refuse("that is too much")
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        response.content_length = length
        await response.prepare(request)
        if request.method == "GET":
            await _fill(response, length)
        return response

    async def status(self, request: web.Request) -> web.Response:
        text = request.match_info["status"]
        status = int(text) if text.isdecimal() else 0
        if not 200 <= status <= 599:
            _refuse("a status is a number from 200 to 599")
        if status in _BODILESS:
            return web.Response(status=status)
        return _json({"status": status}, status)

    async def flaky(self, _request: web.Request) -> web.Response:
        self._calls += 1
        if self._calls % 2:
            return _json({"call": self._calls, "ok": False}, 503, {"Retry-After": "1"})
        return _json({"call": self._calls, "ok": True})

    async def cut(self, request: web.Request) -> web.StreamResponse:
        after = int(_number(request, "after", 1000, MAX_BYTES))
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        response.content_length = after + 1000
        await response.prepare(request)
        if request.method == "GET":
            await _fill(response, after)
        if request.transport is not None:
            request.transport.close()  # what is buffered goes out first; abort() would drop it
        return response

    async def echo(self, request: web.Request) -> web.Response:
        length = 0
        async for chunk in request.content.iter_any():
            length += len(chunk)
        return _json(
            {
                "method": request.method,
                "target": request.raw_path,
                "headers": _fields(request),
                "body_length": length,
            }
        )

    async def echo_body(self, request: web.Request) -> web.StreamResponse:
        media = request.headers.get("Content-Type", "application/octet-stream")
        response = web.StreamResponse(headers={"Content-Type": media})
        if request.content_length is not None:
            response.content_length = request.content_length
        await response.prepare(request)
        async for chunk in request.content.iter_any():
            await response.write(chunk)
        return response

    async def never(self, _request: web.Request) -> NoReturn:
        await asyncio.get_running_loop().create_future()
        raise AssertionError("nobody sets it")

    async def headers(self, request: web.Request) -> web.Response:
        response = _json({"headers": _fields(request)})
        response.headers.add("X-Demo", "first")
        response.headers.add("X-Demo", "second")
        response.headers.add("Set-Cookie", "a=1")
        response.headers.add("Set-Cookie", "b=2")
        return response


async def _fill(response: web.StreamResponse, length: int) -> None:
    for _ in range(length // len(_BLOCK)):
        await response.write(_BLOCK)
    await response.write(_BLOCK[: length % len(_BLOCK)])


def _fields(request: web.Request) -> list[list[str]]:
    return [
        [name.decode("latin-1"), value.decode("latin-1")] for name, value in request.raw_headers
    ]


def _number(request: web.Request, name: str, default: float, limit: float) -> float:
    try:
        number = float(request.query.get(name, default))
    except ValueError:
        number = math.nan
    if not number >= 0:  # NaN too
        _refuse(f"{name} is a number, 0 or more")
    return min(number, limit)


def _json(what: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return _json_text(json.dumps(what), status, headers)


def _json_text(text: str, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        text=text + "\n", status=status, headers=headers, content_type="application/json"
    )


def _refuse(why: str) -> NoReturn:
    raise web.HTTPBadRequest(
        text=json.dumps({"error": why}) + "\n", content_type="application/json"
    )
