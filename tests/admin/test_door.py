"""The admin listener has clocks and a limit of connections."""

import inspect

import pytest
from aiohttp.web_protocol import RequestHandler

from proxy.admin import door
from tests.support.client import RawClient, ask
from tests.support.message import get
from tests.support.proxy import fronted

ADMIN = {"admin": {"listen": "127.0.0.1:0"}}


@pytest.mark.parametrize(
    "sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: ", get("/healthz"), get("/api/state")]
)
async def test_who_asks_nothing_is_cut(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "FIRST", 0.2)
    monkeypatch.setattr(door, "NEXT", 0.2)
    async with (
        fronted(**ADMIN) as (_, proxy),
        await RawClient.connect(proxy.admin) as client,
    ):
        await client.send(sent)
        await client.rest(patience=30)
        assert client.end in ("fin", "rst")


async def test_who_holds_all_connections_locks_nobody_out() -> None:
    async with fronted(**ADMIN) as (_, proxy):
        clients = [await RawClient.connect(proxy.admin) for _ in range(door.MOST + 20)]
        assert (await ask(proxy.admin, get("/healthz"))).status == 200
        for client in clients:
            client.close()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (get("/healthz"), 200),
        (get("/"), 200),
        (get("/metrics"), 200),
        (get("/api/state"), 200),
        (get("/api/in_flight"), 404),
        (get("/api/live").replace(b"GET", b"HEAD", 1), 200),
        (get("/nothing"), 404),
        (get("/healthz").replace(b"GET", b"POST", 1), 405),
        (b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 403),
        (b"no HTTP\r\n\r\n", 400),
    ],
)
async def test_no_answer_tells_the_versions_of_what_serves(sent: bytes, status: int) -> None:
    admin = {"listen": "127.0.0.1:0", "probes": "127.0.0.1:0"}
    async with fronted(admin=admin) as (_, proxy):
        answer = await ask(proxy.admin, sent)
        assert (answer.status, answer.value("Server")) == (status, b"sidecar-proxy")
        answer = await ask(proxy.probes, sent)
        assert answer.value("Server") == b"sidecar-proxy"


def test_aiohttp_calls_what_we_override() -> None:
    assert list(inspect.signature(RequestHandler.finish_response).parameters) == [
        "self",
        "request",
        "resp",
        "start_time",
    ]
    assert list(inspect.signature(RequestHandler._handle_request).parameters)[:2] == [
        "self",
        "request",
    ]
    assert "self._handle_request(" in inspect.getsource(RequestHandler.start)


async def test_what_is_no_http_is_no_fault_of_the_proxy(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with fronted(**ADMIN) as (_, proxy):
        for sent in (b"\x16\x03\x01\x02\x00", get(fields=b"X: \x00\r\n")):
            assert (await ask(proxy.admin, sent)).status == 400
    assert not [record for record in caplog.records if record.name.startswith("aiohttp")]
