"""What the relay writes for a reply, and how it ends the reply."""

import asyncio

import pytest

from proxy.core.errors import (
    BodyTooLarge,
    ConnectionTerminated,
    ProxyError,
    ReplyBroken,
    ShuttingDown,
)
from proxy.core.reply import AllSaid, Ending, Reply
from tests.support.client_stream import FakeClientStream
from tests.support.loop import JumpingLoop, Script, reply
from tests.support.service import GET, Pieces, coming, serving
from tests.support.watched_chunk import Stalling


@pytest.mark.parametrize("name", [b"Date", b"date", b"DATE", b"dAtE"])
async def test_the_date_of_a_reply_stays(name: bytes) -> None:
    said = b"Mon, 01 Jan 2024 00:00:00 GMT"
    async with serving(Script(reply(200, [(name, said)], b"a"))) as service:
        client = await service.ask(GET)
    assert client.fields[b"date"] == said


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (ReplyBroken("half of it"), Ending.BROKEN),
        (ConnectionTerminated("likewise"), Ending.ABANDONED),
        (BodyTooLarge("the rest of the request"), Ending.ABANDONED),
    ],
)
async def test_only_a_reply_that_broke_is_closed_as_broken(
    error: Exception, ending: Ending
) -> None:
    source = Pieces(b"one ", error)
    async with serving(Script(coming(source))) as service:
        client = await service.ask(GET)
    assert (client.body, client.ended, source.endings) == (b"one ", "reset", [ending])


async def test_a_stream_that_fails_behind_its_last_event_is_whole_for_its_client() -> None:
    source = Pieces(b"data: [DONE]\n\n", AllSaid(ReplyBroken("cut")))
    async with serving(Script(coming(source))) as service:
        client = await service.ask(GET)
    assert (client.ended, source.endings) == ("complete", [Ending.ABANDONED])
    assert service.records[0].error == "http_response_incomplete"


async def test_a_reply_that_lasts_longer_than_its_exchange_may_is_cut(jumping: JumpingLoop) -> None:
    source = Pieces(b"one ", asyncio.Event())
    began = jumping.time()
    async with serving(Script(coming(source))) as service:
        client = await service.ask(GET)
    assert jumping.time() - began == pytest.approx(60)
    assert (client.body, client.ended, source.endings) == (b"one ", "reset", [Ending.BROKEN])


async def test_what_was_passed_on_is_let_go_of_while_more_is_awaited() -> None:
    source = Stalling()
    async with serving(Script(Reply(200, (), source))) as service:
        asked = asyncio.create_task(service.ask(GET))
        await source.awaited.wait()
        assert not source.held
        source.more.set()
        assert (await asked).body == b"one "


class Speaking(Pieces):
    """A stream that is ended with these words."""

    def __init__(self, words: bytes | None, *pieces: bytes | asyncio.Event) -> None:
        super().__init__(*pieces)
        self._words = words

    def last_words(self, error: ProxyError) -> bytes | None:
        assert isinstance(error, ShuttingDown)
        return self._words


@pytest.mark.parametrize(
    ("words", "slow", "body", "ended"),
    [
        (b"bye", False, b"one bye", "reset"),
        (b"", False, b"one ", "complete"),
        (None, False, b"one ", "reset at once"),
        (b"bye", True, b"one ", "reset at once"),  # nobody waits for a client that is behind
    ],
)
async def test_a_stream_that_the_proxy_ends_has_its_last_words(
    words: bytes | None, slow: bool, body: bytes, ended: str
) -> None:
    source = Speaking(words, b"one ", asyncio.Event())
    async with serving(Script(coming(source))) as service:
        client = FakeClientStream()
        client.slow = slow
        task = service.begin(client, GET)
        while not client.body:  # noqa: ASYNC110 - the fake tells nobody
            await asyncio.sleep(0)
        client.exchange.ended_by = ShuttingDown("it is over")
        task.cancel()
        assert await task is False
    assert (client.body, client.ended, source.endings) == (body, ended, [Ending.ABANDONED])
    [record] = service.records
    assert (record.status, record.error) == (200, "destination_unavailable")
    assert record.bytes_out == len(body)
