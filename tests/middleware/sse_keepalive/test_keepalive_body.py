"""The body of a stream of events: what goes out when, and what stands between two events."""

import asyncio
from typing import Any

import pytest

from proxy.core.errors import (
    ConnectFailed,
    ProxyError,
    ReplyBroken,
    ReplyStalled,
    ShuttingDown,
)
from proxy.core.exchange import Exchange
from proxy.core.reply import AllSaid, Ending, Reply
from proxy.middleware.sse_keepalive.keepalive_body import (
    HEARTBEAT,
    EarlyBody,
    KeepAliveBody,
    Words,
    abandon,
)
from tests.support.loop import JumpingLoop, get, loop_clock, reply
from tests.support.pieces import Pieces, streaming

SSE = ((b"Content-Type", b"text/event-stream"),)
FAILED = b"event: error\n\n"


def words(*, heartbeat: float | None = None, sends: bool = True) -> Words:
    def error_event(failed: ProxyError | Reply, request_id: str) -> bytes:
        status = failed.status if isinstance(failed, Reply) else type(failed).__name__
        return b"event: error\ndata: %b\n\n" % str(status).encode()

    return Words(heartbeat, sends, error_event, loop_clock())


async def all_of(body: KeepAliveBody) -> list[bytes]:
    found: list[Any] = []
    try:
        while data := await body.read():
            found.append(data)
    except ReplyBroken:
        found.append("broken")
    body.close(Ending.COMPLETE)
    return found


@pytest.mark.parametrize(
    ("pieces", "given"),
    [
        ([b"data: 1\n\n", b"data: 2\n\n"], [b"data: 1\n\n", b"data: 2\n\n"]),
        # half an event is kept back until the rest of it has come
        ([b"data: 1\n\ndata:", b" 2\n\n"], [b"data: 1\n\n", b"data: 2\n\n"]),
        ([b"da", b"ta: 1", b"\n\n"], [b"data: 1\n\n"]),
        ([b"data: 1\r\n", b"\rdata:", b" 2\n\n"], [b"data: 1\r\n\r", b"data: 2\n\n"]),
        # what the upstream never ended is given out at its end
        ([b"data: 1\n\n", b"data: 2"], [b"data: 1\n\n", b"data: 2"]),
        ([b": c\n", b"\n"], [b": c\n", b"\n"]),  # a comment is no event: nothing is begun by it
    ],
)
async def test_whole_events_are_given_out_where_an_error_event_may_follow(
    jumping: JumpingLoop, pieces: list[bytes], given: list[bytes]
) -> None:
    assert await all_of(KeepAliveBody(words(), get(), streaming(Pieces(*pieces), SSE))) == given


async def test_without_an_error_event_bytes_go_on_as_they_come(jumping: JumpingLoop) -> None:
    pieces = [b"da", b"ta: 1\n", b"\n"]
    body = KeepAliveBody(words(sends=False), get(), streaming(Pieces(*pieces), SSE))
    assert await all_of(body) == pieces


async def test_a_break_between_two_events_has_its_event_then_ends_as_broken(
    jumping: JumpingLoop,
) -> None:
    broken = Pieces(b"data: 1\n\ndata: half", error=ReplyBroken("gone"))
    body = KeepAliveBody(words(), get(), streaming(broken, SSE))
    last = b"event: error\ndata: ReplyBroken\n\n"
    assert await all_of(body) == [b"data: 1\n\n", last, "broken"]


@pytest.mark.parametrize("cut", [ReplyBroken("gone"), ReplyStalled("silent")])
async def test_behind_the_last_event_nothing_is_said(
    jumping: JumpingLoop, cut: ReplyBroken
) -> None:
    source = Pieces(b"data: 1\n\ndata: [DO", b"NE]\n\n", error=cut)
    body = KeepAliveBody(words(heartbeat=0.4), get(), streaming(source, SSE))
    given = [await body.read() for _ in range(6)]
    assert [each for each in given if each != HEARTBEAT] == [b"data: 1\n\n", b"data: [DONE]\n\n"]
    assert given[-1] != HEARTBEAT
    with pytest.raises(AllSaid) as caught:
        await body.read()
    assert caught.value.error is cut


@pytest.mark.parametrize(
    "said", [b'event: error\ndata: {"status": 429}\n\n', b'data: {"error": {"message": "x"}}\n\n']
)
async def test_behind_an_error_of_the_api_there_is_no_second_one(
    jumping: JumpingLoop, said: bytes
) -> None:
    """The API itself, or a proxy like this one behind it, has said why and cuts."""
    source = Pieces(b"data: 1\n\n", said, error=ReplyBroken("gone"))
    body = KeepAliveBody(words(), get(), streaming(source, SSE))
    assert await all_of(body) == [b"data: 1\n\n", said, "broken"]


async def test_behind_an_error_that_was_not_the_last_event_there_is_one(
    jumping: JumpingLoop,
) -> None:
    """The stream went on, so that was not why it broke."""
    source = Pieces(b"event: error\ndata: x\n\ndata: 1\n\n", error=ReplyBroken("gone"))
    body = KeepAliveBody(words(), get(), streaming(source, SSE))
    assert (await all_of(body))[1:] == [b"event: error\ndata: ReplyBroken\n\n", "broken"]


async def test_a_break_in_an_event_that_is_out_in_part_has_none(jumping: JumpingLoop) -> None:
    long = b"data: " + b"x" * 70_000
    body = KeepAliveBody(words(), get(), streaming(Pieces(long, error=ReplyBroken("gone")), SSE))
    assert await all_of(body) == [long, "broken"]


async def test_a_silent_stream_says_so_in_between_and_loses_nothing(jumping: JumpingLoop) -> None:
    body = KeepAliveBody(
        words(heartbeat=0.4), get(), streaming(Pieces(b"data: 1\n\n", b"data: 2\n\n"), SSE)
    )
    beats = [HEARTBEAT] * 2  # a piece comes each second
    assert await all_of(body) == [*beats, b"data: 1\n\n", *beats, b"data: 2\n\n", *beats]


async def test_the_read_that_is_under_way_ends_with_the_body(jumping: JumpingLoop) -> None:
    source = Pieces(b"data: 1\n\n")
    body = KeepAliveBody(words(heartbeat=0.1), get(), streaming(source, SSE))
    assert await body.read() == HEARTBEAT
    body.close(Ending.ABANDONED)
    await asyncio.sleep(5)
    assert (source.reads, source.ending) == (1, Ending.ABANDONED)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize(
    ("pieces", "given"),
    [
        ([b"\xef\xbb\xbfdata: x\nid: 7\n\n"], b"data: x\nid: 7\n\n"),
        ([b"\xef", b"\xbb\xbf", b"data: x\n\n"], b"data: x\n\n"),
        ([b"data: x\n\n", b"\xef\xbb\xbfdata: y\n\n"], b"data: x\n\n\xef\xbb\xbfdata: y\n\n"),
        ([b"\xef\xbb\xbf" * 2 + b"data: x\n\n"], b"\xef\xbb\xbfdata: x\n\n"),  # only the first
    ],
)
@pytest.mark.parametrize("sends", [True, False])
async def test_a_bom_behind_a_heartbeat_is_dropped(
    jumping: JumpingLoop, sends: bool, pieces: list[bytes], given: bytes
) -> None:
    """It would be a part of the first field's name: a BOM begins what a client gets."""
    source = streaming(Pieces(*pieces), SSE)
    found = await all_of(KeepAliveBody(words(heartbeat=0.4, sends=sends), get(), source))
    assert found[0] == HEARTBEAT
    assert b"".join(data for data in found if data != HEARTBEAT) == given


@pytest.mark.parametrize("first", [b"\xef", b"\xef\xbb\xbf", b"\xef\xbb\xbfid: 7\n"])
async def test_a_bom_that_a_heartbeat_overtakes_is_dropped(
    jumping: JumpingLoop, first: bytes
) -> None:
    """What has come of the first event is kept back until the rest of it is there."""
    whole = b"\xef\xbb\xbfid: 7\ndata: x\n\n"
    rest = (whole.removeprefix(first), b"\xef\xbb\xbfdata: y\n\n")
    source = streaming(Pieces(first, *rest, first_after=0), SSE)
    found = await all_of(KeepAliveBody(words(heartbeat=0.4), get(), source))
    assert found[0] == HEARTBEAT
    said = b"".join(data for data in found if data != HEARTBEAT)
    assert said == b"id: 7\ndata: x\n\n\xef\xbb\xbfdata: y\n\n"


async def test_a_bom_with_which_a_stream_begins_is_kept(jumping: JumpingLoop) -> None:
    source = streaming(Pieces(b"\xef\xbb\xbf", b"data: x\n\n"), SSE)
    body = KeepAliveBody(words(heartbeat=1.5, sends=False), get(), source)
    assert (await all_of(body))[:2] == [b"\xef\xbb\xbf", b"data: x\n\n"]


@pytest.mark.parametrize(
    ("pieces", "last"),
    [
        ([], b"event: error\ndata: ShuttingDown\n\n"),
        ([b"data: 1\n\n"], b"event: error\ndata: ShuttingDown\n\n"),
        # what has come of the next event is kept back, and is not wanted any more
        ([b"data: 1\n\ndata: ha"], b"event: error\ndata: ShuttingDown\n\n"),
        ([b"data: " + b"x" * 70_000], None),  # it is out in part
        ([b"event: error\ndata: x\n\n"], None),  # the API has said why
        ([b"data: [DONE]\n\n"], b""),
    ],
)
async def test_a_stream_that_is_ended_here_says_why_where_one_that_breaks_does(
    jumping: JumpingLoop, pieces: list[bytes], last: bytes | None
) -> None:
    body = KeepAliveBody(words(), get(), streaming(Pieces(*pieces), SSE))
    for _ in pieces:
        await body.read()
    assert body.last_words(ShuttingDown("it is over")) == last
    body.close(Ending.ABANDONED)


async def test_a_stream_that_is_ended_behind_its_error_event_has_no_second_one(
    jumping: JumpingLoop,
) -> None:
    body = KeepAliveBody(words(), get(), streaming(Pieces(error=ReplyBroken("gone")), SSE))
    assert await body.read()
    assert body.last_words(ShuttingDown("it is over")) is None
    body.close(Ending.ABANDONED)


async def test_without_an_error_event_only_a_stream_that_was_opened_early_says_why(
    jumping: JumpingLoop,
) -> None:
    error = ShuttingDown("it is over")
    plain = KeepAliveBody(words(sends=False), get(), streaming(Pieces(b"data: 1\n\n"), SSE))
    assert await plain.read()
    assert plain.last_words(error) is None
    opened = early(streaming(Pieces(b"data: 1\n\n"), SSE))
    assert await opened.read() == HEARTBEAT
    assert opened.last_words(error) == b"event: error\ndata: ShuttingDown\n\n"
    while await opened.read() == HEARTBEAT:
        pass
    assert opened.last_words(error) is None
    for body in (plain, opened):
        body.close(Ending.ABANDONED)


async def answering(answer: Reply | Exception, after: float = 3) -> Reply:
    await asyncio.sleep(after)
    if isinstance(answer, Exception):
        raise answer
    return answer


def early(answer: Reply | Exception, exchange: Exchange | None = None) -> EarlyBody:
    task = asyncio.ensure_future(answering(answer))
    return EarlyBody(words(heartbeat=1, sends=False), exchange or get(), task)


@pytest.mark.parametrize(
    ("pieces", "given"),
    [
        ([b"data: 1\n\n"], b"data: 1\n\n"),
        ([b"\xef\xbb\xbfdata: 1\n\n"], b"data: 1\n\n"),  # a BOM begins a stream, or is none
        ([b"\xef", b"\xbb", b"\xbfdata: 1\n\n"], b"data: 1\n\n"),
        ([b"\xef\xbb\xbf", b"data: 1\n\n"], b"data: 1\n\n"),
        ([b"\xef\xbb"], b"\xef\xbb"),
    ],
)
async def test_a_stream_that_was_opened_early_goes_on_with_the_reply(
    jumping: JumpingLoop, pieces: list[bytes], given: bytes
) -> None:
    found = await all_of(early(streaming(Pieces(*pieces), SSE)))
    assert found[:2] == [HEARTBEAT, HEARTBEAT]
    assert b"".join(data for data in found if data != HEARTBEAT) == given


@pytest.mark.parametrize(
    ("answer", "event"),
    [
        (lambda: ConnectFailed("refused"), b"ConnectFailed"),
        (lambda: reply(404, body=b"no"), b"404"),
        (lambda: reply(200, body=b"{}"), b"200"),
    ],
)
async def test_what_is_no_stream_becomes_its_last_event(
    jumping: JumpingLoop, answer: Any, event: bytes
) -> None:
    came = answer()
    body = early(came)
    last = b"event: error\ndata: %b\n\n" % event
    found = [await body.read() for _ in range(3)]
    found += [await body.read()] if found[-1] == HEARTBEAT else []
    assert found[:2] == [HEARTBEAT, HEARTBEAT]
    assert found[-1] == last
    with pytest.raises(ProxyError):
        await body.read()
    assert not isinstance(came, Reply) or came.closed
    body.close(Ending.BROKEN)


async def test_a_reply_that_comes_when_nobody_waits_is_closed(jumping: JumpingLoop) -> None:
    late = reply(200, SSE)

    async def stubborn() -> Reply:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(1)
        return late

    task = asyncio.ensure_future(stubborn())
    await asyncio.sleep(0)
    abandon(task)
    await asyncio.sleep(10)
    assert late.ending is Ending.ABANDONED
