"""A client has one reply to a request, whatever the application around the proxy answers."""

import asyncio
import contextlib
import gc
import logging
import socket
import weakref
from typing import Any

import pytest
import uvloop
from aiohttp import web

from proxy import create_app
from proxy.run.mounted.reply import cut
from tests.support.client import RawClient
from tests.support.message import get
from tests.support.mounted import OK, served, tables
from tests.support.process import PATIENCE
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
    told = [record for record in caplog.records if record.name == "proxy.run.mounted.reply"]
    assert len(told) == (late is not failing)


async def test_a_client_that_leaves_is_seen_behind_a_clone_of_its_request() -> None:
    @web.middleware
    async def elsewhere(request: web.Request, handler: Any) -> Any:
        return await handler(request.clone(remote="192.0.2.1"))

    async with RawUpstream(("hold",)) as upstream:
        parent = web.Application(middlewares=[elsewhere])
        parent.add_subapp("/api", create_app(tables(upstream)))
        async with served(parent) as address, asyncio.timeout(PATIENCE):
            async with await RawClient.connect(address) as client:
                await client.send(get("/api/x"))
                await upstream.until(lambda: upstream.requests)
            await upstream.connections[-1].closed.wait()


async def test_requests_go_without_a_collector() -> None:
    seen: list[weakref.ref[web.Request]] = []

    @web.middleware
    async def watch(request: web.Request, handler: Any) -> Any:
        seen.append(weakref.ref(request))
        return await handler(request)

    async with RawUpstream((OK,)) as upstream:
        parent = web.Application(middlewares=[watch])
        parent.add_subapp("/api", create_app(tables(upstream)))
        gc.disable()
        try:
            async with served(parent) as address, await RawClient.connect(address) as client:
                for _ in range(3):
                    assert (await client.ask(get("/api/x"))).status == 200
                assert [reference() for reference in seen[:2]] == [None, None]
        finally:
            gc.enable()


def impatient(over: asyncio.Event) -> Any:
    """A middleware that ends what it called when its time is over, and answers itself."""

    @web.middleware
    async def answer(request: web.Request, handler: Any) -> Any:
        serving = asyncio.ensure_future(handler(request))
        await over.wait()
        serving.cancel()
        await asyncio.wait((serving,))
        return web.Response(text="too late", status=504)

    return answer


async def test_a_reply_that_a_middleware_ends_is_never_whole() -> None:
    begun = asyncio.Event()
    async with RawUpstream((b"HTTP/1.1 200 OK\r\n\r\nhello", "hold")) as upstream:
        parent = web.Application(middlewares=[impatient(begun)])
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
    async with RawUpstream((b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", "hold")) as upstream:
        parent = web.Application(middlewares=[impatient(told)])
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


@web.middleware
async def tidy(request: web.Request, handler: Any) -> Any:
    """It has an answer for whatever fails."""
    try:
        return await handler(request)
    except Exception:
        return web.Response(text="failed", status=500)


@pytest.mark.parametrize("middlewares", [(), (tidy,)])
async def test_a_client_that_leaves_a_reply_is_no_error(
    middlewares: Any, caplog: pytest.LogCaptureFixture
) -> None:
    large = (b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n", b"x" * 50_000_000)
    lines = logging.getLogger("tests.mounted")
    async with RawUpstream(large) as upstream:
        parent = web.Application(middlewares=middlewares)
        parent.add_subapp("/api", create_app(tables(upstream)))
        with caplog.at_level(logging.INFO, lines.name):
            async with served(parent, access_log=lines, access_log_format="%s") as address:
                for leave in (RawClient.close, RawClient.reset):
                    client = await RawClient.connect(address)
                    await client.send(get("/api/x"))
                    await client.exactly(300_000)
                    leave(client)
                    await upstream.connections[-1].closed.wait()
    assert [record.getMessage() for record in caplog.records if record.name == lines.name] == [
        "200",
        "200",
    ]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_second_reply_to_a_client_that_has_left_is_not_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done = asyncio.Event()

    @web.middleware
    async def instead(request: web.Request, handler: Any) -> Any:
        await handler(request)
        assert (await handler(request)).status == 499
        done.set()
        return web.Response(text="instead")

    async with RawUpstream((b"HTTP/1.1 200 OK\r\n\r\nhello", "hold")) as upstream:
        parent = web.Application(middlewares=[instead])
        parent.add_subapp("/api", create_app(tables(upstream)))
        async with served(parent) as address:
            async with await RawClient.connect(address) as client:
                await client.send(get("/api/x"))
                await client.read_until(b"hello\r\n")
            async with asyncio.timeout(PATIENCE):
                await done.wait()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_connection_that_has_been_closed_can_be_cut(loop: str) -> None:
    async def run() -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            transport, _ = await asyncio.get_running_loop().create_connection(
                asyncio.Protocol, sock=ours
            )
            cut(transport)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            cut(transport)

    factory = uvloop.new_event_loop if loop == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(run())


async def test_the_end_of_the_application_ends_the_grace_period() -> None:
    async with RawUpstream((b"HTTP/1.1 200 OK\r\n\r\nhello", "hold")) as upstream:
        app = create_app(tables(upstream, shutdown={"grace_period": "1h"}))
        parent = web.Application()
        parent.router.add_get("/", next(iter(app.router.routes())).handler)
        app.freeze()
        await app.startup()
        async with served(parent) as address, await RawClient.connect(address) as client:
            await client.send(get("/"))
            await client.read_until(b"hello\r\n")
            async with asyncio.timeout(PATIENCE):
                await app.shutdown()
                await app.cleanup()
            assert await client.closed() == "rst"
