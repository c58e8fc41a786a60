"""Headless Chromium, a page, and what the page reports; the server of all of it."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import pytest
from aiohttp import web

from tests.support.proxy import proxied
from tests.support.relay import Relay

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
chromium_wanted = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

_PAGE = """<!doctype html><script>
const now = () => performance.timeOrigin + performance.now();
const tell = what => fetch("/told", {method: "POST", body: JSON.stringify(what)});
(async () => { %s })().catch(error => tell({failed: String(error)}));
</script>"""


@contextlib.asynccontextmanager
async def chromium(url: str) -> AsyncIterator[None]:
    """A browser that shows this page, and is gone afterwards with all of its processes."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        process = await asyncio.create_subprocess_exec(
            CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-dev-shm-usage", "--disable-background-networking", "--no-proxy-server",
            f"--user-data-dir={home}", url,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # a session of its own: all of its children
            await process.wait()


async def shown(
    script: str, handlers: dict[str, Handler], *, relay: Relay | None = None, **tables: Any
) -> Any:
    """What the page says with ``tell`` when it ran ``script`` behind the proxy.

    ``relay``: the road that the browser takes to it.
    """
    told: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=_PAGE % script, content_type="text/html")

    async def tell(request: web.Request) -> web.Response:
        if not told.done():
            told.set_result(json.loads(await request.text()))
        return web.Response()

    app = web.Application(client_max_size=1 << 24)
    app.router.add_get("/", page)
    app.router.add_post("/told", tell)
    for path, handler in handlers.items():
        app.router.add_get(path, handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        async with (
            proxied(f"http://127.0.0.1:{port}", **tables) as proxy,
            (relay or Relay()).to(proxy.runtime.http[0]) as road,
            asyncio.timeout(60),
            chromium(f"http://{proxy.runtime.http[0] if relay is None else road.address}/"),
        ):
            return await told
    finally:
        await runner.cleanup()
