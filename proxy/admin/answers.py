"""Answers of the admin API: JSON, never kept by anybody."""

from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

SERVER: Final = "sidecar-proxy"
"""The Server field of every answer: no versions, which only help who looks for their faults."""
FIELDS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Told(msgspec.Struct):
    """What was done, or why it was not."""

    message: str


class Failed(msgspec.Struct):
    """Why there is no answer."""

    error: str


T = TypeVar("T", bound=msgspec.Struct)
N = TypeVar("N", int, float)


async def sent(request: web.Request, kind: type[T], expected: str) -> T:
    """What the body of a request says. Raises ValueError with ``expected`` where it does not."""
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except (msgspec.MsgspecError, ValueError):
        raise ValueError(f"expected {expected}") from None


def number(request: web.Request, name: str, default: N) -> N:
    """One of the query, of the type of its default. Raises ValueError."""
    text = request.query.get(name, str(default))
    try:
        return type(default)(text)
    except ValueError:
        raise ValueError(f"{name}: expected a number, got {text!r}") from None


def answer(value: Any, status: int = 200) -> web.Response:
    """A value as JSON."""
    return raw(msgspec.json.encode(value), status)


def raw(body: bytes, status: int = 200) -> web.Response:
    """JSON that is written already."""
    return web.Response(body=body, status=status, content_type="application/json", headers=FIELDS)


def failed(why: str, status: int) -> web.Response:
    """A sentence."""
    return answer(Failed(why), status)
