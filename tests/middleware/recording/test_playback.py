"""A recorded reply that is given again."""

import asyncio
import dataclasses

import pytest

from proxy.core.recording import Answer
from proxy.core.reply import Reply
from proxy.middleware.recording.playback import played
from tests.support.loop import JumpingLoop, get, loop_clock

ANSWER = Answer(
    201,
    b"Made",
    [(b"X-A", b"1"), (b"Trailer", b"X-Sum")],
    b"onetwothree",
    [(1.0, 3), (4.0, 3), (4.5, 5)],
    [(b"X-Sum", b"6")],
    10.0,
    None,
)


async def pieces(reply: Reply) -> list[bytes]:
    found = []
    while data := await reply.read():
        found.append(data)
    return found


async def test_pieces_come_as_they_came_and_at_once(jumping: JumpingLoop) -> None:
    began = jumping.time()
    reply = await played(get(), ANSWER, None)
    assert (reply.status, reply.reason, reply.length) == (201, b"Made", None)
    assert await pieces(reply) == [b"one", b"two", b"three"]
    assert jumping.time() == began


async def test_pieces_take_the_time_that_they_took(jumping: JumpingLoop) -> None:
    began = jumping.time()
    reply = await played(get(), ANSWER, loop_clock())
    times = [jumping.time() - began]
    while await reply.read():
        times.append(jumping.time() - began)
    assert times == [10.0, 11.0, 14.0, 14.5]


async def test_trailers_go_to_clients_that_take_them(jumping: JumpingLoop) -> None:
    exchange = get()
    reply = await played(exchange, ANSWER, None)
    assert reply.trailers is None
    assert reply.headers == [(b"X-A", b"1")]
    exchange.takes_trailers = True
    reply = await played(exchange, ANSWER, None)
    assert reply.last_trailers() == [(b"X-Sum", b"6")]
    assert reply.headers == ANSWER.fields


async def test_a_stream_without_an_end_is_silent_until_its_client_leaves(
    jumping: JumpingLoop,
) -> None:
    reply = await played(get(), dataclasses.replace(ANSWER, ended=False), None)
    for _ in ANSWER.pieces:
        await reply.read()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1e6):
            await reply.read()
