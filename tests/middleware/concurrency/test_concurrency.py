"""Permits, and waiting for them."""

import asyncio
from typing import Any

import pytest

from proxy.core.errors import (
    ConnectionTerminated,
    DeadlineTooShort,
    ProxyError,
    QueueFull,
    QueueTimeout,
)
from proxy.core.exchange import Exchange
from proxy.core.record import PERMIT, Wait
from proxy.core.reply import Ending, Reply
from proxy.middleware.concurrency.concurrency import Concurrency
from proxy.middleware.concurrency.options import QueueOptions
from proxy.policy.limiter import ConcurrencyLimiter
from proxy.policy.permit_loans import Loans
from proxy.policy.queue import Queue
from tests.support.garbage import collector_off
from tests.support.loop import JumpingLoop, Script, get, loop_clock, reply, settle, upload


class Streaming:
    """A body that is still to come."""

    buffered = None

    async def read(self) -> bytes:
        """Nobody reads it here."""
        raise AssertionError

    def close(self, ending: Ending) -> None:
        """Nothing is held."""


def streaming() -> Reply:
    return Reply(200, (), Streaming())


def limiter(limit: int = 1, size: int = 10, order: str = "fifo") -> ConcurrencyLimiter:
    return ConcurrencyLimiter(limit, Queue(size, order))


def limited(
    script: Script, limiter: ConcurrencyLimiter, patience: float = 10.0, **options: Any
) -> Concurrency:
    return Concurrency(script, limiter, QueueOptions(), patience, clock=loop_clock(), **options)


async def test_a_permit_is_held_until_the_body_has_ended(jumping: JumpingLoop) -> None:
    permits = limiter()
    inner = limited(Script(streaming(), reply()), permits)
    first = await inner.handle(get())
    exchange = get()
    second = asyncio.create_task(inner.handle(exchange))
    await asyncio.sleep(5)
    assert not second.done()
    waits = exchange.record.wait
    assert waits == Wait(PERMIT, exchange.started_at)
    first.close(Ending.COMPLETE)
    assert (await second).status == 200
    assert exchange.record.wait is None
    assert permits.in_flight == 0


async def test_a_whole_reply_has_ended(jumping: JumpingLoop) -> None:
    permits = limiter()
    await limited(Script(reply(body=b"all")), permits).handle(get())
    assert permits.in_flight == 0


async def test_a_failed_attempt_gives_its_permit_back(jumping: JumpingLoop) -> None:
    permits = limiter()
    with pytest.raises(ConnectionTerminated):
        await limited(Script(ConnectionTerminated("reset")), permits).handle(get())
    assert permits.in_flight == 0


async def test_who_waits_too_long_is_told_when_to_come_again(jumping: JumpingLoop) -> None:
    permits = limiter()
    permits.try_acquire(b"")
    exchange = get()
    with pytest.raises(QueueTimeout) as caught:
        await limited(Script(), permits, 3.0).handle(exchange)
    assert exchange.record.queue_s == 3.0
    assert caught.value.retry_after == 10.0
    assert permits.waiting == 0


async def test_without_a_queue_what_is_over_the_limit_is_refused_at_once(
    jumping: JumpingLoop,
) -> None:
    permits = ConcurrencyLimiter(1)
    permits.try_acquire(None)
    with pytest.raises(QueueFull, match="1 request is under way, and there is no queue"):
        await Concurrency(Script(), permits, None, 10.0, clock=loop_clock()).handle(get())


async def test_a_request_leaves_as_soon_as_its_deadline_cannot_be_met(
    jumping: JumpingLoop,
) -> None:
    permits = limiter()
    permits.try_acquire(b"")
    exchange = get()
    exchange.deadline = exchange.started_at + 5
    with pytest.raises(DeadlineTooShort, match=r"waited 3 s"):
        await limited(Script(), permits, usual=lambda *_: 2.0).handle(exchange)
    assert jumping.time() == exchange.started_at + 3
    late = get()
    late.deadline = late.started_at + 1.5
    with pytest.raises(DeadlineTooShort):
        await limited(Script(), permits, usual=lambda *_: 2.0).handle(late)
    assert permits.waiting == 0


async def test_the_wait_lasts_as_long_as_the_deadline_that_a_shared_call_has_by_then(
    jumping: JumpingLoop,
) -> None:
    permits = limiter()
    permits.try_acquire(b"")
    exchange = get()
    exchange.deadline = exchange.started_at + 2
    waiting = asyncio.create_task(
        settle(limited(Script(), permits, usual=lambda *_: 0.5).handle(exchange))
    )
    await asyncio.sleep(1)
    exchange.deadline = exchange.started_at + 5
    assert isinstance(await waiting, DeadlineTooShort)
    assert jumping.time() == exchange.started_at + 4.5
    assert permits.waiting == 0


async def test_a_deadline_that_can_be_met_is_no_reason_to_leave(jumping: JumpingLoop) -> None:
    permits = limiter()
    permits.try_acquire(b"")
    exchange = get()
    exchange.deadline = exchange.started_at + 5
    waiting = asyncio.create_task(
        limited(Script(reply()), permits, usual=lambda *_: 2.0).handle(exchange)
    )
    await asyncio.sleep(2.9)
    permits.release(b"", 0.0)
    assert (await waiting).status == 200
    assert exchange.record.queue_s == pytest.approx(2.9)


@pytest.mark.parametrize("patience", [0.0, 10.0])
async def test_one_that_has_waited_leaves_nothing_to_the_collector(
    jumping: JumpingLoop, patience: float
) -> None:
    permits = limiter()
    inner = limited(Script(*[(1, reply())] * 4), permits, patience)
    with collector_off() as found:
        replies = await asyncio.gather(*[inner.handle(get()) for _ in range(4)])
        assert [each.status for each in replies] == [200] * 4
        assert found() == {}


@pytest.mark.parametrize("moment", ["waiting", "let through", "under way"])
async def test_a_client_that_leaves_takes_no_permit_along(
    jumping: JumpingLoop, moment: str
) -> None:
    permits = limiter()
    permits.try_acquire(b"")
    task = asyncio.create_task(limited(Script((9, reply())), permits).handle(get()))
    await asyncio.sleep(1)
    if moment != "waiting":
        permits.release(b"", 0.0)
    if moment == "under way":
        await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    if moment == "waiting":
        permits.release(b"", 0.0)
    assert (permits.in_flight, permits.waiting) == (0, 0)


async def test_a_permit_for_one_that_has_just_left_goes_to_the_next(jumping: JumpingLoop) -> None:
    permits = limiter()
    permits.try_acquire(b"")
    inner = limited(Script(reply()), permits)
    leaving = asyncio.create_task(inner.handle(get()))
    staying = asyncio.create_task(inner.handle(get()))
    await asyncio.sleep(1)
    leaving.cancel()
    permits.release(b"", 0.0)  # before the one that leaves has been told so
    assert (await staying).status == 200
    assert permits.in_flight == 0


async def test_one_whose_time_is_over_when_its_client_leaves_is_told_nothing(
    jumping: JumpingLoop,
) -> None:
    failures: list[object] = []
    jumping.set_exception_handler(lambda _, context: failures.append(context))
    permits = limiter()
    permits.try_acquire(b"")
    task = asyncio.create_task(limited(Script(), permits, 3.0).handle(get()))
    jumping.call_at(jumping.time() + 3, task.cancel)  # rings first: it was set before
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (permits.timed_out, permits.waiting, failures) == (0, 0, [])


async def test_a_permit_that_nothing_is_done_with_is_lent_at_once(jumping: JumpingLoop) -> None:
    class Stalls:
        key = None

        def stalls(self, now: float) -> bool:
            return True

        def abandoned(self, now: float, since: float) -> bool:
            return False

        def cut(self) -> None:
            raise AssertionError

    permits, holder = limiter(), Stalls()
    loans, began = Loans(permits), jumping.time()
    assert permits.try_acquire(None)
    loans.begin(holder)
    assert (await limited(Script(reply()), permits, loans=loans).handle(get())).status == 200
    assert jumping.time() == began
    assert (list(loans.out), permits.in_flight) == ([holder], 0)


@pytest.mark.parametrize(
    ("value", "urgent"),
    [
        (b"0", True),
        (b"u=1", True),
        (b"u=1, i", True),
        (b"i, u=2", True),
        (b"3", False),
        (b"9999", False),
        (b"u=9", False),
        (b"high", False),
        (b"-1", False),
    ],
)
async def test_how_urgent_a_request_is_stands_in_a_field(
    jumping: JumpingLoop, value: bytes, urgent: bool
) -> None:
    permits = limiter()
    permits.try_acquire(b"")
    script = Script(reply(), reply())
    inner = Concurrency(
        script, permits, QueueOptions(priority_header="Priority"), 10.0, clock=loop_clock()
    )
    usual, other = get("/usual"), get("/other", headers=((b"priority", value),))
    tasks = [asyncio.create_task(inner.handle(exchange)) for exchange in (usual, other)]
    await asyncio.sleep(1)
    permits.release(b"", 0.0)
    await asyncio.gather(*tasks)
    assert (script.exchanges[0] is other) is urgent


async def test_what_came_is_watched(jumping: JumpingLoop) -> None:
    seen: list[tuple[float, str]] = []

    def watch(_: Exchange, seconds: float, now: float, came: Reply | BaseException) -> None:
        seen.append((seconds, type(came).__name__))
        assert permits.in_flight == 1

    permits = limiter()
    script = Script((2, reply()), (3, ConnectionTerminated("reset")))
    inner = limited(script, permits, watch=watch)
    outcomes: list[Reply | ProxyError] = [await settle(inner.handle(get())) for _ in range(2)]
    assert isinstance(outcomes[0], Reply)
    assert seen == [(2.0, "CannedReply"), (3.0, "ConnectionTerminated")]
    # What a client takes for its upload is no time of the upstream's.
    slow = Script((9.5, reply()), (9.5, ConnectionTerminated("reset")))
    watched = limited(slow, permits, watch=watch)
    for _ in range(2):
        await settle(watched.handle(upload((0, 9))))
    assert [seconds for seconds, _ in seen[2:]] == pytest.approx([0.5, 0.5])


async def test_clients_share_fairly(jumping: JumpingLoop) -> None:
    permits = limiter(order="fair", size=100)
    script = Script(*((1, reply()) for _ in range(6)))
    inner = limited(script, permits)

    def of(client: str) -> Exchange:
        exchange = get()
        exchange.client = client
        return exchange

    names = ["hog", "hog", "hog", "hog", "mouse", "mouse"]
    await asyncio.gather(*(inner.handle(of(name)) for name in names))
    assert [exchange.client for exchange in script.exchanges] == [
        *("hog", "hog", "mouse", "hog", "mouse", "hog")
    ]
