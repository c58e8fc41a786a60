"""A stale entry is the answer where the time of the whole request is over."""

import asyncio

import pytest

from proxy.core.errors import ResponseTimeout
from proxy.core.exchange import Handler
from proxy.http.fields import RawHeaders
from proxy.middleware.deadline.deadline import Deadline
from proxy.middleware.deadline.options import DeadlineOptions
from proxy.middleware.total import Total
from tests.support.caching import Caching
from tests.support.loop import JumpingLoop, get, loop_clock, reply
from tests.support.pieces import body

pytestmark = pytest.mark.usefixtures("nothing_left")

HANGS = (900, reply(200, [], b"late"))
OF_CLIENT = [(b"X-Request-Timeout-Ms", b"2000")]


async def caching(control: bytes = b"max-age=5") -> tuple[Caching, Handler]:
    """With an entry that has been stale for five seconds; what asks has two seconds."""
    made = Caching(
        reply(200, [(b"Cache-Control", control)], b"old"), HANGS, HANGS, stale_if_error=60.0
    )
    await made.ask()
    await asyncio.sleep(10)
    total = Total(made.cache.handle, 2)
    return made, Deadline(total.handle, DeadlineOptions(), clock=loop_clock()).handle


@pytest.mark.parametrize("fields", [(), OF_CLIENT], ids=["total", "deadline"])
async def test_a_stale_reply_is_the_answer_where_the_time_is_over(
    jumping: JumpingLoop, fields: RawHeaders
) -> None:
    made, ask = await caching()
    began = jumping.time()
    for waited in (2, 2):  # the second is answered at once
        exchange = get(headers=fields)
        assert await body(await ask(exchange)) == b"old"
        assert jumping.time() - began == waited
        assert "detail=stale-if-error" in exchange.record.cache
        assert exchange.error == ""
    await asyncio.sleep(2)  # the rest is over
    assert await body(await ask(get(headers=fields))) == b"old"
    assert made.script.sends == 3


@pytest.mark.parametrize(
    ("control", "fields"),
    [(b"max-age=5, must-revalidate", []), (b"max-age=5", [(b"Cache-Control", b"no-cache")])],
)
async def test_what_may_not_be_used_on_an_error_is_not_used_then(
    control: bytes, fields: RawHeaders
) -> None:
    _, ask = await caching(control)
    exchange = get(headers=fields)
    with pytest.raises(ResponseTimeout):
        await ask(exchange)
    assert exchange.record.at_hand is None


async def test_a_client_that_leaves_gets_nothing() -> None:
    made, ask = await caching()
    exchange = get()
    asking = asyncio.ensure_future(ask(exchange))
    await asyncio.sleep(1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert exchange.record.cache == ""
    assert made.cache.counts["stale"] == 0
