"""What is known of a request that has failed while its copies are under way."""

import asyncio
from typing import Any

import pytest

from proxy.core.errors import ConnectionTerminated
from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
from proxy.middleware.hedge.hedge import Hedge
from proxy.middleware.hedge.options import HedgeOptions
from tests.middleware.hedge.test_hedge import Servers, hedge
from tests.support.loop import JumpingLoop, get, loop_clock, reply


@pytest.mark.parametrize("bad", [reply(503), ConnectionTerminated("no")])
async def test_no_further_copy_is_launched(jumping: JumpingLoop, bad: Any) -> None:
    servers = Servers((1.5, bad), (9, reply(200)), (1, reply(201)))
    exchange = get()
    assert (await hedge(servers, max=2).handle(exchange)).status == 200
    assert [each.endpoint for each in exchange.record.attempt_log] == ["s1", "s2"]
    assert exchange.record.attempt_count == 2


async def test_the_server_of_the_copy_is_waited_for(jumping: JumpingLoop) -> None:
    sent: list[Exchange] = []

    async def servers(exchange: Exchange) -> Reply:
        sent.append(exchange)
        record, number = exchange.record, len(sent)
        record.attempt_count, record.endpoint = 1, f"s{number}"
        record.connect_s = record.first_byte_at = None
        await asyncio.sleep(3 * number)
        record.connect_s, record.first_byte_at = 0.0, jumping.time()
        return reply(503 if number == 1 else 200)

    hedge = Hedge(
        servers,
        HedgeOptions(delay="1s", budget_percent=100),
        lambda: True,
        lambda _: True,
        lambda _: None,
        records_outcome=True,
        clock=loop_clock(),
    )
    exchange = get()
    task = asyncio.create_task(hedge.handle(exchange))
    await asyncio.sleep(4)
    seen = exchange.record.with_call()
    assert (seen.endpoint, seen.attempt_count, len(seen.attempt_log)) == ("s2", 2, 1)
    assert (seen.connect_s, seen.first_byte_at) == (None, None)
    assert (await task).status == 200
    assert exchange.record.call is None
