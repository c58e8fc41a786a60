"""Clients that take their reply slowly, not at all, or to the end."""

import asyncio
import socket
from typing import cast

import pytest

from proxy.edge.http1.write_stall import (
    LINGER,
    LONGEST,
    UPLOADING,
    WriteStallTimer,
    being_read,
)
from tests.support.loop import JumpingLoop


class Transport:
    """Holds bytes that a client takes when a test says so."""

    def can_write_eof(self) -> bool:
        """Plain: a FIN may go out while the client still sends."""
        return True

    def __init__(self, held: int) -> None:
        self.held = held
        self.aborted_at: float | None = None

    def get_write_buffer_size(self) -> int:
        return self.held

    def is_closing(self) -> bool:
        return self.aborted_at is not None

    def abort(self) -> None:
        self.aborted_at = asyncio.get_running_loop().time()


def writing(
    loop: JumpingLoop, transport: Transport, patience: float
) -> tuple[WriteStallTimer, list[float]]:
    stuck: list[float] = []
    taker = cast(asyncio.Transport, transport)
    return WriteStallTimer(loop, patience, lambda: stuck.append(loop.time()), taker, None), stuck


async def taking(transport: Transport, step: int, every: float) -> None:
    while transport.held:
        await asyncio.sleep(every)
        transport.held = max(0, transport.held - step)


async def test_a_client_that_takes_nothing_is_stuck_after_the_patience(
    jumping: JumpingLoop,
) -> None:
    side, stuck = writing(jumping, Transport(100), 60)
    start = jumping.time()
    side.watch()
    await asyncio.sleep(1000)
    assert stuck == [start + 60]


async def test_a_client_that_takes_little_is_not_stuck(jumping: JumpingLoop) -> None:
    transport = Transport(100)
    side, stuck = writing(jumping, transport, 60)
    side.watch()
    await taking(transport, 1, 50)
    await asyncio.sleep(1000)
    assert stuck == []


async def test_a_client_that_takes_nothing_more_is_stuck_soon_after_the_patience(
    jumping: JumpingLoop,
) -> None:
    transport = Transport(100)
    side, stuck = writing(jumping, transport, 60)
    side.watch()
    await asyncio.sleep(1)
    transport.held -= 10
    last = jumping.time()
    await asyncio.sleep(1000)
    assert len(stuck) == 1
    assert last + 60 <= stuck[0] <= last + 75


async def test_without_patience_nobody_is_stuck(jumping: JumpingLoop) -> None:
    side, stuck = writing(jumping, Transport(100), 0)
    side.watch()
    await asyncio.sleep(10_000)
    assert stuck == []


async def test_what_is_cleared_or_taken_needs_no_watch(jumping: JumpingLoop) -> None:
    transport = Transport(100)
    side, stuck = writing(jumping, transport, 60)
    side.watch()
    side.clear()
    await asyncio.sleep(100)
    side.watch()
    transport.held = 0
    await asyncio.sleep(100)
    assert stuck == []


@pytest.mark.parametrize("patience", [60, 0])
async def test_a_connection_that_is_over_ends_when_all_is_taken(
    jumping: JumpingLoop, patience: float
) -> None:
    transport = Transport(100)
    side, _ = writing(jumping, transport, patience)
    side.linger(lambda: 0)
    start = jumping.time()
    await taking(transport, 10, 50)
    assert not transport.is_closing()
    await asyncio.sleep(2 * LINGER)
    assert transport.aborted_at is not None
    assert start + 500 <= transport.aborted_at <= start + 500 + 2 * LINGER


async def test_a_client_that_has_all_may_hang_up_for_a_moment(jumping: JumpingLoop) -> None:
    transport = Transport(0)
    side, _ = writing(jumping, transport, 60)
    side.linger(lambda: 0)
    await asyncio.sleep(LINGER / 2)
    assert not transport.is_closing()
    await asyncio.sleep(LINGER)
    assert transport.is_closing()


async def test_a_connection_that_is_over_does_not_wait_for_a_stuck_client(
    jumping: JumpingLoop,
) -> None:
    transport = Transport(100)
    side, _ = writing(jumping, transport, 60)
    start = jumping.time()
    side.linger(lambda: 0)
    await asyncio.sleep(200)
    assert transport.aborted_at == pytest.approx(start + 60, abs=LINGER)


async def test_a_refused_client_may_end_its_upload(jumping: JumpingLoop) -> None:
    transport = Transport(0)
    side, _ = writing(jumping, transport, 5)
    start = jumping.time()
    side.linger(lambda: UPLOADING if jumping.time() < start + 20 else 0)
    await asyncio.sleep(100)
    assert transport.aborted_at == pytest.approx(start + 20, abs=LINGER)


async def test_an_upload_without_end_is_cut(jumping: JumpingLoop) -> None:
    transport = Transport(0)
    side, _ = writing(jumping, transport, 0)
    start = jumping.time()
    side.linger(lambda: UPLOADING)
    await asyncio.sleep(100)
    assert transport.aborted_at == pytest.approx(start + LONGEST, abs=LINGER)


async def test_a_client_that_drips_is_not_uploading(jumping: JumpingLoop) -> None:
    transport = Transport(0)
    side, _ = writing(jumping, transport, 0)
    side.linger(lambda: UPLOADING - 1)
    await asyncio.sleep(2 * LINGER)
    assert transport.is_closing()


async def test_who_is_gone_is_not_looked_at(jumping: JumpingLoop) -> None:
    transport = Transport(0)
    side, _ = writing(jumping, transport, 0)
    side.linger(lambda: pytest.fail("asked"))
    side.close()
    await asyncio.sleep(2 * LINGER)
    assert not transport.is_closing()


class Encrypted(Transport):
    """One of TLS: it does not say what waits in the transport below it."""

    def can_write_eof(self) -> bool:
        return False

    def get_extra_info(self, _: str) -> None:
        return None


@pytest.mark.parametrize(("kind", "read"), [(Transport, False), (Encrypted, True)])
def test_what_is_in_a_unix_socket_is_the_clients_unless_more_may_wait_below_tls(
    kind: type[Transport], read: bool
) -> None:
    near, far = socket.socketpair(socket.AF_UNIX)
    with near, far:
        near.send(b"x" * 10_000)
        assert being_read(cast(asyncio.Transport, kind(0)), near) is read
        assert being_read(cast(asyncio.Transport, kind(100)), near)
