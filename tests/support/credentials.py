"""Upstreams that ask for credentials, and servers that give tokens."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from proxy.admin.state import state
from tests.support.proxy import Proxy
from tests.support.upstream import PATIENCE, Connection, RawUpstream, Request

SECRET = "a secret/with+signs"


def answer(status: int, body: bytes = b"", fields: bytes = b"") -> bytes:
    head = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n%b\r\n" % (status, len(body), fields)
    return head + body


def token(value: str, **fields: Any) -> bytes:
    return answer(
        200, json.dumps({"access_token": value, "token_type": "Bearer", **fields}).encode()
    )


def takes(*accepted: bytes, field: str = "Authorization", status: int = 401) -> Any:
    """An upstream that answers 200 to these values, else with this status."""

    async def judge(connection: Connection, request: Request) -> None:
        good = request.head.value(field) in accepted
        await connection.send(answer(200 if good else status, request.body))

    return ("wait-body", judge)


def shown(upstream: RawUpstream, field: str = "Authorization") -> list[bytes | None]:
    return [request.head.value(field) for request in upstream.requests]


def turn(path: Path, text: str) -> None:
    """Another file under the same name, at once."""
    (path.parent / "new").write_text(text)
    os.replace(path.parent / "new", path)


async def until(happens: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await happens():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def oauth2(tmp_path: Path, server: RawUpstream, **more: Any) -> dict[str, Any]:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    table = {
        "token_url": f"{server.url}/oauth2/token?tenant=a",
        "client_id": "side:car",
        "client_secret_file": str(tmp_path / "secret"),
        **more,
    }
    return {"upstream_options": {"credentials": {"oauth2": table}}}


def told(proxy: Proxy) -> dict[str, Any]:
    """The rows of ``/api/state``, by name."""
    rows = state(proxy.runtime.describe())["credentials"]
    return {row["credentials"]: row for row in rows}
