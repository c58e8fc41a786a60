"""Connections whose peers acknowledge nothing any more, and those that only do not read."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from proxy.net import lost_hosts
from proxy.net.lost_hosts import AT_ONCE, EVERY, LostHosts
from proxy.net.sockets import TcpInfo
from tests.support.loop import JumpingLoop

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="options of Linux")

PATIENCE = 30.0
WELL = TcpInfo(0, 0, 0, 0, 0.0, 100)
ON_ITS_WAY = TcpInfo(0, 0, 0, 3, 60.0, 100)
SENT_AGAIN = TcpInfo(4, 4, 0, 1, EVERY, 100)
HEARD = TcpInfo(4, 4, 0, 1, EVERY - 0.1, 100)
SILENT = TcpInfo(4, 4, 0, 1, PATIENCE, 100)
NOT_READ = TcpInfo(0, 0, 1, 0, 110.0, 100)
NOT_THERE = TcpInfo(0, 0, 3, 0, PATIENCE, 100)
NOT_THERE_FOR_A_MOMENT = TcpInfo(0, 0, 3, 0, PATIENCE - 1, 100)


@contextlib.contextmanager
def connected() -> Iterator[tuple[socket.socket, socket.socket]]:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as one,
        listening.accept()[0] as other,
    ):
        yield one, other


def limit(sock: socket.socket) -> int:
    """Milliseconds for which the kernel goes on, 0 for its own limit."""
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> dict[Any, TcpInfo]:
    """What it knows of a socket."""
    known: dict[Any, TcpInfo] = {}
    monkeypatch.setattr(lost_hosts, "tcp_info", lambda sock: known[sock])
    monkeypatch.setattr(lost_hosts, "in_kernel", lambda sock: int(known[sock] is not WELL))
    return known


@pytest.mark.parametrize(
    ("seen", "limits"),
    [
        ([WELL], [0]),
        ([ON_ITS_WAY], [0]),
        ([SENT_AGAIN, SENT_AGAIN._replace(unheard_for=2 * EVERY)], [30_000, 30_000]),
        # On a path that loses much, something is acknowledged now and then: the kernel counts from
        # the first loss, and nobody is to end before his time.
        ([HEARD, HEARD, HEARD, SENT_AGAIN, SENT_AGAIN], [0, 0, 0, 45_000, 50_000]),
        ([HEARD, HEARD, HEARD, SILENT], [0, 0, 0, 1]),
        ([HEARD, HEARD, ON_ITS_WAY, SENT_AGAIN], [0, 0, 0, 30_000]),
        ([SENT_AGAIN, WELL], [30_000, 0]),
        ([SENT_AGAIN, ON_ITS_WAY, SENT_AGAIN], [30_000, 0, 30_000]),
        ([SENT_AGAIN, HEARD], [30_000, 0]),  # its host answers, and takes nothing
        ([SENT_AGAIN, NOT_READ], [30_000, 0]),
        ([NOT_THERE_FOR_A_MOMENT, NOT_THERE, WELL], [0, 1, 0]),
    ],
)
async def test_the_kernel_is_told_for_how_long_it_may_send_something_again(
    jumping: JumpingLoop, kernel: dict[Any, TcpInfo], seen: list[TcpInfo], limits: list[int]
) -> None:
    """For good it would also end whoever is there and does not read."""
    hosts = LostHosts(jumping, lambda _: PATIENCE)
    with connected() as (one, _):
        hosts.watch(one)
        await asyncio.sleep(0.1)
        for info, expected in zip(seen, limits, strict=True):
            kernel[one] = info
            await asyncio.sleep(EVERY)
            assert limit(one) == expected
        hosts.forget(one)


def between_tries(sock: socket.socket) -> int:
    """Milliseconds between two tries at the most."""
    try:
        return sock.getsockopt(socket.IPPROTO_TCP, lost_hosts._RTO_MAX_MS)
    except OSError:
        pytest.skip("TCP_RTO_MAX_MS is of Linux 6.15")


async def test_the_last_try_is_shortly_before_the_limit(
    jumping: JumpingLoop, kernel: dict[Any, TcpInfo]
) -> None:
    """Each was after twice the time of the one before, the last one perhaps half way: an outage
    that was over by then ended the connection all the same."""
    hosts = LostHosts(jumping, lambda _: PATIENCE)
    with connected() as (one, _):
        usual = between_tries(one)
        hosts.watch(one)
        await asyncio.sleep(0.1)
        for info, expected in ((WELL, usual), (SENT_AGAIN, 10_000), (HEARD, usual)):
            kernel[one] = info
            await asyncio.sleep(EVERY)
            assert between_tries(one) == expected
        hosts.forget(one)


@pytest.mark.parametrize("usual", [5_000, 60_000])
async def test_the_time_between_tries_of_the_host_itself_comes_back(
    jumping: JumpingLoop, kernel: dict[Any, TcpInfo], usual: int
) -> None:
    """Also where a limit was moved meanwhile; and a shorter one stays."""
    patience = PATIENCE
    hosts = LostHosts(jumping, lambda _: patience)
    with connected() as (one, _):
        between_tries(one)
        one.setsockopt(socket.IPPROTO_TCP, lost_hosts._RTO_MAX_MS, usual)
        hosts.watch(one)
        await asyncio.sleep(0.1)
        for patience in (PATIENCE, 2 * PATIENCE):
            kernel[one] = SENT_AGAIN
            await asyncio.sleep(EVERY)
            assert limit(one) >= patience * 1000
            assert between_tries(one) == min(usual, 10_000)
        kernel[one] = HEARD
        await asyncio.sleep(EVERY)
        assert (limit(one), between_tries(one)) == (0, usual)
        hosts.forget(one)


async def test_each_has_the_time_that_what_is_known_of_it_gives_it(
    jumping: JumpingLoop, kernel: dict[Any, TcpInfo]
) -> None:
    hosts = LostHosts(jumping, lambda info: float(info.acknowledged))
    with connected() as (one, other):
        kernel[one], kernel[other] = SENT_AGAIN, SENT_AGAIN._replace(acknowledged=10)
        hosts.watch(one)
        hosts.watch(other)
        await asyncio.sleep(EVERY + 1)
        assert (limit(one), limit(other)) == (100_000, 10_000)
        hosts.forget(one)
        hosts.forget(other)


async def test_what_has_ended_is_not_looked_at_and_nobody_looks_where_nothing_is(
    jumping: JumpingLoop, kernel: dict[Any, TcpInfo]
) -> None:
    hosts = LostHosts(jumping, lambda _: PATIENCE)
    with connected() as (one, other):
        hosts.watch(one)
        hosts.forget(one)  # ``kernel`` knows nothing of it
        await asyncio.sleep(3 * EVERY)
        assert not hosts._looking
        kernel[other] = SENT_AGAIN
        hosts.watch(other)  # and again from then on
        await asyncio.sleep(EVERY + 1)
        assert limit(other) == 30_000
        other.close()  # before anybody is told
        kernel[other] = ON_ITS_WAY
        await asyncio.sleep(EVERY)
        hosts.forget(other)
        assert not hosts._limits
        assert not hosts._recover
    one_way, other_way = socket.socketpair()
    with one_way, other_way:
        hosts.watch(one_way)
        hosts.watch(None)
        assert not hosts._sockets


async def test_a_few_are_looked_at_in_one_turn_of_the_loop(
    jumping: JumpingLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Socket:
        family = socket.AF_INET

    looked: list[Any] = []

    def note(sock: Any) -> int:
        looked.append(sock)
        return 0

    monkeypatch.setattr(lost_hosts, "in_kernel", note)
    hosts = LostHosts(jumping, lambda _: PATIENCE)
    many = [Socket() for _ in range(2 * AT_ONCE + 1)]
    for one in many:
        hosts.watch(one)
    hosts._look()
    assert len(looked) == AT_ONCE
    hosts.forget(many[0])
    await asyncio.sleep(1)
    assert set(looked) == set(many[1:])
    assert len(looked) == len(many) - 1
    for one in many:
        hosts.forget(one)
