"""A head may be as large as ``max_header_size`` says, however large that is.

Heads of over 64 KiB, a bound that is meant for what comes ahead of its turn, were not read on and
answered 408 after ``request_headers_timeout`` where a larger ``max_header_size`` allowed them.
"""

import pytest

from tests.support.message import get
from tests.support.proxy import dialled, fronted
from tests.support.upstream import HEALTHY

PATIENCE = 30.0


@pytest.mark.parametrize("kib", [60, 64, 65, 200, 900])
@pytest.mark.parametrize("lines", [1, 500])
async def test_a_head_within_the_limit_is_read_to_its_end(kib: int, lines: int) -> None:
    fields = b"".join([b"X-A: %b\r\n" % (b"a" * (kib * 1024 // lines))] * lines)
    async with fronted(
        ["wait-body", *HEALTHY],
        server={"max_header_size": "1MiB"},
    ) as (upstream, proxy):
        response = await proxy.ask(get(fields=fields), patience=PATIENCE)
        assert response.status == 200
        assert len(upstream.requests[0].head.values("X-A")) == lines


async def test_a_large_head_that_came_ahead_is_read_on_when_it_has_its_turn() -> None:
    large = get("/2", fields=b"X-A: %b\r\n" % (b"a" * (300 << 10)))
    async with dialled(
        ["wait-body", *HEALTHY],
        server={"max_header_size": "1MiB"},
    ) as (upstream, _, client):
        await client.send(get("/1") + large + get("/3"))
        for _ in range(3):
            assert (await client.receive(patience=PATIENCE)).status == 200
        targets = [request.line.split()[1] for request in upstream.requests]
        assert targets == [b"/1", b"/2", b"/3"]


async def test_a_head_over_the_limit_is_refused() -> None:
    async with fronted(server={"max_header_size": "100KiB"}) as (_, proxy):
        request = get(fields=b"X-A: %b\r\n" % (b"a" * (101 << 10)))
        assert (await proxy.ask(request, patience=PATIENCE)).status == 431
