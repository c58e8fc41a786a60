"""``proxy.create_app``: the proxy as an application of aiohttp, on its own or in another one."""

import asyncio
import contextlib
import logging
import subprocess
import sys
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from proxy import create_app
from proxy.config.load import ConfigError
from tests.support.client import RawClient
from tests.support.message import get, post
from tests.support.mounted import OK, mounted, served, tables
from tests.support.process import PATIENCE
from tests.support.upstream import RawUpstream


@pytest.mark.parametrize("prefix", ["", "/api", "/a/b"])
async def test_requests_go_through_byte_for_byte(prefix: str) -> None:
    async with (
        RawUpstream(("wait-body", OK)) as upstream,
        served(mounted(tables(upstream), prefix)) as address,
        await RawClient.connect(address) as client,
    ):
        for target in ("/x%2Fy//z;a?q=%41&&", "/", "/?", "/a%0Ab", "/%0D%0A"):
            head = await client.ask(
                post(b"hello", f"{prefix}{target}", b"X-odd: 1\r\nx-Odd: 2\r\n")
            )
            assert (head.status, head.body) == (200, b"ok")
            assert b"x-Odd: 1" in head.head.lines
            assert not head.head.values("Server")
            asked = upstream.requests[-1]
            assert asked.line == f"POST {target} HTTP/1.1".encode()
            assert asked.head.lines.index(b"X-odd: 1") + 1 == asked.head.lines.index(b"x-Odd: 2")
            assert asked.head.value("X-Forwarded-For") == b"127.0.0.1"
            assert asked.body == b"hello"
        assert len(upstream.connections) == 1


async def test_the_application_around_it_keeps_its_own_paths() -> None:
    async with (
        RawUpstream() as upstream,
        served(mounted(tables(upstream), "/api")) as address,
        await RawClient.connect(address) as client,
    ):
        assert (await client.ask(get("/own"))).body == b"its own"
        assert (await client.ask(get("/api"))).status == 200
        assert upstream.requests[0].line == b"GET / HTTP/1.1"
        assert (await client.ask(get("/apiary"))).status == 404
        assert len(upstream.requests) == 1


async def test_it_can_be_started_again_deep_in_another_and_beside_one() -> None:
    async with RawUpstream((OK,)) as upstream:
        inner, parent = web.Application(), web.Application()
        inner.add_subapp("/in", create_app(tables(upstream)))
        parent.add_subapp("/out", inner)
        parent.add_subapp("/b", create_app(tables(upstream)))
        for _ in range(2):
            async with served(parent) as address, await RawClient.connect(address) as client:
                for path in ("/out/in/x", "/b/x"):
                    assert (await client.ask(get(path))).status == 200
        assert [request.line for request in upstream.requests] == [b"GET /x HTTP/1.1"] * 4


async def test_a_redirect_leads_back_below_the_path() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: /new\r\nContent-Length: 0\r\n\r\n"
    async with (
        RawUpstream((moved,)) as upstream,
        served(mounted(tables(upstream), "/api")) as address,
        await RawClient.connect(address) as client,
    ):
        response = await client.ask(get("/api/old"))
        assert response.value("Location") == b"/api/new"


async def test_routes_and_statuses_are_those_of_the_configuration() -> None:
    async with RawUpstream() as upstream:
        config = tables(upstream, routes=[{"path": "/v1", "upstream": "api", "methods": ["GET"]}])
        async with served(mounted(config, "/api")) as address:
            for data, status in (
                (get("/api/v1/x"), 200),
                (get("/api/v2"), 404),
                (post(b"x", "/api/v1"), 405),
            ):
                async with await RawClient.connect(address) as client:
                    response = await client.ask(data)
                    assert response.status == status
                    if status != 200:
                        assert response.value("Proxy-Status")


async def test_a_client_that_leaves_ends_its_request_at_once() -> None:
    async with (
        RawUpstream(("hold",)) as upstream,
        served(mounted(tables(upstream), "/api")) as address,
    ):
        for data in (get("/api/x"), post(b"hello", "/api/x")):
            client = await RawClient.connect(address)
            await client.send(data)
            async with asyncio.timeout(PATIENCE):
                while not upstream.requests:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                client.close()
                await upstream.connections[-1].closed.wait()
            upstream.requests.clear()


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
@pytest.mark.parametrize(
    "head", [b"Content-Length: 10\r\n", b"Transfer-Encoding: chunked\r\n", b""]
)
async def test_a_reply_that_is_cut_short_is_never_whole(version: bytes, head: bytes) -> None:
    begun = b"5\r\nhello\r\n" if b"chunked" in head else b"hello"
    script = (b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + begun, 0.05, "rst")
    async with (
        RawUpstream(script) as upstream,
        served(mounted(tables(upstream, retry=False), "/api")) as address,
        await RawClient.connect(address) as client,
    ):
        await client.send(get("/api").replace(b"HTTP/1.1", b"HTTP/" + version))
        response = await client.receive()
        assert response.ended in ("fin-short", "rst")


async def test_middlewares_and_the_access_log_around_it_know_what_was_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    moved = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"
    stream = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    seen = []

    @web.middleware
    async def watch(request: web.Request, handler: Any) -> web.StreamResponse:
        answer: web.StreamResponse = await handler(request)
        seen.append(answer.status)
        return answer

    async with RawUpstream((moved,), (stream,)) as upstream:
        routes = [{"path": "/v1", "upstream": "api"}]
        parent = web.Application(middlewares=[watch])
        parent.add_subapp("/api", create_app(tables(upstream, routes=routes)))
        log = logging.getLogger("tests.mounted")
        with caplog.at_level(logging.INFO, log.name):
            async with (
                served(parent, access_log=log, access_log_format="%s %b") as address,
                await RawClient.connect(address) as client,
            ):
                for target, status in (("/v1/a", 404), ("/v1/b", 201), ("/v2", 404)):
                    assert (await client.ask(get(f"/api{target}"))).status == status
    assert seen == [404, 201, 404]
    lines = [record.getMessage().split() for record in caplog.records if record.name == log.name]
    assert [status for status, _ in lines] == ["404", "201", "404"]
    assert all(int(size) > 50 for _, size in lines)


async def test_a_stream_comes_as_it_is_sent() -> None:
    go = asyncio.Event()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    async with (
        RawUpstream((head, b"data: 1\n\n", go, b"data: 2\n\n", "fin")) as upstream,
        served(mounted(tables(upstream), "/api")) as (host, port),
        aiohttp.ClientSession() as session,
        session.get(f"http://{host}:{port}/api") as response,
    ):
        assert await response.content.readuntil(b"\n\n") == b"data: 1\n\n"
        go.set()
        assert await response.content.read() == b"data: 2\n\n"


async def test_websockets_go_through() -> None:
    async def echo(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(f"{message.data}!")
        return socket

    behind = web.Application()
    behind.router.add_get("/ws", echo)
    async with served(behind) as (host, port):
        config = {"upstreams": [{"name": "a", "servers": [f"http://{host}:{port}"]}]}
        async with (
            served(mounted(config, "/api")) as (front, number),
            aiohttp.ClientSession() as session,
            session.ws_connect(f"http://{front}:{number}/api/ws") as socket,
        ):
            for word in ("a", "b" * 300_000):
                await socket.send_str(word)
                async with asyncio.timeout(PATIENCE):
                    assert (await socket.receive()).data == f"{word}!"


async def test_a_stop_tells_websockets_and_lets_requests_finish() -> None:
    async def talk(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data)
        return socket

    behind = web.Application()
    behind.router.add_get("/ws", talk)
    go = asyncio.Event()
    async with served(behind) as (host, port), RawUpstream((go, OK)) as slow:
        upstreams = [
            {"name": "ws", "servers": [f"http://{host}:{port}"]},
            {"name": "slow", "servers": [slow.url]},
        ]
        routes = [{"path": f"/{name}", "upstream": name} for name in ("ws", "slow")]
        app = mounted({"upstreams": upstreams, "routes": routes}, "/api")
        async with contextlib.AsyncExitStack() as running, aiohttp.ClientSession() as session:
            front, number = await running.enter_async_context(served(app))
            client = await RawClient.connect((front, number))
            await client.send(get("/api/slow"))
            async with session.ws_connect(f"http://{front}:{number}/api/ws") as socket:
                await socket.send_str("a")
                await socket.receive_str(timeout=PATIENCE)
                await slow.until(lambda: slow.requests)
                stopping = asyncio.ensure_future(running.aclose())
                told = await socket.receive(timeout=PATIENCE)
                assert (told.type, told.data) == (aiohttp.WSMsgType.CLOSE, 1001)
            go.set()
            response = await client.receive()
            assert (response.status, response.body) == (200, b"ok")
            assert response.value("Connection") == b"close"
            client.close()
            await stopping


async def test_a_stop_cuts_what_outlasts_the_grace_period() -> None:
    stream = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"
    async with RawUpstream((stream, "hold")) as upstream:
        config = tables(upstream, shutdown={"grace_period": "50ms", "delay": "1h"})
        app = mounted(config, "/api")
        async with contextlib.AsyncExitStack() as running:
            address = await running.enter_async_context(served(app, shutdown_timeout=3600))
            async with await RawClient.connect(address) as client:
                await client.send(get("/api/x"))
                await client.read_until(b"data: 1\n\n\r\n")
                async with asyncio.timeout(PATIENCE):
                    await running.aclose()
                assert await client.closed() == "rst"


def test_a_wrong_configuration_says_all_its_problems() -> None:
    with pytest.raises(ConfigError) as caught:
        create_app({"upstreams": [{"name": "a", "servers": ["nonsense"]}], "retry": {"atempts": 1}})
    assert "upstreams[0].servers[0]: " in str(caught.value)
    assert "retry.atempts: unknown option, did you mean 'attempts'?" in str(caught.value)


THREADS = """
import sys, threading, proxy
sys.setswitchinterval(1e-6)
tables = {"upstreams": [{"name": "a", "servers": ["http://127.0.0.1:1"]}]}
made = []
threads = [
    threading.Thread(target=lambda: made.append(proxy.create_app(tables))) for _ in range(8)
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(made))
"""


def test_threads_may_make_their_first_ones_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", THREADS],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert done.stdout.split() == ["8"], done.stderr
