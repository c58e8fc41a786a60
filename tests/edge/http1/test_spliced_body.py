"""Long uploads that the kernel moves: which they are, and what goes on where it cannot."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import pytest

from proxy.core.reply import Sink
from proxy.edge.http1.request_body import ClientBody
from proxy.edge.http1.spliced_body import SplicedBody
from proxy.net.splice import MOST, Splice, can_splice
from tests.support.message import OK, chunked, post
from tests.support.proxy import dialled, fronted
from tests.support.uploads import BODY, MIB, NAMES, Way, take


@pytest.fixture(autouse=True, params=NAMES)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    """On each of the two."""
    yield from take(request.param, monkeypatch)


async def test_all_of_it_arrives_and_the_connections_serve_on(way: Way) -> None:
    async with dialled(["wait-body", OK]) as (upstream, proxy, client):
        for number in range(3):
            answer = await client.ask(post(BODY))
            assert (answer.status, answer.body, answer.ended) == (200, b"ok", "complete")
            record = await proxy.record(number)
            assert (record.status, record.bytes_in, record.error) == (200, len(BODY), "")
        assert [request.raw for request in upstream.requests] == [BODY] * 3
        assert len(upstream.connections) == 1
    way.held()


async def test_what_is_kept_for_another_try_is_read_here(way: Way) -> None:
    """A PUT may be sent again: its body goes into memory, then to the disk."""
    async with fronted([("body", 4 * MIB), "rst"], ["wait-body", OK]) as (upstream, proxy):
        assert (await proxy.ask(post(BODY, method=b"PUT"))).body == b"ok"
        assert upstream.requests[-1].raw == BODY
    assert not way.begun


async def test_chunks_are_read_here(way: Way) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with fronted(["wait-body", OK]) as (upstream, proxy):
        assert (await proxy.ask(head + chunked(BODY))).body == b"ok"
        assert upstream.requests[0].body == BODY
    assert not way.begun


async def test_many_at_a_time_are_copied(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Splice, "count", MOST)
    async with fronted(["wait-body", OK]) as (upstream, proxy):
        assert (await proxy.ask(post(BODY))).body == b"ok"
        assert upstream.requests[0].raw == BODY
    assert not way.begun
    monkeypatch.setattr(Splice, "count", 0)


@pytest.mark.parametrize("call", ["pipe2", "dup"])
async def test_without_descriptors_it_is_copied(
    call: str, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> int:
        raise OSError(24, "Too many open files")

    async with fronted(["wait-body", OK]) as (upstream, proxy):
        can_splice.cache_clear()  # the first body that is long enough asks
        monkeypatch.setattr(os, call, full)
        assert (await proxy.ask(post(BODY))).body == b"ok"
        assert upstream.requests[0].raw == BODY
    assert not way.begun


async def test_what_was_read_before_it_begins_goes_first(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    splice, early = ClientBody.splice, 0

    def read_on(body: ClientBody, sink: Sink) -> bool:
        """Agree to it, then read once more, as its transport may do until it is paused."""
        nonlocal early
        agreed = splice(body, sink)
        connection: Any = body._stream
        if agreed:
            with contextlib.suppress(BlockingIOError):
                data = os.read(connection._socket.fileno(), 4096)
                early += len(data)
                connection.data_received(data)
        return agreed

    monkeypatch.setattr(ClientBody, "splice", read_on)
    async with fronted(["wait-body", OK]) as (upstream, proxy):
        assert (await proxy.ask(post(BODY))).body == b"ok"
        assert upstream.requests[0].raw == BODY
    assert bool(early) == way.spliced


async def test_a_read_that_fails_here_is_made_by_the_connection(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some system that cannot splice from this socket after all: the bytes are still there."""
    failed = 0

    def failing(splice: Splice, *, there: bool) -> bool:
        nonlocal failed
        failed += 1
        splice._end(OSError(22, "Invalid argument"))
        return False

    monkeypatch.setattr(Splice, "_take", failing)
    async with fronted(["wait-body", OK]) as (upstream, proxy):
        assert (await proxy.ask(post(BODY))).body == b"ok"
        assert upstream.requests[0].raw == BODY
    assert bool(failed) == way.spliced
    way.held()


def test_an_error_holds_nothing_of_what_failed() -> None:
    class Failing:
        kept: Any = None

        def fail(self, error: Exception) -> None:
            self.kept = error

    body: Any = SplicedBody.__new__(SplicedBody)
    body._reader = Failing()
    try:
        raise BrokenPipeError
    except OSError as error:
        body.refused(error)
    assert isinstance(body._reader.kept, BrokenPipeError)
    assert body._reader.kept.__traceback__ is None
