"""A request's body as it comes from the client, on its clocks."""

import asyncio
from typing import Any

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import StreamReader

from proxy.core.body import read_whole
from proxy.core.duration import Duration
from proxy.core.errors import BadRequest, InternalError, RequestTimeout
from proxy.core.size import Size
from proxy.edge.http1.request_body import WAIT_FOR_CONTINUE, ClientBody
from proxy.edge.http1.spool import Room
from proxy.edge.options import ServerOptions
from proxy.net.small_reads import IN_HAND, SmallReads
from tests.support.client_stream import FakeClientStream
from tests.support.loop import JumpingLoop, get

SECONDS = 600


def coming(
    loop: JumpingLoop, rate: int, length: int | None = None, *, idle: float = 60.0, **more: Any
) -> tuple[ClientBody, StreamReader]:
    protocol = BaseProtocol(loop)
    protocol.connection_made(asyncio.Transport())
    content = StreamReader(protocol, 1 << 16, loop=loop)
    options = ServerOptions(body_min_rate=Size(rate), body_idle_timeout=Duration(idle))
    return ClientBody(content, length, options, loop, **more), content


async def drip(content: StreamReader, piece: bytes = b"x") -> None:
    for _ in range(SECONDS):
        await asyncio.sleep(1)
        content.feed_data(piece)
    content.feed_eof()


async def read_all(body: ClientBody) -> bytes:
    received = b""
    reader = body.reader()
    while data := await reader.read():
        received += data
    return received


@pytest.mark.parametrize(("rate", "piece"), [(0, b"x"), (1, b"xx")])
async def test_a_body_may_drip_where_it_is_allowed_to(
    jumping: JumpingLoop, rate: int, piece: bytes
) -> None:
    body, content = coming(jumping, rate)
    dripping = asyncio.create_task(drip(content, piece))
    assert await read_all(body) == piece * SECONDS
    await dripping


async def test_a_byte_a_second_is_too_slow_after_its_grace(jumping: JumpingLoop) -> None:
    body, content = coming(jumping, 64)
    dripping = asyncio.create_task(drip(content))
    began = jumping.time()
    with pytest.raises(RequestTimeout):
        await read_all(body)
    assert 29 < jumping.time() - began < 32
    dripping.cancel()


async def test_what_is_taken_after_the_connection_has_ended_is_not_in_hand_for_good(
    jumping: JumpingLoop,
) -> None:
    reads = SmallReads(asyncio.Protocol(), 0)
    body, content = coming(jumping, 0, reads=reads)
    content.feed_data(b"x" * 100)
    reads.written()  # as the connection says when it ends
    assert await body.reader().read() == b"x" * 100
    body.close()
    assert (reads.held, IN_HAND.bytes) == (0, 0)


async def test_a_client_that_waits_is_told_to_go_on_after_a_while(jumping: JumpingLoop) -> None:
    told: list[float] = []
    body, content = coming(jumping, 64, go_ahead=lambda: told.append(jumping.time()))
    began = jumping.time()
    reading = asyncio.create_task(body.reader().read())
    await asyncio.sleep(WAIT_FOR_CONTINUE + 0.1)
    assert [at - began for at in told] == [pytest.approx(WAIT_FOR_CONTINUE)]
    content.feed_data(b"x")
    assert await reading == b"x"
    body.proceed()
    assert len(told) == 1


@pytest.mark.parametrize("asked_after", [0.4, None])
async def test_a_client_is_waited_for_once_it_has_been_told_to_go_on(
    jumping: JumpingLoop, asked_after: float | None
) -> None:
    """A client that took 1.5 of its 2 seconds had a 408: the proxy had kept it back for one."""
    told: list[float] = []
    body, content = coming(jumping, 0, idle=2.0, go_ahead=lambda: told.append(jumping.time()))
    reading = asyncio.create_task(body.reader().read())
    if asked_after is not None:
        await asyncio.sleep(asked_after)
        body.proceed()
    held = WAIT_FOR_CONTINUE if asked_after is None else asked_after
    await asyncio.sleep(1.5 if asked_after is not None else held + 1.5)
    assert not reading.done()
    now = jumping.time()
    assert body.held_back(now) == pytest.approx(held)
    assert body.waited(now) == pytest.approx(held + 1.5)
    if asked_after is None:
        content.feed_data(b"x")
        assert await reading == b"x"
        assert body.waited(jumping.time() + 9) == pytest.approx(held + 1.5)
    else:
        with pytest.raises(RequestTimeout, match="too slowly"):
            await reading
        assert jumping.time() - told[0] == pytest.approx(2.0)
    body.close()


async def test_one_that_sends_without_waiting_is_waited_for_from_then_on(
    jumping: JumpingLoop,
) -> None:
    told: list[float] = []
    body, content = coming(jumping, 0, idle=2.0, go_ahead=lambda: told.append(jumping.time()))
    reader = body.reader()
    reading = asyncio.create_task(reader.read())
    await asyncio.sleep(0.5)
    content.feed_data(b"x")
    assert await reading == b"x"
    began = jumping.time()
    with pytest.raises(RequestTimeout):
        await reader.read()
    assert jumping.time() - began == pytest.approx(2.0)
    assert not told
    assert body.held_back(jumping.time()) == pytest.approx(0.5)
    body.close()


@pytest.mark.parametrize("answered", [False, True])
async def test_a_client_that_was_answered_instead_is_not_waited_for(
    jumping: JumpingLoop, answered: bool
) -> None:
    """It need not send what it was not asked for (RFC 9110 10.1.1)."""
    told: list[float] = []
    stream = FakeClientStream()
    stream.exchange = get()
    body, content = coming(
        jumping, 0, idle=2.0, go_ahead=lambda: told.append(jumping.time()), stream=stream
    )
    reading = asyncio.create_task(body.reader().read())
    stream.exchange.committed = answered
    await asyncio.sleep(WAIT_FOR_CONTINUE + 1.0)
    assert body.awaited is bool(told) is not answered
    assert not reading.done()
    if answered:
        await asyncio.sleep(1000)
        content.feed_data(b"x")  # it may all the same
        assert await reading == b"x"
    else:
        with pytest.raises(RequestTimeout):
            await reading
    assert not body.awaited
    body.close()


@pytest.mark.parametrize(("idle", "bounded"), [(2.0, True), (0.0, False)])
async def test_a_client_is_waited_for_where_its_clock_is_on(
    jumping: JumpingLoop, idle: float, bounded: bool
) -> None:
    body, content = coming(jumping, 64, idle=idle)
    reading = asyncio.create_task(body.reader().read())
    assert not body.awaited
    await asyncio.sleep(1.0)
    assert body.awaited is bounded
    content.feed_data(b"x")
    assert await reading == b"x"
    assert not body.awaited
    body.close()


@pytest.mark.parametrize("turns", range(5))
async def test_what_came_while_an_attempt_ended_is_for_the_next_one(
    jumping: JumpingLoop, turns: int
) -> None:
    body, content = coming(jumping, 64, go_ahead=lambda: None)
    body.keep(0)
    reading = asyncio.create_task(body.reader().read())
    await asyncio.sleep(0.1)
    content.feed_data(b"FIRST")
    for _ in range(turns):
        await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait((reading,))
    content.feed_data(b"SECOND")
    content.feed_eof()
    assert await read_all(body) == b"FIRSTSECOND"
    body.close()


async def test_an_attempt_that_would_begin_in_the_middle_does_not_begin(
    jumping: JumpingLoop,
) -> None:
    body, content = coming(jumping, 64)
    content.feed_data(b"FIRST")
    assert await body.reader().read() == b"FIRST"
    body.keep(0)  # too late
    content.feed_data(b"SECOND")
    content.feed_eof()
    assert not body.resendable
    with pytest.raises(InternalError):
        body.reader()
    assert body.copy() is None
    body.close()


async def test_an_attempt_that_is_over_reads_nothing_more(jumping: JumpingLoop) -> None:
    body, content = coming(jumping, 64)
    body.keep(0)
    content.feed_data(b"FIRST")
    before = body.reader()
    assert await before.read() == b"FIRST"
    again = body.reader()
    content.feed_data(b"SECOND")
    with pytest.raises(ConnectionError):
        await before.read()
    assert [await again.read(), await again.read()] == [b"FIRST", b"SECOND"]
    body.close()


async def test_a_body_that_ends_before_its_length_is_malformed(jumping: JumpingLoop) -> None:
    body, content = coming(jumping, 64, length=9)
    content.feed_data(b"FIRST")
    content.feed_eof()
    with pytest.raises(BadRequest):
        await read_all(body)
    body.close()


async def test_what_goes_past_it_counts_and_starts_its_clock_again(jumping: JumpingLoop) -> None:
    body, _ = coming(jumping, 0, 1 << 20)
    reading = asyncio.create_task(body.reader().read())
    for _ in range(5):
        await asyncio.sleep(50)  # of 60
        body.passed(1000)
    body.answered()  # the upstream is waited for
    await asyncio.sleep(500)
    assert body.waited(jumping.time()) == pytest.approx(250)
    body.ask()
    await asyncio.sleep(50)
    assert not reading.done()
    assert body.received == 5000
    with pytest.raises(RequestTimeout, match="too slowly"):
        await reading
    assert body.waited(jumping.time()) == pytest.approx(310)


@pytest.mark.parametrize(("taken", "found"), [(0, b"x" * 3000), (8000, None)])
async def test_a_body_is_read_whole_only_within_what_all_may_take(
    taken: int, found: bytes | None
) -> None:
    loop: Any = asyncio.get_running_loop()  # which waits for the disk
    room = Room(memory=10_000)
    room.memory = taken
    body, content = coming(loop, 0, room=room)
    for piece in (b"x" * 1000, b"x" * 2000):
        content.feed_data(piece)
    content.feed_eof()
    assert (whole := await read_whole(body, 4000)) == found
    assert whole is None or (copy := body.copy()) is None or copy.buffered is whole
    assert room.memory - taken == len(found or b"")
    assert await read_whole(body, 4000, spooled=True) == b"x" * 3000
    assert await read_all(body) == b"x" * 3000  # and it can still be sent
    body.close()
    assert room.memory == taken
