"""The switch does what it says."""

import pytest

from proxy.core.exchange import Exchange
from proxy.edge.http1.connection import Connection
from proxy.http.fields import RawHeaders
from tests.support import ways
from tests.support.message import get
from tests.support.proxy import proxied
from tests.support.upstream import RawUpstream


@pytest.mark.parametrize(("way", "expected"), [("usual", 1), ("long", 0), ("fast", 2)])
async def test_of_two_equal_requests_so_many_are_read_fast(
    way: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways.take(way, monkeypatch)
    fast = []
    whole = Connection._whole

    def read_fast(connection: Connection, exchange: Exchange, raw: RawHeaders) -> None:
        fast.append(exchange)
        whole(connection, exchange, raw)

    monkeypatch.setattr(Connection, "_whole", read_fast)
    async with (
        RawUpstream() as upstream,
        proxied(upstream) as proxy,
        await proxy.connect() as client,
    ):
        for _ in range(2):
            assert (await client.ask(get())).status == 200
    assert len(fast) == expected
