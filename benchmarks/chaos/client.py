"""One connection of a client: it sends as its plan says, and judges what it is answered."""

import asyncio
import contextlib
import random
import socket
import struct
from typing import Final, NamedTuple

from benchmarks.chaos import content
from benchmarks.chaos.answer import Answer, End, Pace, at_once, judge, read
from benchmarks.chaos.book import Book
from benchmarks.chaos.fates import stream
from benchmarks.chaos.malformed import malformed
from benchmarks.chaos.plan import Ask, Kind, Leave, Point, Session
from benchmarks.chaos.streams import judge_events, judge_tunnel, numbers

PATIENCE: Final = 90.0
"""Seconds of silence after which a client is sure that nothing will come: no clock of the proxy
is longer than 20 s, the rest is for a busy machine."""
_BACK: Final = 3
"""Times that a client comes back to a stream."""
_PAUSES: Final = 12
"""Reads between which one that reads slowly may pause."""
_REST: Final = 0.05
"""Seconds before a client that was refused tries again."""
_LINGER: Final = struct.pack("ii", 1, 0)


class Door(NamedTuple):
    """Where the proxy listens."""

    port: int
    """On 127.0.0.1."""
    unix: str = ""
    """Path of its socket."""


class _Left(Exception):
    """The client goes, as its plan says."""


class Client:
    """A connection to the proxy."""

    def __init__(self, session: Session, seed: int, door: Door, book: Book) -> None:
        self._session = session
        self._seed = seed
        self._door = door
        self._book = book
        self._rng = random.Random(f"{seed} {session.number} writes")
        self._go_ahead = asyncio.Event()
        self._clock: asyncio.Timeout
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def run(self) -> None:
        """From the first byte to the last."""
        session = self._session
        first = session.asks[0]
        if not await self._open():
            self._book.add(first, Answer(End.REFUSED), [])
            await asyncio.sleep(_REST)
            return
        try:
            if first.kind is Kind.EVENTS:
                await self._events(first)
            elif first.kind is Kind.TUNNEL:
                await self._tunnel(first)
            elif session.pipelined:
                await self._pipelined(session.asks)
            else:
                for ask in session.asks:
                    self._book.begin(ask, first=ask is first)
                    if not await self._ask(ask):
                        break
        finally:
            self._writer.close()

    async def _open(self) -> bool:
        self._book.connections += 1
        unix = self._session.unix
        made = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        made.setblocking(False)
        if self._session.buffer:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._session.buffer)
        try:
            where = self._door.unix if unix else ("127.0.0.1", self._door.port)
            await asyncio.get_running_loop().sock_connect(made, where)
        except OSError:
            made.close()
            return False
        limit = 8192 if self._session.buffer else 1 << 17
        self._reader, self._writer = await asyncio.open_connection(sock=made, limit=limit)
        return True

    def _leave(self, how: Leave) -> None:
        """Raises _Left where nothing can be read afterwards."""
        if how is Leave.HALF:
            with contextlib.suppress(OSError):
                self._writer.write_eof()
            return
        if how is Leave.STALL:
            return
        if how is Leave.RST:
            made = self._writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
            self._writer.transport.abort()
        self._writer.close()
        raise _Left

    async def _write(self, data: bytes, most: int) -> None:
        for piece in content.pieces(data, self._rng, most):
            self._writer.write(piece)
            await self._writer.drain()
            if most > 1:
                await asyncio.sleep(self._rng.choice((0.0, 0.0, 0.001, 0.01)))

    async def _send(self, ask: Ask) -> None:
        """Raises _Left or OSError."""
        if ask.kind is Kind.MALFORMED:
            await self._write(malformed(ask.wrong, ask.target, ask.name), ask.pieces)
            return
        head, body = ask.head(), ask.framed()
        leaves = ask.leave is not Leave.NO
        if leaves and ask.point is Point.HEAD:
            await self._write(head[: 1 + int(ask.share * (len(head) - 2))], ask.pieces)
            self._leave(ask.leave)
            return
        if body and ask.expect is None and not ask.hold:
            data, body = head + body, b""
            if leaves and ask.point is Point.BODY:
                data = data[: len(head) + int(ask.share * (len(data) - len(head) - 1))]
            await self._write(data, ask.pieces)
        else:
            await self._write(head, ask.pieces)
        if ask.expect:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ask.expect):
                    await self._go_ahead.wait()
        if body:
            await asyncio.sleep(ask.hold)
            if leaves and ask.point is Point.BODY:
                body = body[: int(ask.share * (len(body) - 1))]
            await self._write(body, ask.pieces)
        if leaves and ask.point is Point.BODY:
            self._leave(ask.leave)
        elif leaves and ask.point is Point.WAIT:
            await asyncio.sleep(ask.share * 0.1)
            self._leave(ask.leave)

    async def _ask(self, ask: Ask) -> bool:
        """One request and its answer. False where no other may follow on this connection."""
        self._go_ahead.clear()
        sending = asyncio.create_task(self._send(ask))
        reading = asyncio.create_task(self._read(ask))
        answer = Answer(End.SILENT)
        try:
            async with self._patience():
                await asyncio.wait((sending, reading), return_when=asyncio.FIRST_COMPLETED)
                if sending.done() and isinstance(sending.exception(), _Left):
                    answer = Answer(End.LEFT)
                else:
                    answer = await reading
        except TimeoutError:
            pass
        except _Left:
            answer = Answer(End.LEFT)
        sent = sending.done() and sending.exception() is None
        for task in (sending, reading):
            task.cancel()
        await asyncio.gather(sending, reading, return_exceptions=True)
        self._book.add(ask, answer, judge(ask, answer))
        return sent and answer.reusable and ask.leave is Leave.NO

    async def _read(self, ask: Ask) -> Answer:
        pace = self._pace(ask)

        async def alive(have: int) -> None:
            self._goes_on()
            await pace(have)

        return await read(self._reader, ask.method, pace=alive, continued=self._go_ahead.set)

    def _patience(self) -> asyncio.Timeout:
        """For as long as something comes now and then."""
        self._clock = asyncio.timeout(PATIENCE)
        return self._clock

    def _goes_on(self) -> None:
        self._clock.reschedule(asyncio.get_running_loop().time() + PATIENCE)

    def _pace(self, ask: Ask) -> Pace:
        if ask.leave in (Leave.FIN, Leave.RST) and ask.point is Point.REPLY:

            async def leave(have: int) -> None:
                if have >= ask.share * 20_000:
                    self._leave(ask.leave)

            return leave
        if ask.slow:
            pauses = iter(self._rng.choices((0.0, 0.001, 0.02, ask.slow), k=_PAUSES))

            async def slow(_: int) -> None:
                await asyncio.sleep(next(pauses, 0.0))

            return slow
        return at_once

    async def _pipelined(self, asks: tuple[Ask, ...]) -> None:
        """All requests at once, then the answers in their order."""
        for ask in asks:
            self._book.begin(ask, first=ask is asks[0])
        data = b"".join(ask.head() + ask.framed() for ask in asks) + self._session.behind
        sending = asyncio.create_task(self._write(data, asks[0].pieces))
        for index, ask in enumerate(asks):
            answer = Answer(End.SILENT)
            with contextlib.suppress(TimeoutError):
                async with self._patience():
                    answer = await self._read(ask)
            self._book.add(ask, answer, judge(ask, answer))
            if not answer.reusable:
                for never in asks[index + 1 :]:
                    self._book.add(never, Answer(End.NONE), [])
                break
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)

    async def _events(self, ask: Ask) -> None:
        """A stream; who leaves it comes back behind the last event that was seen."""
        total = stream(self._seed, ask.nonce, 0, 0).events
        seen = 0
        for again in range(_BACK):
            name = f"{ask.name[:-1]}{again}"
            one = Ask(name, ask.nonce, Kind.EVENTS, ask.route, leave=ask.leave, point=Point.REPLY)
            self._book.begin(one, first=True)
            self._writer.write(one.head(last_event=seen))
            got = bytearray()
            leave_at = seen + 1 + int(ask.share * 10)
            left = again < _BACK - 1 and ask.leave is not Leave.NO
            answer = await self._stream(one, got, leave_at if left else 0)
            self._book.add(one, answer, judge_events(one, answer, seen, total))
            seen = max([seen, *numbers(bytes(got))])
            if answer.end in (End.WHOLE, End.NONE, End.SILENT) or not await self._open():
                break

    async def _stream(self, ask: Ask, got: bytearray, leave_at: int) -> Answer:
        """Up to the event with the number ``leave_at``, or to the end."""

        async def pace(_: int) -> None:
            self._goes_on()
            if leave_at and max(numbers(bytes(got)), default=0) >= leave_at:
                self._leave(ask.leave)

        answer = Answer(End.SILENT)
        with contextlib.suppress(TimeoutError):
            async with self._patience():
                try:
                    answer = await read(self._reader, "GET", pace=pace, into=got)
                except _Left:
                    answer = Answer(End.LEFT, 200, body=bytes(got))
        self._writer.close()
        return answer

    async def _tunnel(self, ask: Ask) -> None:
        """Go over, send, compare what comes back."""
        self._book.begin(ask, first=True)
        early = ask.share < 0.3 and not ask.coding
        self._writer.write(ask.head() + ask.framed())
        if early:
            self._writer.write(ask.body)
        answer = Answer(End.SILENT)
        with contextlib.suppress(TimeoutError):
            async with self._patience():
                answer = await self._read(ask)
                if answer.status == 101:
                    await self._echoed(ask, answer, early=early)
        gone_over = answer.status == 101
        wrong = judge_tunnel(ask, answer.body) if gone_over else judge(ask, answer)
        self._book.add(ask, answer, wrong)

    async def _echoed(self, ask: Ask, answer: Answer, *, early: bool) -> None:
        back = bytearray()
        sending = asyncio.create_task(self._through(ask, b"" if early else ask.body))
        wanted = len(ask.nonce) + 1 + ask.size
        with contextlib.suppress(OSError):
            while len(back) < wanted and (data := await self._reader.read(65_536)):
                back += data
        answer.body = bytes(back)
        answer.end = End.WHOLE if len(back) == wanted else End.CUT
        sending.cancel()
        (ended,) = await asyncio.gather(sending, return_exceptions=True)
        if isinstance(ended, _Left):
            answer.end = End.LEFT

    async def _through(self, ask: Ask, data: bytes) -> None:
        await self._write(data, ask.pieces)
        if ask.leave is not Leave.NO:
            self._leave(ask.leave)
