"""What answers when the time of a request is over."""

import pytest

from proxy.core.errors import ProxyError, ResponseTimeout
from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
from proxy.core.time_over import answer_at_hand
from tests.support.loop import get, reply

LATE = "no reply within total of 1 s"
AT_HAND = reply(200, [], b"old")


def late() -> Exchange:
    exchange = get()
    exchange.deadline = 1.0
    exchange.record.bound = ("total", "total", 1.0)
    return exchange


@pytest.mark.parametrize("at_hand", [None, AT_HAND])
async def test_what_is_at_hand_answers_and_has_time_to_be_sent(at_hand: Reply | None) -> None:
    seen: list[tuple[str, str, str]] = []

    async def instead(exchange: Exchange, error: ProxyError) -> Reply | None:
        seen.append((exchange.record.outcome, error.clock, str(error)))
        return at_hand

    exchange = late()
    exchange.record.at_hand = instead
    if at_hand is None:
        with pytest.raises(ResponseTimeout):
            await answer_at_hand(exchange, None)
        assert exchange.deadline == 1.0
    else:
        assert await answer_at_hand(exchange, None) is at_hand
        assert exchange.deadline is None
    assert seen == [("timeout", "total", LATE)]


async def test_where_nothing_is_at_hand_the_error_is_the_answer() -> None:
    with pytest.raises(ResponseTimeout, match=LATE):
        await answer_at_hand(late(), None)


@pytest.mark.parametrize("stale", [None, AT_HAND])
async def test_the_fixed_reply_is_the_answer_where_no_stale_one_may_be_used(
    stale: Reply | None,
) -> None:
    async def instead(_: Exchange, __: ProxyError) -> Reply | None:
        return stale

    fixed = reply(503, [], b"sorry")
    exchange = late()
    assert await answer_at_hand(exchange, lambda *_: fixed) is fixed
    exchange.record.at_hand = instead
    assert await answer_at_hand(exchange, lambda *_: fixed) is (stale or fixed)
    assert exchange.deadline is None
