"""How long a reply may stand still, while its request is still being sent too."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp.streams import StreamReader

from proxy.core.body import Body
from proxy.core.errors import ReplyStalled
from proxy.core.timeouts import TimeoutsOptions
from proxy.http.trailers import last_chunk
from proxy.net.timers import RearmableTimer
from proxy.upstream.http1.reply_body import ProgressReplyBody, ReplyBody
from proxy.upstream.http1.request_body import RequestBodySender, Upload
from tests.support.loop import JumpingLoop

IDLE = 10.0
PING = b": ping\n\n"
EVENT = b"data: 1\n\n"


class Connection:
    """A connection whose upstream takes and says what a test has it do."""

    encrypted = False
    plain = 0
    _reading_paused = False
    awaiting_head = False
    connected = True
    writing_paused = False
    last_chunk = staticmethod(last_chunk)

    def __init__(self, loop: JumpingLoop) -> None:
        self._loop = loop
        self.protocol = self
        self.timer = RearmableTimer(loop, self._due)
        self.reads = SimpleNamespace(written=lambda unread=0: None)
        self.payload = StreamReader(cast(Any, self), 1 << 16, loop=loop)
        self.left = 0
        self.takes = True

    def arm(self, seconds: float, due: Any) -> None:
        self._on_due = due
        self.timer.arm(self._loop.time() + seconds)

    def _due(self) -> None:
        if (error := self._on_due()) is not None:
            self.payload.set_exception(error)

    def unsent(self) -> int:
        return self.left

    def send_more(self, data: bytes) -> None:
        self.left += 0 if self.takes else len(data)

    def sent_past(self, size: int) -> None:
        """It was not written here."""

    def resume_reading(self) -> None:
        """It was never paused."""

    def descriptor(self) -> int:
        return -1


class Uploading:
    """A chunked body of a client that sends when a test says."""

    length = None
    trailers = ()

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[bytes] = asyncio.Queue()
        self.asked = self.has_clock = True
        self._read = False

    @property
    def awaited(self) -> bool:
        return self._read and self.asked and self.has_clock

    def reader(self) -> "Uploading":
        return self

    async def read(self) -> bytes:
        self._read = True
        piece = await self.pieces.get()
        self._read = False
        return piece


class Exchanged:
    """A reply that comes while its request is still being sent."""

    def __init__(self, loop: JumpingLoop, progress: float = 0.0, idle: float = IDLE) -> None:
        self.loop = loop
        self.connection = connection = Connection(loop)
        self.client = Uploading()
        sender = RequestBodySender(
            cast(Body, self.client), cast(Any, connection), TimeoutsOptions()
        )
        upload = Upload(sender, asyncio.ensure_future(sender.run()))
        self.task, self.sender = upload.task, sender
        payload, known = connection.payload, cast(Any, connection)
        self.reply = ReplyBody(known, payload, upload, idle)
        if progress:
            self.reply = ProgressReplyBody(known, payload, upload, idle, progress)

    async def cut_after(self, reading: "asyncio.Future[bytes]") -> float:
        """Seconds after which a read that is under way is ended by the clock."""
        begun = self.loop.time()
        with pytest.raises(ReplyStalled):
            await reading
        self.connection.timer.close()
        self.task.cancel()
        return self.loop.time() - begun

    def read(self) -> "asyncio.Future[bytes]":
        return asyncio.ensure_future(self.reply.read())


CLOCKS = pytest.mark.parametrize(
    ("progress", "idle"), [(0.0, IDLE), (IDLE, 0.0), (IDLE, 3 * IDLE), (3 * IDLE, IDLE)]
)


@CLOCKS
async def test_a_reply_has_its_time_again_with_all_that_the_upstream_takes(
    jumping: JumpingLoop, progress: float, idle: float
) -> None:
    exchanged = Exchanged(jumping, progress, idle)
    reading = exchanged.read()
    for _ in range(20):  # each is taken at last, while others are on their way
        exchanged.connection.left = 100
        exchanged.client.pieces.put_nowait(b"x" * 100)
        await asyncio.sleep(IDLE * 0.9)
        assert not reading.done()
    exchanged.connection.takes = False
    exchanged.client.pieces.put_nowait(b"x" * 100)
    assert IDLE * 0.1 <= await exchanged.cut_after(reading) <= IDLE * 0.35


@CLOCKS
async def test_while_the_client_is_waited_for_the_clock_stands_still(
    jumping: JumpingLoop, progress: float, idle: float
) -> None:
    exchanged = Exchanged(jumping, progress, idle)
    reading = exchanged.read()
    await asyncio.sleep(100 * IDLE)
    assert not reading.done()
    exchanged.connection.takes = False
    exchanged.client.pieces.put_nowait(b"x")
    await asyncio.sleep(0)
    assert IDLE * 0.75 <= await exchanged.cut_after(reading) <= IDLE * 1.25


@CLOCKS
@pytest.mark.parametrize("reason", ["asked", "has_clock"])
async def test_a_client_that_need_not_send_does_not_make_the_clock_stand_still(
    jumping: JumpingLoop, progress: float, idle: float, reason: str
) -> None:
    """It waits for 100 (Continue), or nothing bounds how long it may take."""
    exchanged = Exchanged(jumping, progress, idle)
    setattr(exchanged.client, reason, False)
    assert await exchanged.cut_after(exchanged.read()) == IDLE


@CLOCKS
async def test_what_the_kernel_moves_of_a_request_is_taken_too(
    jumping: JumpingLoop, progress: float, idle: float
) -> None:
    exchanged = Exchanged(jumping, progress, idle)
    exchanged.sender.blocked(1000)
    reading = exchanged.read()
    for _ in range(20):
        await asyncio.sleep(IDLE * 0.9)
        assert not reading.done()
        exchanged.sender.moved(100)
    assert IDLE * 0.75 <= await exchanged.cut_after(reading) <= IDLE * 1.25


async def test_progress_has_its_whole_time_again_with_what_is_taken(jumping: JumpingLoop) -> None:
    """However much of it the pings before had used up."""
    exchanged = Exchanged(jumping, progress=IDLE, idle=0.0)
    exchanged.connection.takes = False
    exchanged.client.pieces.put_nowait(b"x" * 100)
    await asyncio.sleep(0)
    reading = exchanged.read()
    await asyncio.sleep(IDLE * 0.8)
    exchanged.connection.payload.feed_data(PING)
    assert await reading == PING
    reading = exchanged.read()
    await asyncio.sleep(IDLE * 0.1)
    exchanged.connection.left = 50
    assert IDLE <= await exchanged.cut_after(reading) <= IDLE * 1.25


async def test_time_in_which_the_client_was_waited_for_is_no_lack_of_progress(
    jumping: JumpingLoop,
) -> None:
    exchanged = Exchanged(jumping, progress=IDLE, idle=0.0)
    reading = exchanged.read()
    await asyncio.sleep(IDLE * 5)
    exchanged.connection.takes = False
    exchanged.client.pieces.put_nowait(b"x")
    await asyncio.sleep(0)
    exchanged.connection.payload.feed_data(PING)
    assert await reading == PING
    assert IDLE * 0.75 <= await exchanged.cut_after(exchanged.read()) <= IDLE


async def test_the_time_after_an_upload_counts_from_its_end(jumping: JumpingLoop) -> None:
    exchanged = Exchanged(jumping)
    reading = exchanged.read()
    await asyncio.sleep(5 * IDLE)
    exchanged.client.pieces.put_nowait(b"")
    await exchanged.task
    assert IDLE * 0.75 <= await exchanged.cut_after(reading) <= IDLE * 1.25
    assert exchanged.sender.is_over


async def test_what_the_kernel_still_holds_of_a_whole_request_is_on_its_way(
    jumping: JumpingLoop,
) -> None:
    exchanged = Exchanged(jumping)
    exchanged.connection.takes = False
    exchanged.client.pieces.put_nowait(b"x" * 1000)
    exchanged.client.pieces.put_nowait(b"")
    await exchanged.task
    reading = exchanged.read()
    for left in (800, 600, 400, 0):
        await asyncio.sleep(IDLE * 0.9)
        exchanged.connection.left = left
    await asyncio.sleep(IDLE * 0.9)
    assert not reading.done()
    assert await exchanged.cut_after(reading) <= IDLE * 0.35


async def test_an_upstream_that_takes_nothing_more_has_no_more_than_its_time(
    jumping: JumpingLoop,
) -> None:
    """However much the client sends: it only grows what waits."""
    exchanged = Exchanged(jumping)
    exchanged.connection.takes = False
    exchanged.client.pieces.put_nowait(b"x")
    await asyncio.sleep(0)
    reading = exchanged.read()

    async def go_on() -> None:
        while True:
            await asyncio.sleep(1)
            exchanged.client.pieces.put_nowait(b"x" * 100)

    sending = asyncio.ensure_future(go_on())
    assert await exchanged.cut_after(reading) == IDLE
    sending.cancel()


async def test_pings_are_no_progress_and_an_upload_is(jumping: JumpingLoop) -> None:
    """However short the waits between the pings are."""
    exchanged = Exchanged(jumping, progress=IDLE)

    async def ping() -> None:
        while True:
            await asyncio.sleep(1)
            exchanged.connection.payload.feed_data(PING)

    pinging = asyncio.ensure_future(ping())
    for _ in range(50):
        exchanged.client.pieces.put_nowait(b"x")
        assert await exchanged.read() == PING
    exchanged.client.pieces.put_nowait(b"")
    await exchanged.task
    ended = jumping.time()
    for _ in range(9):
        assert await exchanged.read() == PING
    with pytest.raises(ReplyStalled) as cut:
        await exchanged.read()
    assert cut.value.detail.endswith("within progress of 10 s")
    assert jumping.time() - ended == IDLE
    pinging.cancel()
    exchanged.connection.timer.close()


@pytest.mark.parametrize(("progress", "name"), [(0.0, "idle"), (5.0, "progress"), (50.0, "idle")])
async def test_a_reply_without_an_upload_has_the_first_of_its_clocks(
    jumping: JumpingLoop, progress: float, name: str
) -> None:
    exchanged = Exchanged(jumping, progress)
    exchanged.client.pieces.put_nowait(b"")
    await exchanged.task
    exchanged.connection.payload.feed_data(EVENT)
    assert await exchanged.reply.read() == EVENT
    begun, seconds = jumping.time(), min(progress or IDLE, IDLE)
    with pytest.raises(ReplyStalled) as cut:
        await exchanged.reply.read()
    assert cut.value.detail.endswith(f"within {name} of {seconds:.0f} s")
    assert jumping.time() - begun == seconds
    exchanged.connection.timer.close()
