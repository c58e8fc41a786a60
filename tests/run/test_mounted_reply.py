"""A client has one reply to a request, whatever the application around the proxy answers."""

import asyncio
import contextlib
from typing import Any

import pytest
from aiohttp import web

from proxy import create_app
from tests.support.client import RawClient
from tests.support.message import get
from tests.support.mounted import OK, served, tables
from tests.support.upstream import RawUpstream


async def missing(request: web.Request, handler: Any) -> Any:
    answer = await handler(request)
    return web.json_response({}, status=404) if answer.status == 404 else answer


async def moving(request: web.Request, handler: Any) -> Any:
    if (await handler(request)).status == 404:
        raise web.HTTPFound("/own")


async def streaming(request: web.Request, handler: Any) -> Any:
    answer = web.StreamResponse()
    if (await handler(request)).status == 404:
        with contextlib.suppress(ConnectionError):
            await answer.prepare(request)
        await answer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    return answer


async def filing(request: web.Request, handler: Any) -> Any:
    await handler(request)
    return web.FileResponse(__file__)


async def repeating(request: web.Request, handler: Any) -> Any:
    await handler(request)
    return await handler(request)


async def failing(request: web.Request, handler: Any) -> Any:
    await handler(request)
    raise RuntimeError


@pytest.mark.parametrize("late", [missing, moving, streaming, filing, repeating, failing])
async def test_a_client_never_has_a_second_reply(
    late: Any, caplog: pytest.LogCaptureFixture
) -> None:
    no = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"
    async with RawUpstream((no,)) as upstream:
        parent = web.Application(middlewares=[web.middleware(late)])
        parent.add_subapp("/api", create_app(tables(upstream)))
        async with served(parent) as address:
            for _ in range(2):
                async with await RawClient.connect(address) as client:
                    await client.send(get("/api/x") + get("/api/y"))
                    response = await client.receive()
                    assert (response.status, response.body) == (404, b"no")
                    assert await client.rest() == b""
        assert len(upstream.requests) == 2
    told = [record for record in caplog.records if record.name == "proxy.run.mounted_reply"]
    assert len(told) == (late is not failing)


async def test_a_reply_that_a_middleware_ends_is_never_whole() -> None:
    begun = asyncio.Event()

    @web.middleware
    async def impatient(request: web.Request, handler: Any) -> Any:
        serving = asyncio.ensure_future(handler(request))
        await begun.wait()
        serving.cancel()
        await asyncio.wait((serving,))
        return web.Response(text="too late", status=504)

    async with RawUpstream((b"HTTP/1.1 200 OK\r\n\r\nhello", "hold")) as upstream:
        parent = web.Application(middlewares=[impatient])
        parent.add_subapp("/api", create_app(tables(upstream)))
        async with served(parent) as address, await RawClient.connect(address) as client:
            await client.send(get("/api/x"))
            found = await client.read_until(b"hello\r\n")
            begun.set()
            assert b"504" not in found
            assert await client.closed() == "rst"


async def test_a_middleware_may_answer_what_has_had_no_reply() -> None:
    """A reply of 1xx is none."""
    told = asyncio.Event()

    @web.middleware
    async def impatient(request: web.Request, handler: Any) -> Any:
        serving = asyncio.ensure_future(handler(request))
        await told.wait()
        serving.cancel()
        await asyncio.wait((serving,))
        return web.Response(text="too late", status=504)

    async with RawUpstream((b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", "hold")) as upstream:
        parent = web.Application(middlewares=[impatient])
        parent.add_subapp("/api", create_app(tables(upstream)))
        async with served(parent) as address, await RawClient.connect(address) as client:
            await client.send(get("/api/x"))
            assert b" 103 " in await client.read_until(b"\r\n\r\n")
            told.set()
            assert (await client.receive()).status == 504


async def test_a_reply_of_the_proxy_is_one_that_was_prepared() -> None:
    seen = []

    @web.middleware
    async def watch(request: web.Request, handler: Any) -> Any:
        answer = await handler(request)
        answer.headers["X-Mine"] = "1"
        seen.append(answer.prepared)
        with pytest.raises(AssertionError):
            answer.set_status(200)
        with pytest.raises(RuntimeError):
            await answer.write(b"x")
        return answer

    async with RawUpstream((OK,)) as upstream:
        parent = web.Application(middlewares=[watch])
        parent.add_subapp("/api", create_app(tables(upstream)))
        async with served(parent) as address, await RawClient.connect(address) as client:
            for _ in range(2):
                assert (await client.ask(get("/api/x"))).value("X-Mine") is None
    assert seen == [True, True]
