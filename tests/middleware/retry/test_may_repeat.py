"""Which requests may be sent again."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from proxy.core.duration import Duration
from proxy.core.exchange import Exchange
from proxy.core.record import PERMIT, Wait
from proxy.core.reply import Reply
from proxy.middleware.retry.may_repeat import MayFollow, another_allowed, may_repeat
from proxy.middleware.retry.options import RetryOptions
from proxy.middleware.retry.retry import Retry
from proxy.policy.budget import Budget
from tests.support.loop import JumpingLoop, Script, get, loop_clock, post, reply

KEY = ((b"Idempotency-Key", b"1"),)


@pytest.mark.parametrize(
    ("exchange", "unsent", "sent"),
    [
        (get(), True, True),
        (get(method="PUT"), True, True),
        (get(method="PATCH"), True, False),
        (post("/", b"x"), True, False),
        (post("/", b"x", KEY), True, True),
        (post("/", b"x", KEY, resendable=False), False, False),
    ],
)
def test_what_may_have_been_received_goes_again_only_where_that_is_the_same(
    exchange: Exchange, unsent: bool, sent: bool
) -> None:
    options = RetryOptions()
    assert may_repeat(exchange, options, nothing_sent=True) is unsent
    assert may_repeat(exchange, options, nothing_sent=False) is sent


@pytest.mark.parametrize(
    ("keys", "repeats"),
    [
        ([b"1"], True),
        ([b"1", b"1"], True),
        ([b'"1"'], True),
        ([b""], False),  # a client that has none and sends the field all the same
        ([b'""'], False),
        ([b"1", b"2"], False),
    ],
)
def test_a_key_that_says_nothing_makes_no_request_idempotent(
    keys: list[bytes], repeats: bool
) -> None:
    exchange = post("/", b"x", tuple((b"Idempotency-Key", key) for key in keys))
    assert may_repeat(exchange, RetryOptions(), nothing_sent=False) is repeats


def test_a_login_goes_nowhere_else_once_it_has_begun() -> None:
    exchange = get()
    exchange.login = True
    assert may_repeat(exchange, RetryOptions(), nothing_sent=True)
    assert not may_repeat(exchange, RetryOptions(), nothing_sent=False)


def test_the_message_that_begins_a_login_goes_again_where_its_connection_had_ended() -> None:
    exchange, upload = get(), post("/", b"x")
    exchange.login = upload.login = True
    assert may_repeat(exchange, RetryOptions(), nothing_sent=False, stale=True)
    assert not may_repeat(upload, RetryOptions(), nothing_sent=False, stale=True)


def under_way(left: int = 1, connect_s: float | None = 0.01, method: str = "GET") -> Exchange:
    """An exchange whose attempt began at 100."""
    exchange = get(method=method)
    exchange.record.attempts_left, exchange.record.connect_s = left, connect_s
    exchange.record.attempt_began_at = 100.0
    return exchange


@pytest.mark.parametrize(
    ("exchange", "now", "may"),
    [
        (under_way(), 101.0, True),
        (under_way(left=0), 101.0, False),
        (under_way(method="POST"), 101.0, False),
        (under_way(method="POST", connect_s=None), 101.0, True),
        (under_way(), 103.5, False),  # only_if_failed_within
    ],
)
def test_an_attempt_gives_way_to_another_that_may_be_made(
    exchange: Exchange, now: float, may: bool
) -> None:
    options = RetryOptions(only_if_failed_within=Duration(3))
    assert MayFollow(options, Budget(0, 10, 10), lambda: now)(exchange) is may


@pytest.mark.parametrize(
    ("before", "waited", "waits_since", "may"),
    [
        (0.0, 2.0, None, True),  # 2.9 s of 4.9 were its own
        (0.0, 1.5, None, False),
        (2.0, 2.0, None, False),  # that was before this attempt
        (2.0, 3.0, 103.8, True),  # 1 s, and 1.1 s of a wait that goes on
        (2.0, 3.0, 104.2, False),
    ],
)
def test_waits_of_the_proxy_itself_do_not_count(
    before: float, waited: float, waits_since: float | None, may: bool
) -> None:
    options, exchange = RetryOptions(only_if_failed_within=Duration(3)), under_way()
    record = exchange.record
    record.queued_before, record.queue_s = before, waited
    record.wait = None if waits_since is None else Wait(PERMIT, waits_since)
    assert MayFollow(options, Budget(0, 10, 10), lambda: 104.9)(exchange) is may


@pytest.mark.parametrize(("deadline", "may"), [(None, True), (102.0, True), (101.0, False)])
def test_none_is_begun_after_the_deadline(deadline: float | None, may: bool) -> None:
    exchange = under_way()
    exchange.deadline = deadline
    assert MayFollow(RetryOptions(), Budget(0, 10, 10), lambda: 101.0)(exchange) is may


def test_asking_takes_nothing_of_the_budget() -> None:
    budget = Budget(0, 0.1, 10)  # one in the window
    may_follow = MayFollow(RetryOptions(), budget, lambda: 101.0)
    assert [may_follow(under_way()) for _ in range(3)] == [True] * 3
    assert budget.spend(101.0)
    assert not may_follow(under_way())


@pytest.mark.parametrize("left", [True, False])
def test_none_is_begun_where_no_server_could_be_asked(left: bool) -> None:
    asked: list[Exchange] = []

    def has_server_left(exchange: Exchange) -> bool:
        asked.append(exchange)
        return left

    exchange, conditions = under_way(), list[Callable[[Exchange], bool]]()
    may_follow = MayFollow(RetryOptions(), Budget(0, 10, 10), lambda: 101.0, conditions)
    conditions.append(has_server_left)  # balancing is built later
    assert may_follow(exchange) is left
    assert asked == [exchange]


@pytest.mark.parametrize(
    ("wait", "deadline", "began", "left", "may"),
    [
        (0.5, None, 100.0, 1, True),
        (0.5, 101.6, 100.0, 1, True),
        (0.5, 101.5, 100.0, 1, False),  # the deadline comes before the wait is over
        (0.5, None, 97.9, 1, False),
        (0.5, None, 100.0, 0, False),
    ],
)
def test_an_attempt_that_has_failed_and_one_that_is_ended_have_the_same_rules(
    wait: float, deadline: float | None, began: float, left: int, may: bool
) -> None:
    options, exchange = RetryOptions(only_if_failed_within=Duration(3)), under_way(left)
    exchange.deadline = deadline
    asked = another_allowed(exchange, options, 101.0, nothing_sent=False, began=began, wait=wait)
    assert asked is may


@pytest.mark.parametrize(("failed_after", "sends"), [((2.0, 2.0), 3), ((2.0, 6.0), 2), ((6.0,), 1)])
async def test_what_waits_for_a_permit_has_not_failed_by_then(
    jumping: JumpingLoop, failed_after: tuple[float, ...], sends: int
) -> None:
    def failing(seconds: float) -> Any:
        async def attempt(exchange: Exchange) -> Reply:
            with exchange.record.waiting(PERMIT, loop_clock()):
                await asyncio.sleep(4)
            await asyncio.sleep(seconds)
            return reply(503)

        return attempt

    script = Script(*map(failing, failed_after), reply(200))
    exchange = get()
    exchange.record.queue_s = 9.0  # what it had waited before
    options = RetryOptions(only_if_failed_within=Duration(5), on=("503",))
    policy = Retry(script, options, Budget(0, 10, 10), random.Random(1), clock=loop_clock())
    await policy.handle(exchange)
    assert script.sends == sends
