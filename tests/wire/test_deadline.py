"""The time that a client gives, as the upstream and the client see it."""

import json
import time

import pytest

from tests.support.message import get, length
from tests.support.proxy import fronted

FIELD = b"x-request-timeout-ms"


async def test_the_client_is_answered_in_time_and_the_upstream_told_what_is_left() -> None:
    async with fronted(["hold"], deadline={}) as (upstream, proxy):
        began = time.monotonic()
        response = await proxy.ask(get("/", FIELD + b": 120\r\n"))
        assert 0.1 < time.monotonic() - began < 1
        assert response.status == 504
        assert b"error=http_response_timeout" in (response.value("Proxy-Status") or b"")
        assert 50 <= int(upstream.requests[0].head.value(FIELD.decode()) or b"") <= 70


async def test_a_retry_has_less_time_left_than_the_first() -> None:
    script = ([0.03, b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"], [length(b"ok")])
    tables = {"deadline": {"reserve": "0"}, "retry": {"on": ["503"], "backoff_base": "1ms"}}
    async with fronted(*script, **tables) as (upstream, proxy):
        assert (await proxy.ask(get("/", FIELD + b": 900\r\n"))).status == 200
        first, second = (int(r.head.value(FIELD.decode()) or b"") for r in upstream.requests)
        assert 890 <= first <= 900
        assert second <= first - 29


async def test_a_reply_is_cut_when_its_client_would_have_gone() -> None:
    script = [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", "hold"]
    tables = {"deadline": {}, "stream": {"commit": "headers"}}
    async with fronted(script, **tables) as (_, proxy):
        response = await proxy.ask(get("/", FIELD + b": 150\r\n"))
        assert (response.status, response.body) == (200, b"ab")
        assert response.ended != "complete"
        assert (await proxy.record()).record.clock == "deadline"


async def test_what_has_nothing_left_is_not_sent() -> None:
    tables = {"deadline": {}, "errors": {"details": True}}
    async with fronted(**tables) as (upstream, proxy):
        response = await proxy.ask(get("/", b"grpc-timeout: 40m\r\n"))
        assert response.status == 504
        assert "left" in json.loads(response.body)["detail"]
        assert upstream.requests == []


async def test_what_cannot_be_done_in_time_is_refused_at_once() -> None:
    tables = {"deadline": {"reserve": "0"}, "errors": {"details": True}}
    async with fronted([0.03, length(b"ok")], **tables) as (upstream, proxy):
        for _ in range(20):
            assert (await proxy.ask(get())).status == 200
        tried = len(upstream.requests)
        details = [
            json.loads((await proxy.ask(get("/", FIELD + b": 10\r\n"))).body)["detail"]
            for _ in range(4)
        ]
        assert len(upstream.requests) == tried + 1  # one a second is let through to see
        assert sum("the quickest answer lately took" in detail for detail in details) == 3


@pytest.mark.parametrize("deadline", [False, {"forward": ""}])
async def test_what_is_not_asked_for_is_not_said(deadline: object) -> None:
    async with fronted(deadline=deadline) as (upstream, proxy):
        await proxy.ask(get("/", b"grpc-timeout: 9S\r\n"))
        [request] = upstream.requests
        assert request.head.values(FIELD.decode()) == []
        assert request.head.value("grpc-timeout") == b"9S"
