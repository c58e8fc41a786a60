"""What a client takes for its upload says nothing of the server."""

import asyncio
import contextlib
from typing import Any

import pytest

from proxy.core.errors import ConnectFailed
from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
from tests.support.loop import reply, settle, upload
from tests.support.servers import Node, balance

pytestmark = pytest.mark.usefixtures("jumping")  # balancing looks at that clock


async def answered(exchange: Exchange) -> Reply:
    exchange.record.first_byte_at = asyncio.get_running_loop().time()
    return reply()


@pytest.mark.parametrize(
    ("outcome", "seconds"), [((9.5, reply()), 0.5), ((12.0, ConnectFailed()), 3.0)]
)
async def test_a_slow_upload_is_no_latency_of_the_server(outcome: Any, seconds: float) -> None:
    a, b = Node("a", outcome), Node("b", outcome)
    await settle(balance(a, b, policy="peak_ewma")(upload((0, 9))))
    now = asyncio.get_running_loop().time()
    assert sorted(node.latency.value(now) for node in (a, b)) == pytest.approx([0, seconds])


@pytest.mark.parametrize("spans", [[(0, 9)], [(-60, -1), (0.5, 10)]])
async def test_what_is_usual_at_a_server_has_no_slow_uploads_in_it(
    spans: list[tuple[float, float]],
) -> None:
    a, b = Node("a", (9.5, answered)), Node("b", (9.5, answered))
    await balance(a, b, policy="least_request")(upload(*spans))
    assert sorted(node.usual.seconds for node in (a, b)) == pytest.approx([0, 0.5])


@pytest.mark.parametrize(("span", "hangs"), [((0, 9), False), ((0, 1), True)])
async def test_a_server_does_not_hang_where_clients_leave_in_the_midst_of_their_uploads(
    span: tuple[float, float], hangs: bool
) -> None:
    a, b = nodes = [Node(name, *[(99, reply()) for _ in range(9)]) for name in "ab"]
    handle = balance(a, b, policy="least_request")
    for _ in range(9):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(8):
                await handle(upload(span))
    assert any(node.usual.hangs for node in nodes) is hangs
