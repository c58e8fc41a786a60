"""Bytes go from one socket to another, and whoever is told is told the truth."""

import asyncio
import contextlib
import fcntl
import os
import socket
import struct
from collections.abc import Iterator

import pytest

from proxy.net import splice
from proxy.net.splice import Splice, can_splice

pytestmark = pytest.mark.skipif(not can_splice(), reason="this system has no splice")
MIB = 1 << 20
PATIENCE = 30.0
DATA = bytes(range(256)) * (12 * MIB // 256)


class Told:
    """What was told, and the two connections."""

    def __init__(self, size: int, source: socket.socket, sink: socket.socket) -> None:
        self.size = 0
        self.held: list[int] = []
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        numbers = source.fileno(), sink.fileno()
        self.splice = Splice(asyncio.get_running_loop(), *numbers, size, self)

    def moved(self, size: int) -> None:
        self.size += size

    def blocked(self, held: int) -> None:
        self.held.append(held)

    def ended(self, error: Exception | None) -> None:
        self.over.set_result("end" if error is None else type(error).__name__)

    def refused(self, error: OSError) -> None:
        self.over.set_result(f"refused: {type(error).__name__}")


class Ends:
    """Of two connections: the peers, and what the proxy would have of them."""

    def __init__(self) -> None:
        self.upstream, self.source = socket.socketpair()
        self.client, self.sink = socket.socketpair()
        for end in (self.upstream, self.source, self.client, self.sink):
            end.setblocking(False)


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends()
    yield made
    for end in (made.upstream, made.source, made.client, made.sink):
        end.close()
    assert Splice.count == 0


async def received(client: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = bytearray()
    async with asyncio.timeout(PATIENCE):
        while len(data) < size and (more := await loop.sock_recv(client, 1 << 16)):
            data += more
    return bytes(data)


async def test_all_of_it_arrives_and_no_byte_more(ends: Ends) -> None:
    loop = asyncio.get_running_loop()
    told = Told(len(DATA) - 5, ends.source, ends.sink)
    told.splice.start()
    sending = asyncio.create_task(loop.sock_sendall(ends.upstream, DATA))
    assert await received(ends.client, len(DATA) - 5) == DATA[:-5]
    async with asyncio.timeout(PATIENCE):
        assert await told.over == "end"
        await sending
    assert told.size == len(DATA) - 5
    assert ends.source.recv(9) == DATA[-5:]


async def test_a_sink_that_takes_nothing_is_told_and_so_is_that_it_goes_on(ends: Ends) -> None:
    loop = asyncio.get_running_loop()
    told = Told(len(DATA), ends.source, ends.sink)
    told.splice.start()
    sending = asyncio.create_task(loop.sock_sendall(ends.upstream, DATA))
    async with asyncio.timeout(PATIENCE):
        while not told.held:  # noqa: ASYNC110 - the splice is not asked to notify tests
            await asyncio.sleep(0.001)
    assert told.held[-1] > 0
    assert not told.over.done()
    assert await received(ends.client, len(DATA)) == DATA
    async with asyncio.timeout(PATIENCE):
        assert await told.over == "end"
        await sending
    assert told.held[-1] == 0


async def test_what_came_before_an_early_end_still_goes_on(ends: Ends) -> None:
    told = Told(2 * MIB, ends.source, ends.sink)
    ends.upstream.send(b"some")
    ends.upstream.close()
    told.splice.start()
    assert await received(ends.client, 4) == b"some"
    async with asyncio.timeout(PATIENCE):
        assert await told.over == "EOFError"


async def test_a_reset_behind_many_pieces_is_told(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uvloop tells of it once, while more is there than is taken at a time."""
    monkeypatch.setattr(splice, "_PIECE", 1000)
    monkeypatch.setattr(splice, "_LITTLE", 0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        upstream = socket.create_connection(server.getsockname())
        source, _ = server.accept()
    with source:
        source.setblocking(False)
        told = Told(2 * MIB, source, ends.sink)
        told.splice.start()
        upstream.sendall(DATA[:100_000])
        upstream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        upstream.close()
        async with asyncio.timeout(PATIENCE):
            assert await told.over == "ConnectionResetError"


async def test_a_sink_that_is_gone_is_told_apart(ends: Ends) -> None:
    told = Told(2 * MIB, ends.source, ends.sink)
    ends.upstream.send(b"some")
    ends.client.close()
    told.splice.start()
    async with asyncio.timeout(PATIENCE):
        assert await told.over == "refused: BrokenPipeError"


async def test_a_close_lets_go_of_everything_at_any_moment(ends: Ends) -> None:
    descriptors = []
    for before in (None, b"some", None, b"some"):
        told = Told(2 * MIB, ends.source, ends.sink)
        told.splice.start()
        if before is not None:
            ends.upstream.send(before)
            assert await received(ends.client, 4) == before
        told.splice.close()
        told.splice.close()
        assert Splice.count == 0
        assert not told.over.done()
        descriptors.append(len(os.listdir("/proc/self/fd")))
    assert descriptors[1:] == descriptors[1:2] * 3


@pytest.mark.parametrize("left", [0, 1])
async def test_without_descriptors_nothing_is_left_behind(
    ends: Ends, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    copies: list[int] = []
    copy = os.dup

    def full(descriptor: int) -> int:
        if len(copies) == left:
            raise OSError(24, "Too many open files")
        copies.append(copy(descriptor))
        return copies[-1]

    before = os.listdir("/proc/self/fd")
    monkeypatch.setattr(os, "dup", full)
    with pytest.raises(OSError, match="Too many"):
        Told(2 * MIB, ends.source, ends.sink)
    assert Splice.count == 0
    assert len(copies) == left
    assert os.listdir("/proc/self/fd") == before


async def test_some_pipes_have_room_for_a_whole_piece(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the system makes them, 64 KiB fill them, which cost two calls."""
    monkeypatch.setattr(splice, "_ROOMY", 2)
    made = [Told(2 * MIB, ends.source, ends.sink).splice for _ in range(3)]
    room = [fcntl.fcntl(each._pipe[0], fcntl.F_GETPIPE_SZ) for each in made]
    for each in made:
        each.close()
    assert room[:2] == [splice._PIECE] * 2
    assert room[2] < splice._PIECE


async def test_where_no_more_room_is_granted_a_pipe_is_used_as_it_is(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = fcntl.fcntl

    def refused(descriptor: int, command: int, *value: int) -> int:
        if command == fcntl.F_SETPIPE_SZ:
            raise PermissionError(1, "Operation not permitted")
        return asked(descriptor, command, *value)

    monkeypatch.setattr(fcntl, "fcntl", refused)
    told = Told(4, ends.source, ends.sink)
    ends.upstream.send(b"some")
    told.splice.start()
    assert await received(ends.client, 4) == b"some"
    assert await told.over == "end"


async def test_where_pipes_have_little_room_there_is_none(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two places take more calls than copies do."""
    monkeypatch.setattr(splice, "_LITTLE", splice._PIECE * 2)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(OSError, match="no more room"):
        Told(2 * MIB, ends.source, ends.sink)
    assert Splice.count == 0
    assert os.listdir("/proc/self/fd") == before


def test_a_try_without_descriptors_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(24, "Too many open files")

    can_splice.cache_clear()
    with monkeypatch.context() as starved:
        starved.setattr(os, "pipe2", full)
        with pytest.raises(OSError, match="Too many"):
            can_splice()
    assert can_splice()


async def test_what_is_there_and_cannot_be_taken_is_for_others_to_read() -> None:
    """An urgent byte: the loop would say for ever that there is something."""
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as stack:
        upstream = stack.enter_context(socket.create_connection(listener.getsockname()))
        source = stack.enter_context(listener.accept()[0])
        source.setblocking(False)
        client, sink = (stack.enter_context(end) for end in socket.socketpair())
        client.setblocking(False)
        sink.setblocking(False)
        told = Told(2 * MIB, source, sink)
        told.splice.start()
        upstream.send(b"some")
        assert await received(client, 4) == b"some"
        assert not told.over.done()
        upstream.send(b"!", socket.MSG_OOB)
        upstream.send(b"more")
        async with asyncio.timeout(PATIENCE):
            assert await told.over == "BlockingIOError"
        assert source.recv(9) == b"more"
    assert Splice.count == 0
