"""The status table: who is told what, and whether the connection lives on."""

import asyncio
import json
from typing import Any

import pytest

from tests.support.client import Response
from tests.support.message import OK, get, length, post
from tests.support.proxy import dialled, fronted, proxied
from tests.support.upstream import closed_port
from tests.wire.failures import ROWS, Case


def explained(response: Response, status: int, token: str) -> None:
    """The answer is ours and says so, the way RFC 9209 and RFC 9457 have it."""
    assert response.status == status
    assert response.ended == "complete"
    assert response.value("Proxy-Status") == b"sidecar-proxy; error=" + token.encode()
    assert response.value("Content-Type") == b"application/problem+json"
    problem = json.loads(response.body)
    assert set(problem) == {"type", "title", "status", "detail", "instance"}
    assert problem["status"] == status
    assert problem["type"] == "about:blank" or problem["type"].startswith(("http", "urn:", "tag:"))
    assert problem["title"]
    assert problem["instance"] == (response.value("X-Request-Id") or b"").decode()
    assert response.value("Content-Length") == b"%d" % len(response.body)
    assert response.value("Date") is not None
    assert response.value("Server") is None


@pytest.mark.parametrize("case", ROWS, ids=lambda case: case.name)
async def test_every_failure_has_its_status_and_its_word_and_its_log_line(case: Case) -> None:
    async with fronted(case.script, (OK,), **case.options) as (upstream, proxy):
        async with await proxy.connect() as client:
            explained(await client.ask(case.request), case.status, case.token)
            record = await proxy.record()
            assert (record.status, record.error) == (case.status, case.token)
            if case.kept:
                again = await client.ask(get("/v1"))
                assert (again.status, again.body) == (200, b"ok")
                await proxy.record(1)
            else:
                assert await client.closed() == "fin"
        assert len(proxy.records) == 1 + case.kept
        assert len(upstream.requests) == case.sent + case.kept


@pytest.mark.parametrize(
    ("error", "options", "status", "token"),
    [
        ("refused", {}, 502, "connection_refused"),
        ("unknown", {}, 502, "dns_error"),
        ("lookup", {"timeouts": {"connect": "50ms"}}, 504, "dns_timeout"),
    ],
)
async def test_an_upstream_that_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch, error: str, options: dict[str, Any], status: int, token: str
) -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    if error != "refused":
        url = "http://api.invalid:80"  # RFC 6761 6.4
        monkeypatch.setattr("aiohttp.resolver.ThreadedResolver.resolve", NAMES[error])
    async with (
        proxied(url, retry={"attempts": 1}, **options) as proxy,
        await proxy.connect() as client,
    ):
        explained(await client.ask(get()), status, token)
        explained(await client.ask(get()), status, token)


async def _unknown(*_: Any) -> Any:
    raise OSError(-2, "Name or service not known")


async def _slow(*_: Any) -> Any:
    await asyncio.sleep(3600)


NAMES = {"unknown": _unknown, "lookup": _slow}


async def test_a_fault_of_our_own_is_a_500_and_is_reported(
    monkeypatch: pytest.MonkeyPatch, quiet: list[str]
) -> None:
    def broken(_: bytes) -> str:
        raise RuntimeError("a mistake")

    monkeypatch.setattr("proxy.edge.intake.normal_path", broken)
    async with fronted() as (_, proxy):
        response = await proxy.ask(get())
        explained(response, 500, "proxy_internal_error")
        assert b"mistake" not in response.body  # nothing of the inside is told
        assert (await proxy.record()).error == "proxy_internal_error"
    assert len(quiet) == 1
    assert "RuntimeError: a mistake" in quiet.pop()


async def test_allow_says_which_methods_are_taken() -> None:
    routes = [{"upstream": "api", "methods": ["PUT", "GET"]}]
    async with fronted(routes=routes) as (_, proxy):
        response = await proxy.ask(post(b""))
        assert (response.status, response.value("Allow")) == (405, b"GET, PUT")


async def test_connect_is_told_that_other_methods_are_taken() -> None:
    async with fronted() as (_, proxy):
        response = await proxy.ask(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n")
        assert response.status == 405
        assert b"CONNECT" not in (response.value("Allow") or b"CONNECT")  # RFC 9110 15.5.6: MUST


async def test_a_request_that_came_through_this_instance_is_a_loop() -> None:
    async with fronted() as (upstream, proxy):
        await proxy.ask(get())
        via = upstream.requests[0].head.values("Via")[-1]
        looped = await proxy.ask(get(fields=b"Via: 1.0 fred, %s, 1.1 other\r\n" % via))
        explained(looped, 508, "proxy_loop_detected")
        other = await proxy.ask(get(fields=b"Via: 1.1 sidecar-proxy-00000000\r\n"))
        assert other.status == 200
        assert len(upstream.requests) == 2


async def test_too_many_connections_are_told_so_and_closed() -> None:
    options = {"server": {"max_connections": 1}}
    held = asyncio.Event()
    script = [held, length(b"ok")]
    async with fronted(script, **options) as (upstream, proxy):
        async with await proxy.connect() as first:
            await first.send(get())
            await upstream.until(lambda: upstream.requests)
            async with await proxy.connect() as second:
                await second.send(get())
                explained(await second.receive(), 503, "connection_limit_reached")
                assert await second.closed() in ("fin", "rst")
            held.set()
            assert (await first.receive()).status == 200
            assert (await first.ask(get())).status == 200
        assert len(upstream.requests) == 2
        await _free(proxy)


async def _free(proxy: Any) -> None:
    for _ in range(300):
        if (await proxy.ask(get())).status == 200:
            return
    raise AssertionError("the place of a connection that left is never free again")


@pytest.mark.parametrize(
    "status", [b"404 Not Found", b"500 Oops", b"502 Bad", b"503 Busy", b"504 Late"]
)
async def test_the_upstream_s_own_failures_pass_unchanged(status: bytes) -> None:
    async with fronted([length(b"theirs", status)]) as (_, proxy):
        response = await proxy.ask(get())
        assert response.head.first == b"HTTP/1.1 " + status
        assert response.body == b"theirs"
        assert response.value("Proxy-Status") is None
        assert (await proxy.record()).error == ""


async def test_an_answer_to_head_has_no_body() -> None:
    async with dialled(["fin"], (OK,), retry={"attempts": 1}) as (_, _, client):
        response = await client.ask(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (response.status, response.ended) == (502, "complete")
        assert (await client.ask(get())).body == b"ok"


async def test_details_are_told_where_they_are_allowed() -> None:
    async with fronted(["fin"], errors={"details": True}) as (_, proxy):
        response = await proxy.ask(get())
        told = response.value("Proxy-Status") or b""
        assert told.startswith(b"sidecar-proxy; error=connection_terminated; details=")


async def test_a_failure_can_be_told_in_plain_text() -> None:
    async with fronted(["fin"], errors={"format": "text"}) as (_, proxy):
        response = await proxy.ask(get())
        assert (response.status, response.value("Content-Type")) == (
            502,
            b"text/plain; charset=utf-8",
        )
        assert response.value("Proxy-Status") == b"sidecar-proxy; error=connection_terminated"
        assert b"{" not in response.body
