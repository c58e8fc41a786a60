"""Which requests are copied, and what the log says of a copy that has won."""

import asyncio
from functools import partial

import pytest

from proxy.core.body import BytesBody
from proxy.core.exchange import Exchange
from proxy.core.outcome import repeatable
from proxy.core.reply import Reply
from proxy.middleware.hedge.hedge import Hedge
from proxy.middleware.hedge.options import HedgeOptions
from proxy.middleware.retry.options import RetryOptions
from tests.support.loop import JumpingLoop, loop_clock, reply


class Servers:
    """The first to be asked takes long; each waits longer for a permit than the one before."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, exchange: Exchange) -> Reply:
        self.bodies.append(await exchange.body.reader().read())
        number = len(self.bodies)
        exchange.record.queue_s += 0.25 * number
        await asyncio.sleep(60 if number == 1 else 1)
        return reply()


def hedge(servers: Servers) -> Hedge:
    options = HedgeOptions(delay="1s", budget_percent=100.0)
    retry = RetryOptions()
    may = partial(repeatable, rules=retry)
    return Hedge(
        servers, options, lambda: True, may, retry.keep, records_outcome=True, clock=loop_clock()
    )


async def test_the_queue_time_of_a_copy_that_has_won_is_logged(jumping: JumpingLoop) -> None:
    exchange = Exchange("GET", b"/", [], b"/", started_at=jumping.time())
    await hedge(Servers()).handle(exchange)
    assert len(exchange.record.attempt_log) == 2
    # The copy began when the first had waited 0.25 s, and waited for 0.5 s more.
    assert exchange.record.queue_s == 0.75


@pytest.mark.parametrize(
    ("method", "fields", "asked"),
    [
        ("GET", [], 2),
        ("QUERY", [], 2),
        ("POST", [], 1),
        ("GET", [(b"Authorization", b"Bearer x")], 2),
        ("GET", [(b"Authorization", b"NTLM TlRMTVNTUAAB")], 1),
        ("QUERY", [(b"AUTHORIZATION", b"Negotiate YIIC")], 1),
    ],
)
async def test_what_may_run_twice_is_copied_unless_its_login_is_a_connections(
    jumping: JumpingLoop, method: str, fields: list[tuple[bytes, bytes]], asked: int
) -> None:
    servers = Servers()
    body = BytesBody(b"{}", b"Content-Length: 2\r\n", 2)
    exchange = Exchange(method, b"/", fields, b"/", body=body, started_at=jumping.time())
    exchange.login = asked == 1 and method != "POST"  # as the edge finds out
    await hedge(servers).handle(exchange)
    assert servers.bodies == [b"{}"] * asked
