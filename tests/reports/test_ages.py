"""How old a reply is counts from when its own request was sent: what came before it is a wait."""

import asyncio

from proxy.core.clock import monotonic
from proxy.core.exchange import Exchange
from proxy.core.record import Record
from proxy.core.timeouts import TimeoutsOptions
from proxy.upstream.address import Address
from proxy.upstream.forward import Forward
from proxy.upstream.options import ServerEntry, UpstreamOptions
from proxy.upstream.session import Session
from tests.support.loop import get
from tests.support.message import length
from tests.support.pieces import body
from tests.support.upstream import RawUpstream


def sent_at(exchange: Exchange) -> float:
    assert exchange.record.sent_at is not None
    return exchange.record.sent_at


async def test_a_request_that_waits_for_a_connection_is_sent_after_that() -> None:
    async with RawUpstream((length(b"one"),), (length(b"two"),)) as upstream, Session() as session:
        options = UpstreamOptions(name="api", servers=(upstream.url,))
        address = Address(options, ServerEntry(url=upstream.url), None)
        pool = session.connection_pool(address.template, address.unix_path, keepalive=60.0, limit=1)
        forward = Forward(address, pool, TimeoutsOptions(), tuple)
        first, second = get(), get()
        held = await forward.handle(first)
        waiting = asyncio.create_task(forward.handle(second))
        while not second.record.wait:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
        released = monotonic()
        assert await body(held) == b"one"
        assert await body(await waiting) == b"two"
        assert second.record.first_byte_at is not None
        assert released <= sent_at(second) <= second.record.first_byte_at
        assert sent_at(first) < released
        pool.close()


def test_a_copy_that_has_won_was_sent_when_it_was() -> None:
    mine, copy = Record(), Record()
    mine.sent_at, copy.sent_at, copy.first_byte_at = 1.0, 2.0, 3.0
    mine.adopt(copy)
    assert mine.sent_at == 2.0
