"""Try again when nothing can have happened twice."""

import asyncio
import random
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest

from proxy.core.duration import Duration
from proxy.core.errors import (
    BodyTooLarge,
    ConnectFailed,
    ConnectionTerminated,
    ConnectTimeout,
    InternalError,
    NameUnknown,
    NoEndpointAvailable,
    NotAttempted,
    ProtocolViolation,
    ProxyError,
    ReplyHeadTooLarge,
    ResponseTimeout,
    ServerAtLimit,
    Stage,
    UpstreamQuotaExceeded,
)
from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Ending, Reply
from proxy.middleware.retry.options import RetryOptions
from proxy.middleware.retry.retry import Retry
from proxy.policy.budget import Budget
from tests.support.loop import JumpingLoop, Script, get, loop_clock, post, reply
from tests.support.servers import Endless

EVERYTHING = ("connect-failure", "stale-connection", "reset", "timeout", "503")


def retry(script: Script, *, budget: Budget | None = None, **options: Any) -> Handler:
    """A Retry around a script; ``on`` is everything unless said otherwise."""
    table = RetryOptions(**{"on": EVERYTHING, **options})

    async def counted(exchange: Exchange) -> Reply:
        exchange.record.attempt_count += 1
        return await script(exchange)

    return Retry(
        counted, table, budget or Budget(0, 1000, 10), random.Random(1), clock=loop_clock()
    ).handle


def stale() -> ProxyError:
    return ConnectionTerminated("stale", stage=Stage.STALE)


FAILURES = [
    # failure, class in `on`, may go again without being idempotent
    (ConnectFailed, "connect-failure", True),
    (NameUnknown, "connect-failure", True),
    (ConnectTimeout, "connect-failure", True),
    (stale, "stale-connection", False),
    (ConnectionTerminated, "reset", False),
    (ProtocolViolation, "reset", False),
    (ResponseTimeout, "timeout", False),
]


@pytest.mark.parametrize(("failure", "name", "not_sent"), FAILURES)
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
async def test_only_what_cannot_have_happened_twice_is_sent_again(
    jumping: JumpingLoop, failure: Callable[[], ProxyError], name: str, not_sent: bool, method: str
) -> None:
    script = Script(failure(), reply(200), reply(200))
    exchange = get(method=method)
    if method == "GET" or not_sent:
        answer = await retry(script)(exchange)
        assert (answer.status, script.sends) == (200, 2)
    else:
        with pytest.raises(ProxyError):
            await retry(script)(exchange)
        assert script.sends == 1


@pytest.mark.parametrize(("failure", "name", "not_sent"), FAILURES)
async def test_what_is_not_named_is_not_tried_again(
    jumping: JumpingLoop, failure: Callable[[], ProxyError], name: str, not_sent: bool
) -> None:
    script = Script(failure(), reply(200))
    others = tuple(other for other in EVERYTHING if other != name)
    with pytest.raises(ProxyError):
        await retry(script, on=others)(get())
    assert script.sends == 1


@pytest.mark.parametrize("error", [BodyTooLarge, ReplyHeadTooLarge, InternalError])
async def test_faults_that_would_only_come_again_are_not_tried_again(
    jumping: JumpingLoop, error: type[ProxyError]
) -> None:
    script = Script(error(), reply(200))
    with pytest.raises(error):
        await retry(script)(get())
    assert script.sends == 1


async def test_an_idempotency_key_makes_a_post_repeatable(jumping: JumpingLoop) -> None:
    script = Script(ConnectionTerminated(), reply(200))
    exchange = post("/", b"x", ((b"idempotency-KEY", b"1"),))
    assert (await retry(script)(exchange)).status == 200
    assert script.sends == 2


async def test_a_body_that_is_gone_is_not_sent_again(jumping: JumpingLoop) -> None:
    script = Script(ConnectFailed(), reply(200))
    with pytest.raises(ConnectFailed):
        await retry(script)(post("/", b"x", resendable=False))
    assert script.sends == 1


async def test_when_the_tries_run_out_the_last_error_is_the_answer(jumping: JumpingLoop) -> None:
    script = Script(ConnectFailed("1"), ConnectFailed("2"), ConnectFailed("3"), reply(200))
    with pytest.raises(ConnectFailed, match="3"):
        await retry(script, attempts=3)(get())
    assert script.sends == 3


async def test_when_the_tries_run_out_the_last_reply_is_the_answer(jumping: JumpingLoop) -> None:
    replies = [reply(503, body=b"1"), reply(503, body=b"2")]
    answer = await retry(Script(*replies), attempts=2)(get())
    assert answer is replies[1]
    assert not answer.closed


async def test_a_rejected_reply_is_given_back_before_the_wait(jumping: JumpingLoop) -> None:
    rejected = reply(503, body=b"no")
    seen: list[bool] = []

    async def second(exchange: Exchange) -> Reply:
        seen.append(rejected.closed)
        return reply(200)

    await retry(Script(rejected, second))(get())
    assert seen == [True]
    assert rejected.ending is Ending.COMPLETE


@pytest.mark.parametrize(
    ("field", "options", "waited", "sends"),
    [
        (b"7", {}, 7, 2),
        (b"31", {}, 0, 1),
        (b"31", {"max_retry_after": Duration(60)}, 31, 2),
        (b"3600", {"max_retry_after": Duration(0)}, 3600, 2),
        (b"7", {"respect_retry_after": False, "backoff_base": Duration(0)}, 0, 2),
    ],
)
async def test_retry_after_is_obeyed_as_far_as_the_options_go(
    jumping: JumpingLoop, field: bytes, options: dict[str, Any], waited: float, sends: int
) -> None:
    script = Script(reply(503, ((b"Retry-After", field),)), reply(200))
    start = jumping.time()
    answer = await retry(script, **options)(get())
    assert (script.sends, answer.status) == (sends, 200 if sends == 2 else 503)
    assert jumping.time() - start == pytest.approx(waited)


async def test_a_date_in_retry_after_is_obeyed_too(jumping: JumpingLoop) -> None:
    script = Script(
        reply(503, ((b"Retry-After", formatdate(0, usegmt=True).encode()),)), reply(200)
    )
    start = jumping.time()
    await retry(script)(get())
    assert jumping.time() == start  # long past: at once, and without the backoff


async def test_a_wait_that_would_outlive_the_deadline_is_not_begun(jumping: JumpingLoop) -> None:
    script = Script(reply(503, ((b"Retry-After", b"7"),)), reply(200))
    exchange = get()
    exchange.deadline = jumping.time() + 5
    assert (await retry(script)(exchange)).status == 503
    assert script.sends == 1


@pytest.mark.parametrize(("took", "sends"), [(3.0, 2), (8.0, 1)])
async def test_only_failures_that_came_fast_are_tried_again(
    jumping: JumpingLoop, took: float, sends: int
) -> None:
    script = Script((took, reply(503)), reply(200))
    await retry(script, only_if_failed_within=Duration(5))(get())
    assert script.sends == sends


async def test_waits_stay_below_the_doubled_base(jumping: JumpingLoop) -> None:
    script = Script(*[ConnectFailed() for _ in range(5)], reply(200))
    options: dict[str, Any] = {"attempts": 6, "backoff_base": Duration(1)}
    options["backoff_max"] = Duration(4)
    await retry(script, **options)(get())
    gaps = [b - a for a, b in zip(script.times, script.times[1:], strict=False)]
    assert all(gap <= longest for gap, longest in zip(gaps, (1, 2, 4, 4, 4), strict=True))
    assert sum(gaps) > 0


async def test_a_client_that_leaves_during_the_wait_ends_it(jumping: JumpingLoop) -> None:
    script = Script(reply(503, ((b"Retry-After", b"20"),)), reply(200))
    task = asyncio.ensure_future(retry(script)(get()))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert script.sends == 1


async def test_every_attempt_is_listed_where_there_was_more_than_one() -> None:
    exchange = get()
    await retry(Script(reply(503), ConnectFailed(), reply(200)))(exchange)
    assert [attempt.outcome for attempt in exchange.record.attempt_log] == [
        "503",
        "connect-failure",
        "200",
    ]
    alone = get()
    await retry(Script(reply(200)))(alone)
    assert alone.record.attempt_log == ()


async def test_the_error_says_what_was_tried() -> None:
    script = Script(ConnectFailed("no"), ProtocolViolation("odd"))
    with pytest.raises(ProtocolViolation) as caught:
        await retry(script, attempts=2)(get())
    assert caught.value.detail.startswith("odd; tries: ")
    assert "connect-failure" in caught.value.detail
    assert "reset" in caught.value.detail


async def test_the_budget_bounds_what_is_tried_again() -> None:
    script = Script(*[ConnectFailed() for _ in range(10)])
    handler = retry(script, budget=Budget(0, 0.3, 10), attempts=2)
    for _ in range(4):
        with pytest.raises(ConnectFailed):
            await handler(get())
    assert script.sends == 4 + 3


async def test_where_nobody_is_left_to_ask_the_last_attempt_is_the_answer(
    jumping: JumpingLoop,
) -> None:
    script = Script(ConnectionTerminated("reset"), NoEndpointAvailable("nobody"), reply(200))
    exchange = get()
    with pytest.raises(ConnectionTerminated) as caught:
        await retry(script)(exchange)
    assert [attempt.outcome for attempt in exchange.record.attempt_log] == ["reset"]
    assert "reset" in caught.value.detail


@pytest.mark.parametrize("refusal", [UpstreamQuotaExceeded("none left"), ServerAtLimit("full")])
async def test_where_nobody_is_asked_again_the_reply_before_is_the_answer(
    jumping: JumpingLoop, refusal: NotAttempted
) -> None:
    fields = [(b"Retry-After", b"3"), (b"X-Why", b"a")]
    rejected = reply(503, fields, b"busy")
    script = Script(rejected, refusal, reply(200))
    exchange = get()
    answer = await retry(script)(exchange)
    assert (answer.status, list(answer.headers), await answer.read()) == (503, fields, b"busy")
    assert rejected.closed
    assert not answer.closed
    assert [attempt.outcome for attempt in exchange.record.attempt_log] == ["503"]
    began, until, queued = exchange.record.given_up
    assert until - began == pytest.approx(3.0)
    assert queued == 0.0


@pytest.mark.parametrize(
    "rejected", [Reply(503, (), Endless()), reply(503, body=b"x" * 9000)], ids=["to come", "long"]
)
async def test_a_reply_whose_body_is_not_kept_is_no_answer(
    jumping: JumpingLoop, rejected: Reply
) -> None:
    """Without its body it would look whole, and would not be."""
    script = Script(rejected, UpstreamQuotaExceeded("none left"), reply(200))
    with pytest.raises(UpstreamQuotaExceeded):
        await retry(script)(get())
    assert rejected.closed


async def test_of_several_attempts_that_were_made_the_last_is_the_answer(
    jumping: JumpingLoop,
) -> None:
    script = Script(reply(503), ConnectionTerminated("reset"), NoEndpointAvailable("nobody"))
    with pytest.raises(ConnectionTerminated):
        await retry(script)(get())
