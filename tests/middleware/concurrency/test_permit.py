"""What a permit knows of the request that has it."""

import asyncio
from typing import Any

import pytest

from proxy.core.body import EMPTY
from proxy.core.exchange import Exchange
from proxy.middleware.concurrency.permit import Permit
from proxy.policy.limiter import ConcurrencyLimiter
from proxy.policy.permit_loans import GRACE, LEFT, SILENT, Loans
from tests.support.loop import get


class Uploading:
    """A body whose client has been waited for all the time but a tenth."""

    buffered = None

    def waited(self, now: float) -> float:
        """Nine tenths."""
        return 0.9 * now


def permit(
    exchange: Exchange, body: Any = EMPTY, task: "asyncio.Task[None] | None" = None
) -> Permit:
    """Taken at second 100."""
    exchange.body = body
    return Permit(Loans(ConcurrencyLimiter(1)), exchange, b"key", lambda: 100.0, task)


def test_what_its_client_takes_for_an_upload_is_not_served() -> None:
    assert permit(get()).served(130.0) == 30.0
    assert permit(get(), Uploading()).served(130.0) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("body", "stalled", "stalls"),
    [
        (EMPTY, 0.0, False),
        (EMPTY, GRACE, False),
        (EMPTY, 25.0, True),
        (Uploading(), 0.0, True),
    ],
)
def test_one_whose_client_does_nothing_stalls(body: Any, stalled: float, stalls: bool) -> None:
    exchange = get()
    exchange.stalled = lambda _: stalled
    held = permit(exchange, body)
    assert held.stalls(130.0) is stalls
    assert held.abandoned(130.0, since=100.0) is stalls
    assert not held.abandoned(130.0, since=130.0 - LEFT + 1.0)


@pytest.mark.parametrize(
    ("silent", "stalls", "abandoned"),
    [(GRACE - 1, False, False), (GRACE, True, False), (SILENT, True, True)],
)
def test_a_tunnel_stalls_while_it_is_silent(silent: float, stalls: bool, abandoned: bool) -> None:
    exchange = get()
    exchange.stalled = lambda _: silent
    held = permit(exchange)
    held.tunnel = True
    assert held.stalls(101.0) is stalls
    assert held.abandoned(101.0, since=100.0) is abandoned


@pytest.mark.parametrize("committed", [False, True])
async def test_one_that_is_cut_ends_with_its_reason(committed: bool) -> None:
    exchange = get()
    exchange.committed = committed
    task = asyncio.create_task(asyncio.sleep(3600))
    held = permit(exchange, task=task)
    held.cut()
    with pytest.raises(asyncio.CancelledError):
        await task
    told = (exchange.status, exchange.error)
    assert told == ((0, "connection_write_timeout") if committed else (408, "http_request_error"))
