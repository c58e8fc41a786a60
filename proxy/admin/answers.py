"""Answers of the admin API: JSON, never kept by anybody."""

from typing import Any, Final

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


def answer(value: Any, status: int = 200) -> web.Response:
    """A value as JSON."""
    return raw(msgspec.json.encode(value), status)


def raw(body: bytes, status: int = 200) -> web.Response:
    """JSON that is written already."""
    return web.Response(body=body, status=status, content_type="application/json", headers=FIELDS)


def failed(why: str, status: int) -> web.Response:
    """A sentence."""
    return answer(Failed(why), status)
