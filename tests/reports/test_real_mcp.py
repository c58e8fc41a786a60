"""MCP through the proxy, by its own client and server: both JSON and events, as they like.

With ``heartbeat`` a stream was opened where JSON came, for its clients accept both alike.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.support.libraries import LONG, library, url
from tests.support.proxy import proxied

pytestmark = pytest.mark.filterwarnings("default")


@contextlib.asynccontextmanager
async def tools(*, json_response: bool, stateless: bool = False) -> AsyncIterator[str]:
    """A server of MCP that has one slow tool."""
    server = library("mcp.server.mcpserver")
    uvicorn = library("uvicorn")
    mcp = server.MCPServer("slow")

    @mcp.tool()  # type: ignore[untyped-decorator]
    async def think(seconds: float) -> str:
        """Think."""
        await asyncio.sleep(seconds)
        return "thought"

    app = mcp.streamable_http_app(json_response=json_response, stateless_http=stateless)
    config = uvicorn.Config(app, port=0, log_level="error", lifespan="on", ws="none")
    running = uvicorn.Server(config)
    task = asyncio.create_task(running.serve())
    try:
        async with asyncio.timeout(LONG):
            while not running.started:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    finally:
        running.should_exit = running.force_exit = True
        await task


@pytest.mark.parametrize("json_response", [True, False])
@pytest.mark.parametrize("stateless", [True, False])
async def test_mcp_works_with_heartbeats(*, json_response: bool, stateless: bool) -> None:
    mcp = library("mcp")
    async with (
        tools(json_response=json_response, stateless=stateless) as address,
        proxied(address, stream={"heartbeat": "50ms", "on_error": "event"}) as proxy,
        mcp.Client(url(proxy, "/mcp")) as client,
    ):
        answer = await asyncio.wait_for(client.call_tool("think", {"seconds": 0.4}), LONG)
        assert answer.content[0].text == "thought"
