"""The service without a socket: how requests end, and what comes before an answer."""

import asyncio

import pytest

from proxy.core.body import EMPTY
from proxy.core.errors import (
    EndedByOperator,
    ProxyError,
    ReplyBroken,
    RequestTimeout,
    ShuttingDown,
)
from proxy.core.exchange import Exchange
from proxy.core.reply import Ending, Reply
from tests.support.client_stream import FakeClientStream, coming_body
from tests.support.loop import CannedReply, Script, reply
from tests.support.service import GET, JSON, Pieces, coming, serving

# Endings


async def test_a_reply_that_breaks_is_reset_and_never_ends_cleanly() -> None:
    source = Pieces(b"half", ReplyBroken("cut short"))
    async with serving(Script(coming(source))) as service:
        client = await service.ask(GET)
    assert (client.status, client.body, client.ended) == (200, b"half", "reset")
    assert (service.records[0].status, service.records[0].error) == (
        200,
        "http_response_incomplete",
    )
    assert source.endings == [Ending.BROKEN]


async def test_a_fault_of_ours_behind_the_head_resets_at_once() -> None:
    source = Pieces(b"half", KeyError("a mistake"))
    async with serving(Script(coming(source))) as service:
        client = await service.ask(GET)
    assert (client.status, client.ended, source.endings) == (
        200,
        "reset at once",
        [Ending.ABANDONED],
    )


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "in pieces"])
async def test_trailers_come_behind_the_body(whole: bool) -> None:
    answer = reply(200, JSON, b"x") if whole else coming(Pieces(b"x"))
    answer.trailers = lambda: [(b"X-Sum", b"1")]
    async with serving(Script(answer)) as service:
        client = await service.ask(GET)
    assert (client.body, client.behind, client.ended) == (b"x", [(b"X-Sum", b"1")], "complete")


async def test_a_client_that_leaves_before_its_answer_ends_the_attempt() -> None:
    cancelled: list[bool] = []
    asked = asyncio.Event()

    async def slow(_: Exchange) -> Reply:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(True)
        raise AssertionError("nobody sets it")

    async with serving(slow) as service:
        client = FakeClientStream()
        task = service.begin(client, GET)
        await asked.wait()
        client.gone = True
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (service.records[0].status, service.records[0].error) == (499, "client_gone")
    assert (cancelled, client.status) == ([True], 0)


async def test_a_client_that_leaves_in_the_midst_of_its_reply_is_499_too() -> None:
    more = asyncio.Event()
    source = Pieces(b"one", more, b"two")
    async with serving(Script(coming(source))) as service:
        client = FakeClientStream()
        task = service.begin(client, GET)
        while not client.body:  # noqa: ASYNC110 - the fake tells nobody
            await asyncio.sleep(0)
        client.gone = True
        more.set()
        assert await task is False
    assert (service.records[0].status, service.records[0].error) == (499, "client_gone")
    assert (client.ended, source.endings) == ("", [Ending.ABANDONED])


@pytest.mark.parametrize(
    ("length", "slow", "status"), [(3, False, 200), (3, True, 499), (4, False, 499)]
)
async def test_a_client_that_leaves_with_the_last_byte_has_its_answer(
    length: int, slow: bool, status: int
) -> None:
    """It is cancelled when its connection has ended, between the last byte and what follows."""
    async with serving(Script(coming(Pieces(b"one"), length=length))) as service:
        client = FakeClientStream()
        client.slow = True
        task = service.begin(client, GET)
        await client.waiting.wait()
        client.slow = slow  # not slow any more: all that was written has been taken
        client.gone = True
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert service.records[0].status == status
    assert bool(service.records[0].error) is (status == 499)


@pytest.mark.parametrize(
    ("why", "error"),
    [
        (ShuttingDown("it is over"), "destination_unavailable"),
        (EndedByOperator("ended"), "http_request_denied"),
    ],
)
async def test_a_request_that_is_ended_here_is_told_why(why: ProxyError, error: str) -> None:
    asked = asyncio.Event()

    async def slow(_: Exchange) -> Reply:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    async with serving(slow) as service:
        client = FakeClientStream()
        task = service.begin(client, GET)
        await asked.wait()
        client.exchange.ended_by = why
        task.cancel()
        assert await task
    assert (client.status, service.records[0].error) == (503, error)


# Before the answer


async def test_what_comes_before_the_answer_is_passed_on_at_once() -> None:
    async def hinting(exchange: Exchange) -> Reply:
        assert exchange.send_informational is not None
        exchange.send_informational(103, b"Early Hints", [(b"Link", b"</a>")])
        return reply(200, JSON, b"ok")

    async with serving(hinting) as service:
        client = await service.ask(GET)
    assert client.interim == [(103, b"Early Hints", [(b"Link", b"</a>")])]
    assert (client.status, client.body) == (200, b"ok")


async def test_a_client_that_waits_to_be_told_sends_its_body_when_the_upstream_wants_it() -> None:
    taken = b""

    async def wanting(exchange: Exchange) -> CannedReply:
        nonlocal taken
        assert client.interim == []
        exchange.body.proceed()
        reader = exchange.body.reader()
        while data := await reader.read():
            taken += data
        return reply(200, JSON, b"ok")

    async with serving(wanting) as service:
        client = FakeClientStream()
        body = coming_body(client)
        head = b"PUT /v1/a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        task = service.begin(client, head, body)
        while not client.interim:  # noqa: ASYNC110 - the fake tells nobody
            await asyncio.sleep(0)
        assert client.interim == [(100, b"Continue", ())]
        body.feed_data(b"hello")
        body.feed_eof()
        assert await task
    assert (taken, client.status, len(client.interim)) == (b"hello", 200, 1)
    assert service.records[0].bytes_in == 5


async def test_a_body_that_stalls_is_the_clients_fault() -> None:
    async def reading(exchange: Exchange) -> Reply:
        await exchange.body.reader().read()
        raise AssertionError("there is nothing to read")

    async with serving(reading) as service:
        client = FakeClientStream()
        body = coming_body(client)
        head = b"PUT /v1/a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
        task = service.begin(client, head, body)
        body.set_exception(RequestTimeout("the body came too slowly"))
        assert await task
    assert (client.status, client.last) == (408, True)


async def test_a_superseded_generation_ends_with_the_last_of_its_exchanges() -> None:
    first, last = asyncio.Event(), asyncio.Event()
    replies = Script(coming(Pieces(first, b"one")), coming(Pieces(last, b"two")))
    async with serving(replies) as service:
        generation = service.generation
        tasks = [service.begin(FakeClientStream(), GET) for _ in range(2)]
        while generation.users < 2:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
        generation.superseded = True
        first.set()
        assert await tasks[0] is True
        assert (generation.users, generation.ended) == (1, 0)
        last.set()
        assert await tasks[1] is True
        assert (generation.users, generation.ended) == (0, 1)


async def test_an_exchange_that_has_ended_holds_neither_its_body_nor_its_task() -> None:
    head = b"POST /v1/a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"
    client = FakeClientStream()
    client.slow = True
    async with serving(Script(coming(Pieces(b"ab")))) as service:
        body = coming_body(client)
        body.feed_data(b"abc")
        body.feed_eof()
        task = service.begin(client, head, body)
        await client.waiting.wait()
        client.slow = False
        client.taken.set()
        assert await task
        [ended] = service.records
        assert ended.body is EMPTY
        assert (ended.relaying, ended.stalled, ended.send_informational) == (None, None, None)
