"""The service without a socket: what it tells a client, and what the log is told of it."""

import asyncio
import json
from typing import Any

import pytest

from proxy.core.errors import (
    ConnectFailed,
    ConnectionTerminated,
    ResponseTimeout,
    Stage,
)
from proxy.core.exchange import Exchange
from proxy.core.reply import Ending, Reply
from tests.support.client_stream import FakeClientStream
from tests.support.loop import Script, reply
from tests.support.service import GET, JSON, Pieces, coming, serving

# Answers


async def test_an_answer_comes_as_the_upstream_gave_it_with_our_names_added() -> None:
    upstream = Script(reply(201, JSON, b"{}"))
    async with serving(upstream) as service:
        client = await service.ask(GET)
    assert (client.status, client.body, client.ended) == (201, b"{}", "complete")
    (record,) = service.records
    assert client.fields.pop(b"date")
    assert client.fields == {
        b"content-type": b"application/json",
        b"via": b"1.1 sidecar-proxy-00c0ffee",
        b"x-request-id": record.request_id.encode(),
    }
    assert (record.status, record.error, record.bytes_out, record.route) == (201, "", 2, "/v1")
    (asked,) = upstream.exchanges
    assert (asked.client, asked.scheme, asked.host) == ("192.0.2.1", "http", "api.test")


async def test_a_body_that_comes_in_pieces_is_passed_on_in_pieces() -> None:
    more = asyncio.Event()
    source = Pieces(b"one ", more, b"two")
    async with serving(Script(coming(source))) as service:
        client = FakeClientStream()
        task = service.begin(client, GET)
        while not client.body:  # noqa: ASYNC110 - the fake tells nobody
            await asyncio.sleep(0)
        assert (client.body, client.length, client.ended) == (b"one ", None, "")
        more.set()
        assert await task
    assert (client.body, client.ended, source.endings) == (
        b"one two",
        "complete",
        [Ending.COMPLETE],
    )


async def test_an_answer_to_head_has_no_body() -> None:
    async with serving(Script(reply(200, JSON, b"four"))) as service:
        client = await service.ask(GET.replace(b"GET", b"HEAD"))
    assert (client.body, client.length, service.records[0].bytes_out) == (b"", 4, 0)


async def test_what_fails_is_tried_again_and_the_client_sees_the_second_answer() -> None:
    upstream = Script(ConnectFailed("refused"), reply(200, JSON, b"ok"))
    async with serving(upstream) as service:
        client = await service.ask(GET)
    assert (client.status, client.body, upstream.sends) == (200, b"ok", 2)


async def test_a_client_that_takes_slowly_stops_the_reading() -> None:
    source = Pieces(b"a", b"b")
    async with serving(Script(coming(source))) as service:
        client = FakeClientStream()
        client.slow = True
        task = service.begin(client, GET)
        await client.waiting.wait()
        assert (client.body, source.pauses) == (b"a", [True])
        client.slow = False
        client.taken.set()
        assert await task
    assert (client.body, source.pauses) == (b"ab", [True, False])


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_upstream_is_told_the_scheme_of_the_listener(scheme: str) -> None:
    upstream = Script(reply())
    async with serving(upstream) as service:
        await service.ask(GET, scheme=scheme)
    assert (b"X-Forwarded-Proto", scheme.encode()) in upstream.exchanges[0].headers


# Errors


@pytest.mark.parametrize(
    ("error", "status", "token"),
    [
        (ConnectFailed("refused"), 502, "connection_refused"),
        (ResponseTimeout("late", stage=Stage.SENT), 504, "http_response_timeout"),
        (ConnectionTerminated("reset", stage=Stage.SENT), 502, "connection_terminated"),
    ],
)
async def test_an_error_is_an_answer_of_our_own(error: Any, status: int, token: str) -> None:
    async with serving(Script(error, error, error)) as service:
        client = await service.ask(GET)
    assert (client.status, client.ended, client.last) == (status, "complete", False)
    assert client.fields[b"proxy-status"] == b"sidecar-proxy; error=" + token.encode()
    document = json.loads(client.body)
    assert (document["status"], document["instance"]) == (status, service.records[0].request_id)
    assert (service.records[0].status, service.records[0].error) == (status, token)


@pytest.mark.parametrize(
    ("head", "status", "last"),
    [
        (GET.replace(b"/v1", b"/v2"), 404, False),
        (GET.replace(b"Host: api.test", b"X: y"), 400, True),
        (GET.replace(b"\r\n\r\n", b"\r\nContent-Length: x\r\n\r\n"), 400, True),
        (GET.replace(b"\r\n\r\n", b"\r\nVia: 1.1 sidecar-proxy-00c0ffee\r\n\r\n"), 508, False),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 405, True),
    ],
    ids=["no route", "no Host", "framing", "loop", "CONNECT"],
)
async def test_a_refusal_says_whether_another_request_may_follow(
    head: bytes, status: int, last: bool
) -> None:
    async with serving(Script()) as service:
        client = await service.ask(head)
    assert (client.status, client.last) == (status, last)


async def test_a_fault_of_ours_is_500_and_stands_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(_: Exchange) -> Reply:
        raise KeyError("a mistake")

    async with serving(broken) as service:
        client = await service.ask(GET)
    assert (client.status, service.records[0].error) == (500, "proxy_internal_error")
    assert "request failed" in caplog.text
    assert b"mistake" not in client.body
