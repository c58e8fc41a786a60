"""Streams of events that are kept alive, and opened before there is an answer."""

import asyncio
from typing import Any

import pytest

from tests.support.event_wire import ACCEPT, EVENTS, last_words, said
from tests.support.message import OK, get, length, post
from tests.support.proxy import dialled, fronted


async def test_a_silent_stream_gets_comments_between_events_only() -> None:
    script = [EVENTS, said(b"data: 1\n\n"), 0.4, said(b"data: "), 0.1, said(b"2\n\n")]
    async with fronted(
        ["wait-body", *script, b"0\r\n\r\n"],
        stream={"heartbeat": "30ms"},
    ) as (_, proxy):
        body = bytes((await proxy.ask(get())).body)
        assert body.replace(b": heartbeat\n\n", b"") == b"data: 1\n\ndata: 2\n\n"
        assert body.startswith(b"data: 1\n\n: heartbeat\n\n: heartbeat\n\n")
        assert body.endswith(b": heartbeat\n\ndata: 2\n\n")


@pytest.mark.parametrize("request_", [get(fields=ACCEPT), post(b"x", fields=ACCEPT)])
async def test_a_stream_is_opened_before_the_upstream_has_answered(request_: bytes) -> None:
    go = asyncio.Event()
    script = ["wait-body", go, EVENTS, said(b"data: 1\n\n"), b"0\r\n\r\n"]
    async with dialled(script, stream={"heartbeat": "30ms"}) as (_, proxy, client):
        await client.send(request_)
        head = (await client.read_until(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200 ok\r\ncontent-type: text/event-stream\r\n")
        for field in (b"cache-control: no-store", b"via: ", b"x-request-id: ", b"date: "):
            assert b"\r\n" + field in head
        await client.read_until(b": heartbeat\n\n")
        await client.read_until(b": heartbeat\n\n")
        go.set()
        assert (await client.read_until(b"0\r\n\r\n")).endswith(b"data: 1\n\n\r\n0\r\n\r\n")
        exchange = await proxy.record()
        assert (exchange.status, exchange.error, exchange.record.attempt_count) == (200, "", 1)


async def test_who_does_not_ask_for_events_is_told_the_true_status() -> None:
    async with fronted(
        ["wait-body", 0.1, length(b"no", b"404 Not Found")], stream={"heartbeat": "20ms"}
    ) as (_, proxy):
        assert (await proxy.ask(get())).status == 404


async def test_an_upstream_that_is_quick_is_shown_as_it_is() -> None:
    async with fronted(
        ["wait-body", length(b"no", b"404 Not Found")], stream={"heartbeat": "1h"}
    ) as (_, proxy):
        assert (await proxy.ask(get(fields=ACCEPT))).status == 404


LATE: list[tuple[list[Any], int]] = [
    # what comes too late to be shown, status in the event
    ([length(b"no", b"503 Busy")], 503),
    ([OK], 502),
    (["rst"], 502),
    (["hold"], 504),
]


@pytest.mark.parametrize(("late", "status"), LATE)
async def test_what_comes_instead_of_a_stream_is_said_in_an_event(
    late: list[Any], status: int
) -> None:
    async with fronted(
        ["wait-body", 0.4, *late],
        stream={"heartbeat": "40ms"},
        timeouts={"first_byte": "800ms"},
        retry={"attempts": 1},
    ) as (_, proxy):
        answer = await proxy.ask(get(fields=ACCEPT))
        beats = answer.body.count(b": heartbeat\n\n")
        assert beats
        assert last_words(answer, b": heartbeat\n\n" * beats)["status"] == status


async def test_an_opened_stream_may_still_be_tried_again() -> None:
    good = ["wait-body", EVENTS, said(b"data: 1\n\n"), b"0\r\n\r\n"]
    async with fronted(
        ["wait-body", 0.2, "rst"],
        good,
        stream={"heartbeat": "40ms"},
        retry={"on": ["reset"], "backoff_base": "1ms"},
    ) as (upstream, proxy):
        answer = await proxy.ask(get(fields=ACCEPT))
        assert (answer.ended, len(upstream.requests)) == ("complete", 2)
        assert answer.body.endswith(b"data: 1\n\n")


@pytest.mark.parametrize("shown", [True, False])
async def test_a_client_that_leaves_an_opened_stream_ends_its_request(shown: bool) -> None:
    script: list[Any] = ["wait-body", *([EVENTS, said(b"data: 1\n\n")] if shown else []), "hold"]
    before = len(asyncio.all_tasks())
    async with fronted(script, stream={"heartbeat": "20ms"}) as (upstream, proxy):
        async with await proxy.connect() as client:
            await client.send(get(fields=ACCEPT))
            await client.read_until(b": heartbeat\n\n")
            client.reset()
        await upstream.connections[0].closed.wait()
        assert (await proxy.record()).status == 499
        await proxy.breathe()
    assert len(asyncio.all_tasks()) == before


async def test_heartbeats_do_not_stop_the_idle_clock() -> None:
    async with fronted(
        ["wait-body", EVENTS, said(b"data: 1\n\n"), "hold"],
        stream={"heartbeat": "20ms"},
        timeouts={"idle": "300ms"},
    ) as (_, proxy):
        answer = await proxy.ask(get())
        assert answer.ended == "fin-short"
        assert 2 <= answer.body.count(b": heartbeat") <= 16


async def test_a_client_of_http_1_0_gets_a_stream_that_ends_with_its_connection() -> None:
    request_ = b"GET / HTTP/1.0\r\nHost: proxy.test\r\n" + ACCEPT + b"\r\n"
    script = ["wait-body", 0.4, EVENTS, said(b"data: 1\n\n"), b"0\r\n\r\n"]
    async with fronted(script, stream={"heartbeat": "30ms"}) as (_, proxy):
        answer = await proxy.ask(request_)
        assert not answer.values("transfer-encoding")
        assert bytes(answer.body).startswith(b": heartbeat\n\n")
        assert bytes(answer.body).endswith(b"data: 1\n\n")


@pytest.mark.parametrize("pieces", [1, 2, 3, 12])
async def test_a_byte_order_mark_does_not_spoil_the_first_event(pieces: int) -> None:
    data = b"\xef\xbb\xbfdata: 1\n\n"
    step = -(-len(data) // pieces)
    parts = [part for i in range(0, len(data), step) for part in (said(data[i : i + step]), 0.01)]
    async with fronted(
        ["wait-body", 1.0, EVENTS, *parts, b"0\r\n\r\n"], stream={"heartbeat": "20ms"}
    ) as (_, proxy):
        body = bytes((await proxy.ask(get(fields=ACCEPT))).body)
        assert body.replace(b": heartbeat\n\n", b"") == b"data: 1\n\n"
        assert body.startswith(b": heartbeat")


async def test_a_byte_order_mark_that_waits_for_its_event_does_not_spoil_it() -> None:
    go = asyncio.Event()
    begun = [EVENTS, said(b"\xef\xbb\xbfid: 7\n"), go, said(b"data: 1\n\n")]
    options = {"stream": {"heartbeat": "30ms", "on_error": "event"}}
    async with dialled(["wait-body", *begun, b"0\r\n\r\n"], **options) as (_, _, client):
        await client.send(get())
        await client.read_until(b": heartbeat\n\n")
        go.set()
        rest = await client.read_until(b"0\r\n\r\n")
    assert rest.endswith(b"\r\nid: 7\ndata: 1\n\n\r\n0\r\n\r\n")


@pytest.mark.parametrize("cors", [{}, {"cors": {"allow_origins": ["https://page.test"]}}])
async def test_a_page_of_another_origin_gets_a_head_that_lets_it_read(cors: Any) -> None:
    """Without ``[cors]`` only the API's own head does."""
    allowed = b"Access-Control-Allow-Origin: https://page.test\r\n"
    head = EVENTS[:-2] + allowed + b"\r\n"
    async with dialled(
        ["wait-body", 0.2, head, said(b"data: 1\n\n"), b"0\r\n\r\n"],
        stream={"heartbeat": "30ms"},
        **cors,
    ) as (_, _, client):
        await client.send(get(fields=ACCEPT + b"Origin: https://page.test\r\n"))
        assert allowed in await client.read_until(b"\r\n\r\n")
        body = await client.read_until(b"0\r\n\r\n")
        assert b"data: 1\n\n" in body
        assert (b": heartbeat\n\n" in body) is bool(cors)
