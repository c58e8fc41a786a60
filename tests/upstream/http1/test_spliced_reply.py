"""Long replies that the kernel moves: clocks, counts, cuts and connections are as ever."""

import asyncio
import contextlib
import hashlib
import os
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp.streams import StreamReader

from proxy.core.reply import Sink
from proxy.net.splice import LEAST, MOST, Splice, can_splice
from proxy.upstream.http1.reply_body import ReplyBody
from proxy.upstream.http1.spliced_reply import SplicedReply
from tests.support.message import get
from tests.support.proxy import dialled, fronted
from tests.support.upstream import Connection, Request
from tests.support.upstream_connection import connected_pair

pytestmark = pytest.mark.skipif(not can_splice(), reason="this system has no splice")
MIB = 1 << 20
BODY = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(6 * MIB // 32))
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY)
PATIENCE = 30.0


@pytest.fixture(autouse=True)
def spliced(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Splice]]:
    """Those that there were; none is left."""
    found: list[Splice] = []
    start = Splice.start

    def seen(splice: Splice) -> None:
        found.append(splice)
        start(splice)

    monkeypatch.setattr(Splice, "start", seen)
    yield found
    assert Splice.count == 0


async def test_it_is_the_same_and_the_connections_serve_on(spliced: list[Splice]) -> None:
    async with dialled([HEAD + BODY[:MIB], 0.02, BODY[MIB:]]) as (upstream, proxy, client):
        for number in range(3):
            answer = await client.ask(get())
            assert (answer.status, answer.ended) == (200, "complete")
            assert answer.body == BODY
            record = await proxy.record(number)
            assert (record.status, record.bytes_out, record.error) == (200, len(BODY), "")
        await client.send(3 * get())  # those that wait behind one have their turn
        assert [(await client.receive()).body for _ in range(3)] == 3 * [BODY]
        assert len(upstream.connections) == 1
    assert len(spliced) >= 6


async def test_an_urgent_byte_is_skipped(spliced: list[Splice]) -> None:
    """``splice`` stops before one, and the loop says again and again that there is something."""
    urgent = 0

    async def send_urgent(connection: Connection, _: Request) -> None:
        nonlocal urgent
        sock = connection.transport.get_extra_info("socket")
        with socket.socket(fileno=os.dup(sock.fileno())) as same:
            async with asyncio.timeout(PATIENCE):
                while not (spliced and urgent):
                    await asyncio.sleep(0.001)
                    with contextlib.suppress(BlockingIOError):
                        urgent += same.send(b"!", socket.MSG_OOB) if spliced else 0

    script = [HEAD + BODY[: 2 * MIB], send_urgent, BODY[2 * MIB :]]
    async with fronted(script) as (_, proxy):
        answer = await proxy.ask(get())
        assert (answer.ended, answer.body) == ("complete", BODY)
    assert urgent
    assert spliced


@pytest.mark.parametrize("size", [LEAST - 1, LEAST, LEAST + 1, 2 * LEAST], ids=str)
@pytest.mark.parametrize("first", [0, 1, LEAST // 2])
async def test_a_reply_of_about_the_least_size_is_whole(size: int, first: int) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
    script = [head + BODY[:first], 0.01, BODY[first:size]]
    async with dialled(script) as (upstream, _, client):
        for _ in range(2):
            answer = await client.ask(get())
            assert (answer.ended, answer.body) == ("complete", BODY[:size])
        assert len(upstream.connections) == 1


@pytest.mark.parametrize("what", ["half-close", "drain"])
async def test_it_goes_on_when_nothing_more_will_be_asked(what: str, spliced: list[Splice]) -> None:
    go_on = asyncio.Event()
    async with dialled(
        [HEAD + BODY[: 2 * MIB], go_on, BODY[2 * MIB :]], server={"half_close": "answer"}
    ) as (_, proxy, client):
        await client.send(get())
        await client.read_until(b"\r\n\r\n")
        first = await client.exactly(2 * MIB)
        if what == "half-close":
            client.half_close()
        draining = asyncio.ensure_future(proxy.runtime.drain()) if what == "drain" else None
        await proxy.breathe()
        go_on.set()
        assert first + await client.exactly(len(BODY) - 2 * MIB) == BODY
        assert draining is None or await draining
    assert spliced


async def test_both_sides_may_end_at_once(spliced: list[Splice]) -> None:
    async with dialled([HEAD + BODY[: 2 * MIB], "hold"]) as (upstream, proxy, client):
        await client.send(get())
        await client.exactly(2 * MIB)
        upstream.connections[0].reset()
        client.reset()
        record = await proxy.record()
        assert record.error in ("client_gone", "http_response_incomplete")
    assert spliced


@pytest.mark.parametrize(
    ("how", "what"), [("fin", "closed the connection before"), ("rst", "cut its reply by a reset")]
)
async def test_what_is_cut_by_the_upstream_is_cut_for_the_client(
    how: str, what: str, spliced: list[Splice], caplog: pytest.LogCaptureFixture
) -> None:
    """The kernel tells of a reset once: whoever reads after that finds a usual end."""
    caplog.set_level("INFO")
    begun = asyncio.Event()
    async with dialled([HEAD + BODY[: 2 * MIB], begun, how]) as (_, proxy, client):
        await client.send(get())
        await client.read_until(b"\r\n\r\n")
        assert await client.exactly(2 * MIB) == BODY[: 2 * MIB]
        assert spliced
        begun.set()
        assert await client.closed() == "fin"
        assert (await proxy.record()).error == "http_response_incomplete"
    assert what in caplog.text


async def test_bytes_behind_it_end_the_connection_to_the_upstream(spliced: list[Splice]) -> None:
    async with dialled([HEAD + BODY[:MIB], 0.02, BODY[MIB:] + b"junk"]) as (upstream, _, client):
        for _ in range(2):
            assert (await client.ask(get())).body == BODY
        assert len(upstream.connections) == 2
    assert spliced


async def test_an_upstream_that_stalls_is_ended_by_its_clock(spliced: list[Splice]) -> None:
    script = [HEAD + BODY[: 2 * MIB], "hold"]
    async with fronted(script, timeouts={"idle": "300ms"}) as (_, proxy):
        answer = await proxy.ask(get())
        assert (answer.ended, len(answer.body)) == ("fin-short", 2 * MIB)
        assert (await proxy.record()).error == "http_response_timeout"
    assert spliced


async def test_a_client_that_takes_nothing_is_cut_by_its_clock(spliced: list[Splice]) -> None:
    long = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 * MIB)
    async with (
        fronted(
            [long + bytes(64 * MIB)],
            server={"write_idle_timeout": "300ms"},
            timeouts={"idle": "5s"},
        ) as (upstream, proxy),
        await proxy.connect(receive_buffer=4096) as client,
    ):
        await client.send(get())
        record = await proxy.record()
        assert record.bytes_out < 64 * MIB
        assert record.error != "http_response_incomplete"
        await upstream.connections[0].closed.wait()
    assert spliced


async def test_a_client_that_leaves_ends_it(spliced: list[Splice]) -> None:
    async with dialled([HEAD + BODY[: 2 * MIB], "hold"]) as (upstream, proxy, client):
        await client.send(get())
        await client.exactly(MIB)
        client.reset()
        record = await proxy.record()
        assert (record.status, record.error) == (499, "client_gone")
        async with asyncio.timeout(PATIENCE):
            await upstream.connections[0].closed.wait()
    assert spliced


async def test_total_ends_it(spliced: list[Splice]) -> None:
    async with fronted([HEAD + BODY[: 2 * MIB], "hold"], timeouts={"total": "1s"}) as (_, proxy):
        answer = await proxy.ask(get())
        assert (answer.ended, len(answer.body)) == ("fin-short", 2 * MIB)
    assert spliced


async def test_many_at_a_time_are_copied(
    spliced: list[Splice], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Splice, "count", MOST)
    async with fronted([HEAD + BODY]) as (_, proxy):
        assert (await proxy.ask(get())).body == BODY
    assert not spliced
    monkeypatch.setattr(Splice, "count", 0)


async def test_what_was_read_before_it_begins_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    splice, early = ReplyBody.splice, 0

    def read_on(body: ReplyBody, sink: Sink) -> bool:
        """Agree to it, then read once more, as its transport may do until it is paused."""
        nonlocal early
        agreed = splice(body, sink)
        protocol = body._connection.protocol
        if agreed and protocol.transport is not None:
            descriptor = protocol.transport.get_extra_info("socket").fileno()
            try:
                data = os.read(descriptor, 4096)
            except BlockingIOError:
                return agreed
            early += len(data)
            protocol.data_received(data)
        return agreed

    monkeypatch.setattr(ReplyBody, "splice", read_on)
    async with fronted([HEAD + BODY]) as (_, proxy):
        assert (await proxy.ask(get())).body == BODY
    assert early


def test_an_error_holds_nothing_of_what_failed() -> None:
    class Failing:
        kept: Any = None

        def set_exception(self, error: Exception) -> None:
            self.kept = error

    reply: Any = SplicedReply.__new__(SplicedReply)
    reply._protocol = Failing()
    try:
        raise BrokenPipeError
    except OSError as error:
        reply.refused(error)
    assert isinstance(reply._protocol.kept, BrokenPipeError)
    assert reply._protocol.kept.__traceback__ is None


async def test_the_error_of_a_client_that_has_gone_keeps_nobody() -> None:
    """It stays with the connection to the upstream; the frames that it went through hold that."""
    error = BrokenPipeError()

    class Refused:
        receiver_gone = True

        def start(self) -> None:
            payload.set_exception(error)

        def close(self) -> None:
            pass

    async with connected_pair() as (protocol, _):
        payload = StreamReader(protocol, 1 << 16, loop=asyncio.get_running_loop())
        connection: Any = SimpleNamespace(protocol=protocol)
        body = ReplyBody(connection, payload, None, 60.0)
        body._splice = cast(SplicedReply, Refused())
        with pytest.raises(ConnectionResetError, match="client gone"):
            await body.read()
        assert payload.exception() is error
        assert error.__traceback__ is None
