"""The admin API: what is served, what changes something, and what is described."""

import asyncio
import contextlib
import json
import logging
import signal
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from proxy.admin.api import OPERATIONS, openapi
from tests.support.client import Response, ask
from tests.support.message import get
from tests.support.proxy import Proxy, dialled, fronted, proxied
from tests.support.upstream import HEALTHY, RawUpstream, Script

ADMIN = {"listen": "127.0.0.1:0"}
HOLD: Script = [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123", "hold"]
SILENT: Script = ["hold"]
BUSY: Script = ["wait-body", b"HTTP/1.1 500 Busy\r\nContent-Length: 4\r\n\r\nbusy"]


def request(method: str, path: str, body: Any = None, *lines: str) -> bytes:
    data = b"" if body is None else json.dumps(body).encode()
    head = [f"{method} {path} HTTP/1.1", "Host: proxy.test", f"Content-Length: {len(data)}", *lines]
    return "\r\n".join([*head, "", ""]).encode() + data


async def call(proxy: Proxy, method: str, path: str, body: Any = None, *lines: str) -> Response:
    return await ask(proxy.admin, request(method, path, body, *lines))


async def told(proxy: Proxy, path: str) -> Any:
    response = await call(proxy, "GET", path)
    assert response.status == 200, response.body
    assert response.value("Cache-Control") == b"no-store"
    return json.loads(response.body)


async def until(proxy: Proxy, path: str, key: str) -> Any:
    """The answer, once there is something under this key."""
    async with asyncio.timeout(30):
        while not (found := await told(proxy, path))[key]:  # noqa: ASYNC110 - it is polled by design
            await asyncio.sleep(0.05)
    return found


async def test_a_call_that_failed_is_explained_by_its_id() -> None:
    async with fronted(BUSY, admin=ADMIN) as (upstream, proxy):
        assert (await proxy.ask(get())).status == 500
        [found] = (await until(proxy, "/api/exchanges", "exchanges"))["exchanges"]
        assert (found["status"], found["cause"], found["failed"]) == (500, "answer", True)
        assert f"api ({upstream.url.removeprefix('http://')}) answered 500" in found["why"]
        assert await told(proxy, f"/api/exchanges/{found['id']}") == found
        assert (await told(proxy, "/api/exchanges?filter=status:5xx"))["exchanges"] == [found]
        assert (await told(proxy, "/api/exchanges?filter=status:4xx"))["exchanges"] == []
        assert (await told(proxy, "/api/exchanges?limit=0"))["exchanges"] == []
        causes = await told(proxy, "/api/causes")
        [cause] = causes["now"]
        assert cause["last"] <= causes["at"] < cause["last"] + 60
        assert (cause["cause"], cause["number"], cause["example"]) == ("answer", 1, found["id"])
        history = await told(proxy, "/api/history?span=60&step=10")
        assert history["series"] == [["/", "api", upstream.url]]
        assert sum(row[2] for step in history["steps"] for row in step["rows"]) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/api/exchanges?filter=status:9",
        "/api/exchanges?limit=x",
        "/api/exchanges?limit=-1",
        "/api/history?span=x",
        "/api/history?span=10&step=0",
        "/api/history?span=nan",
        "/api/history?span=100000",
    ],
)
async def test_what_cannot_be_asked_for_is_said(path: str) -> None:
    async with fronted(admin=ADMIN) as (_, proxy):
        response = await call(proxy, "GET", path)
        assert response.status == 400
        assert "expected" in json.loads(response.body)["error"] or "x" in path


async def test_a_call_in_flight_can_be_ended() -> None:
    async with fronted(SILENT, admin=ADMIN) as (upstream, proxy):
        async with await proxy.connect() as client:
            await client.send(get())
            flying = (await until(proxy, "/api/exchanges", "in_flight"))["in_flight"]
            async with asyncio.timeout(30):
                while flying[0]["phase"] != "first_byte":
                    flying = (await told(proxy, "/api/exchanges"))["in_flight"]
            [found] = flying
            assert (await told(proxy, f"/api/exchanges/{found['id']}"))["id"] == found["id"]
            done = await call(proxy, "POST", f"/api/exchanges/{found['id']}/cancel")
            assert (done.status, json.loads(done.body)) == (
                200,
                {"message": f"{found['id']} was ended"},
            )
            answer = await client.receive()
            assert (answer.status, answer.value("Proxy-Status")) == (
                503,
                b"sidecar-proxy; error=http_request_denied",
            )
            await upstream.until(upstream.connections[0].closed.is_set)
            assert (await proxy.record()).error == "http_request_denied"
        again = await call(proxy, "POST", f"/api/exchanges/{found['id']}/cancel")
        assert again.status == 404


async def test_a_connection_goes_on_after_one_of_its_calls_was_ended() -> None:
    async with dialled(SILENT, HEALTHY, admin=ADMIN) as (_, proxy, client):
        await client.send(get())
        [found] = (await until(proxy, "/api/exchanges", "in_flight"))["in_flight"]
        await call(proxy, "POST", f"/api/exchanges/{found['id']}/cancel")
        assert (await client.receive()).status == 503
        await client.send(get())
        assert (await client.receive()).status == 200


async def test_a_reply_that_has_begun_is_cut() -> None:
    async with dialled(HOLD, admin=ADMIN) as (_, proxy, client):
        await client.send(get())
        await client.read_until(b"\r\n\r\n123")
        [found] = (await until(proxy, "/api/exchanges", "in_flight"))["in_flight"]
        assert (found["phase"], found["bytes_out"], found["length"]) == ("body", 3, 9)
        await call(proxy, "POST", f"/api/exchanges/{found['id']}/cancel")
        await client.closed()
        assert (await proxy.record()).error == "http_request_denied"


async def test_an_id_that_nobody_knows_is_not_found() -> None:
    async with fronted(admin=ADMIN) as (_, proxy):
        assert (await call(proxy, "GET", "/api/exchanges/nobody")).status == 404
        assert (await call(proxy, "POST", "/api/exchanges/nobody/cancel")).status == 404


async def test_a_server_is_withdrawn_and_restored() -> None:
    async with RawUpstream() as a, RawUpstream() as b:
        options = {"servers": [a.url, b.url]}
        async with proxied(a, admin=ADMIN, upstream_options=options) as proxy:
            which = {"upstream": "api", "server": a.url}
            done = await call(proxy, "POST", "/api/servers/drain", which)
            assert json.loads(done.body)["message"] == f"{a.url} of api is asked no more"
            for _ in range(4):
                assert (await proxy.ask(get())).status == 200
            assert (len(a.connections), len(b.connections)) == (0, 1)
            assert await _withdrawn(proxy) == [True, False]
            await call(proxy, "POST", "/api/servers/restore", which)
            async with asyncio.timeout(30):
                while not a.connections:  # it is asked by chance, and less often at first
                    assert (await proxy.ask(get())).status == 200
            await call(proxy, "POST", "/api/servers/eject", which | {"seconds": 0.2})
            async with asyncio.timeout(30):
                while (await _withdrawn(proxy))[0]:  # noqa: ASYNC110 - it tells nobody
                    await asyncio.sleep(0.02)


async def _withdrawn(proxy: Proxy) -> list[bool]:
    response = await call(proxy, "GET", "/api/upstreams")
    return [each["withdrawn"] for each in json.loads(response.body)["api"]]


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"upstream": "api", "server": "http://nobody"}, 404, "no server 'http://nobody'"),
        ({"upstream": "b", "server": "http://nobody"}, 404, "upstream 'b' has no server"),
        ({"upstream": "api"}, 400, 'expected {"upstream": "api", "server": '),
        ({"upstream": 1, "server": "x"}, 400, 'expected {"upstream": "api", "server": '),
        ({"upstream": "api", "server": "x", "second": 1}, 400, "second"),
        ({"upstream": "api", "server": "x", "seconds": -1}, 400, "0 to 86400"),
        (None, 400, ""),
    ],
    ids=["server", "upstream", "missing", "type", "unknown", "negative", "nothing"],
)
async def test_what_cannot_be_done_to_a_server_is_said(body: Any, status: int, error: str) -> None:
    async with fronted(admin=ADMIN) as (_, proxy):
        response = await call(proxy, "POST", "/api/servers/drain", body)
        assert response.status == status
        assert error in json.loads(response.body)["error"]


async def test_the_only_server_is_not_withdrawn() -> None:
    async with fronted(admin=ADMIN) as (upstream, proxy):
        which = {"upstream": "api", "server": upstream.url}
        response = await call(proxy, "POST", "/api/servers/drain", which)
        assert response.status == 409
        assert "is the only server of api" in json.loads(response.body)["error"]


@contextlib.asynccontextmanager
async def _level_kept() -> AsyncIterator[None]:
    root = logging.getLogger()
    before = root.level
    try:
        yield
    finally:
        root.setLevel(before)


async def test_the_level_of_the_log_can_be_changed() -> None:
    async with _level_kept(), RawUpstream() as up, proxied(up, admin=ADMIN) as proxy:
        changed = await call(proxy, "PUT", "/api/log", {"level": "error"})
        assert json.loads(changed.body) == {"level": "error"}
        assert await told(proxy, "/api/log") == {"level": "error"}
        assert logging.getLogger().level == logging.ERROR
        refused = await call(proxy, "PUT", "/api/log", {"level": "loud"})
        expected = 'expected {"level": L}, where L is "debug", "info", "warning" or "error"'
        assert (refused.status, json.loads(refused.body)) == (400, {"error": expected})
        assert logging.getLogger().level == logging.ERROR


async def test_the_options_in_force_are_shown_with_their_defaults() -> None:
    async with fronted(admin=ADMIN) as (upstream, proxy):
        options = await told(proxy, "/api/configuration")
        assert options["retry"]["attempts"] == 3
        assert options["upstreams"][0]["servers"] == [upstream.url]
        assert options["hedge"] is None


async def test_the_description_says_what_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    monkeypatch.setattr(signal, "raise_signal", sent.append)  # it would stop the tests
    """Each operation is asked, and its answer fits what is said of it."""
    async with (
        _level_kept(),
        RawUpstream(BUSY, SILENT) as a,
        RawUpstream(SILENT) as b,
        proxied(
            a,
            admin=ADMIN,
            cache={},
            upstream_options={"servers": [a.url, {"url": b.url, "backup": True}]},
        ) as proxy,
        await proxy.connect() as client,
    ):
        document = json.loads((await call(proxy, "GET", "/api/openapi.json")).body)
        assert document == openapi()
        await proxy.ask(get())
        await client.send(get())
        exchanges = await until(proxy, "/api/exchanges", "exchanges")
        known = exchanges["exchanges"][0]
        asked = {"/api/cache": "?path=/", "/api/explain": "?url=/v1"}
        for operation in OPERATIONS:
            flying = (await told(proxy, "/api/exchanges"))["in_flight"]
            wanted = flying[0]["id"] if operation.path.endswith("cancel") else known["id"]
            bodies: dict[str, Any] = {"PUT": {"level": "error"}}
            if "servers" in operation.path:
                bodies["POST"] = {"upstream": "api", "server": b.url}
            response = await call(
                proxy,
                operation.method,
                operation.path.replace("{id}", wanted) + asked.get(operation.path, ""),
                bodies.get(operation.method),
            )
            assert response.status == 200, (operation.path, response.body)
            # The description is made of the type; nothing is answered beside it.
            found = msgspec.json.decode(response.body, type=operation.result)
            assert json.loads(msgspec.json.encode(found)) == json.loads(response.body)
        assert sent == [signal.SIGTERM]


def test_the_description_is_whole() -> None:
    document = openapi()
    names = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    assert len(names) == len(set(names))
    for path, methods in document["paths"].items():
        for method, each in methods.items():
            inside = {p["name"] for p in each.get("parameters", ()) if p["in"] == "path"}
            assert inside == ({"id"} if "{id}" in path else set())
            assert ("security" in each) == (method != "get")
    references = json.dumps(document).split('"#/components/schemas/')[1:]
    assert {each.partition('"')[0] for each in references} <= set(document["components"]["schemas"])


@pytest.mark.parametrize(("method", "path"), [("PUT", "/api/log"), ("POST", "/api/servers/drain")])
async def test_what_is_no_text_is_refused(method: str, path: str) -> None:
    body = b'{"level":"\xff\xfe"}'
    head = f"{method} {path} HTTP/1.1\r\nHost: proxy.test\r\nContent-Length: {len(body)}\r\n\r\n"
    async with fronted(admin=ADMIN) as (_, proxy):
        assert (await ask(proxy.admin, head.encode() + body)).status == 400
