"""What an API calls a request reaches the log and the client: its support asks for it."""

import asyncio
import json
import os

import pytest

from proxy.core.exchange import Exchange
from proxy.telemetry.log import AccessLog
from proxy.telemetry.options import LogOptions
from tests.support.event_wire import ACCEPT, EVENTS
from tests.support.message import chunked, get
from tests.support.proxy import dialled, fronted

LONG = 30.0
MINE = b"X-Request-Id: mine\r\n"
FRAMINGS = [b"Content-Length: 2\r\n\r\nok", b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b"ok")]

CASES = [
    # what the API says; what the log says; X-Upstream-Request-Id for the client
    (b"X-Request-Id: req_1\r\n", "req_1", [b"req_1"]),
    (b"x-REQUEST-id: req_1\r\n", "req_1", [b"req_1"]),
    (b"Date: x\r\nX-Request-Id:  req_1 \r\n", "req_1", [b"req_1"]),
    (b"X-Request-Id: mine\r\n", "", []),  # it only says ours again
    (b"request-id: req_2\r\n", "req_2", []),
    (b"x-amzn-RequestId: 3\r\nx-amz-request-id: 4\r\n", "3", []),
    (b"apim-request-id: 5\r\n", "5", []),
    (b"X-Request-Id: a\r\nrequest-id: b\r\n", "a", [b"a"]),
    (b"X-Upstream-Request-Id: far\r\nX-Request-Id: mine\r\n", "far", [b"far"]),
    (b"X-Upstream-Request-Id: far\r\n", "far", [b"far"]),
    (b"X-Other: a\r\n", "", []),
    (b"Access-Control-Allow-Headers: x-requested-with\r\n", "", []),
]


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize(("fields", "logged", "shown"), CASES)
async def test_the_name_that_the_upstream_gave_is_kept(
    fields: bytes, logged: str, shown: list[bytes], framing: bytes
) -> None:
    script = ["wait-body", b"HTTP/1.1 200 OK\r\n" + fields + framing]
    async with fronted(script) as (_, proxy):
        for number in range(2):  # the second one by what was remembered of the first
            answer = await proxy.ask(get(fields=MINE), patience=LONG)
            assert answer.body == b"ok"
            assert answer.values("X-Request-Id") == [b"mine"]
            assert answer.values("X-Upstream-Request-Id") == shown
            assert (await proxy.record(number)).record.upstream_request_id == logged


async def test_a_name_passes_where_a_route_changes_fields() -> None:
    reply = b"HTTP/1.1 200 OK\r\nX-Request-Id: theirs\r\nContent-Length: 0\r\n\r\n"
    routes = [{"upstream": "api", "response_headers": {"set": {"X-A": "b"}}}]
    async with fronted([reply], routes=routes) as (_, proxy):
        answer = await proxy.ask(get(fields=MINE), patience=LONG)
        assert answer.values("X-Upstream-Request-Id") == [b"theirs"]
        assert (await proxy.record()).record.upstream_request_id == "theirs"


@pytest.mark.parametrize(
    "late",
    [
        EVENTS.replace(b"\r\n", b"\r\nX-Request-Id: req_9\r\n", 1) + b"0\r\n\r\n",
        b"HTTP/1.1 503 Busy\r\nX-Request-Id: req_9\r\nContent-Length: 2\r\n\r\nno",
    ],
)
async def test_the_log_has_it_where_a_stream_was_opened_before(late: bytes) -> None:
    go = asyncio.Event()
    async with dialled(
        ["wait-body", go, late], stream={"heartbeat": "20ms"}, retry={"attempts": 1}
    ) as (_, proxy, client):
        await client.send(get(fields=ACCEPT + b"Connection: close\r\n"))
        await client.read_until(b": heartbeat\n\n", LONG)
        go.set()
        await client.rest(LONG)
        assert (await proxy.record()).record.upstream_request_id == "req_9"


def test_the_log_has_it_where_there_is_one() -> None:
    reading, writing = os.pipe()

    async def lines() -> None:
        log = AccessLog(LogOptions(), writing)
        for name in ("", "req\n1"):
            exchange = Exchange("GET", b"/", (), b"/")
            exchange.record.upstream_request_id = name
            log.record(exchange, 1.0)
        log.close()

    asyncio.run(lines())
    os.close(writing)
    with os.fdopen(reading) as file:
        first, second = map(json.loads, file)
    assert "upstream_request_id" not in first
    assert second["upstream_request_id"] == "req%0A1"
