"""How long a client may take between requests, and for the head of one."""

import asyncio
from math import inf

import pytest

from proxy.core.duration import Duration
from proxy.core.errors import ProxyError, RequestTimeout
from proxy.edge.http1.head_clock import LAST_CALL, HeadClock
from proxy.edge.options import ServerOptions
from tests.support.loop import JumpingLoop

AGES = 10_000.0


class Told:
    """What a clock says, and how long after its beginning."""

    def __init__(self, loop: JumpingLoop, keepalive: float = 75, head: float = 10) -> None:
        self._loop = loop
        self._began = loop.time()
        self.said: list[tuple[float, type[ProxyError] | None]] = []
        options = ServerOptions(
            keepalive_timeout=Duration(keepalive), request_headers_timeout=Duration(head)
        )
        self.clock = HeadClock(loop, options, self._failed)

    def _failed(self, error: ProxyError | None) -> None:
        self.said.append((self._loop.time() - self._began, None if error is None else type(error)))


async def test_a_connection_rests_for_its_keepalive(jumping: JumpingLoop) -> None:
    told = Told(jumping)
    told.clock.rest()
    await asyncio.sleep(AGES)
    assert told.said == [(75, None)]


async def test_each_rest_begins_anew(jumping: JumpingLoop) -> None:
    told = Told(jumping)
    told.clock.rest()
    await asyncio.sleep(50)
    told.clock.end()  # a request has come
    told.clock.rest()
    await asyncio.sleep(AGES)
    assert told.said == [(125, None)]


async def test_a_head_has_its_time_from_its_first_byte(jumping: JumpingLoop) -> None:
    told = Told(jumping)
    told.clock.rest()
    await asyncio.sleep(70)
    told.clock.begin()
    await asyncio.sleep(8)
    told.clock.begin()  # more of it
    told.clock.rest()  # a reply that ends meanwhile gives it no more
    await asyncio.sleep(AGES)
    assert told.said == [(80, RequestTimeout)]


async def test_a_head_that_is_whole_is_not_late(jumping: JumpingLoop) -> None:
    told = Told(jumping)
    told.clock.begin()
    told.clock.end()
    await asyncio.sleep(AGES)
    assert told.said == []


@pytest.mark.parametrize(("keepalive", "head"), [(0.0, 10.0), (75.0, 0.0)])
async def test_each_of_them_may_be_off(jumping: JumpingLoop, keepalive: float, head: float) -> None:
    told = Told(jumping, keepalive, head)
    told.clock.rest()
    if keepalive:
        told.clock.begin()  # from now on it is no rest any more
    await asyncio.sleep(AGES)
    assert told.said == []


@pytest.mark.parametrize(("keepalive", "rests"), [(75.0, 1.0), (0.5, 0.5), (0.0, 1.0)])
async def test_a_retired_connection_has_a_second_for_a_last_request(
    jumping: JumpingLoop, keepalive: float, rests: float
) -> None:
    told = Told(jumping, keepalive)
    told.clock.retire()
    told.clock.rest()
    await asyncio.sleep(AGES)
    assert told.said == [(rests, None)]
    assert rests <= LAST_CALL


async def test_when_it_is_closed_nobody_is_told_nor_held(jumping: JumpingLoop) -> None:
    told = Told(jumping)
    told.clock.begin()
    told.clock.close()
    await asyncio.sleep(AGES)
    assert told.said == []
    assert told.clock._failed is not told._failed


async def test_it_knows_since_when_a_connection_rests(jumping: JumpingLoop) -> None:
    for keepalive in (75, 0):
        clock = Told(jumping, keepalive=keepalive).clock
        seen = [clock.since]
        clock.rest()
        seen.append(clock.since)
        clock.begin()
        seen.append(clock.since)
        clock.end()
        seen.append(clock.since)
        await asyncio.sleep(1)
        clock.rest()
        now = jumping.time()
        assert [*seen, clock.since] == [inf, now - 1, inf, inf, now]
        clock.close()
