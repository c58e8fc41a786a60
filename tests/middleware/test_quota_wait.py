"""``[rate_limit] max_wait``: requests wait until a server takes them again."""

import asyncio
from typing import Any

import pytest

from proxy.core.errors import UpstreamQuotaExceeded
from proxy.core.exchange import Exchange
from proxy.core.record import QUOTA, Wait
from proxy.core.reply import Reply
from proxy.core.request_key import path_of
from proxy.middleware.concurrency.concurrency import Concurrency
from proxy.middleware.quota_wait import QuotaWait
from proxy.middleware.upstream_quota import UpstreamQuota
from proxy.policy.limiter import ConcurrencyLimiter
from proxy.policy.queue import Queue
from proxy.policy.quota import Quota
from tests.support.endpoint import StateOnly
from tests.support.loop import JumpingLoop, Script, get, loop_clock, reply, settle
from tests.support.servers import Node, balance


def patient(script: Script, server: StateOnly, max_wait: float, **options: Any) -> QuotaWait:
    """What waits, above one server."""
    own = UpstreamQuota(script, server, max_wait, clock=loop_clock(), **options)
    return QuotaWait(own.handle, max_wait, "api", clock=loop_clock())


@pytest.mark.parametrize("status", [429, 503])
async def test_a_refusal_that_names_a_time_is_heeded(jumping: JumpingLoop, status: int) -> None:
    inner = patient(
        Script(reply(status, [(b"Retry-After", b"3")]), reply()),
        StateOnly(),
        5.0,
    )
    await inner.handle(get())
    exchange = get()
    assert (await inner.handle(exchange)).status == 200
    assert exchange.record.queue_s == 3.0
    wait = Wait(QUOTA, exchange.started_at, "api", StateOnly().name, 3.0)
    assert exchange.record.longest_wait == wait


async def test_the_last_ones_are_paced(jumping: JumpingLoop) -> None:
    def left(count: int) -> Reply:
        return reply(headers=[(b"RateLimit", b'"a";r=%d;t=10' % count)])

    server = StateOnly()
    inner = patient(Script(left(100), left(10), reply(), reply(), reply()), server, 30.0)
    for _ in range(2):
        await inner.handle(get())
    exchanges: list[Exchange] = [get() for _ in range(3)]
    await asyncio.gather(*(inner.handle(exchange) for exchange in exchanges))
    assert [exchange.record.queue_s for exchange in exchanges] == [0.0, 1.0, 2.0]


async def test_a_client_that_leaves_gives_its_turn_to_the_next(jumping: JumpingLoop) -> None:
    def left(count: int) -> Reply:
        return reply(headers=[(b"RateLimit", b'"a";r=%d;t=10' % count)])

    script = Script(left(100), left(10), reply(), reply())
    inner = patient(script, StateOnly(), 30.0)
    for _ in range(3):
        await inner.handle(get())
    leaving = asyncio.create_task(inner.handle(get()))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    staying = get()
    await inner.handle(staying)
    assert staying.record.queue_s == 1.0


async def test_nobody_waits_beyond_his_deadline(jumping: JumpingLoop) -> None:
    script = Script(reply(429, [(b"Retry-After", b"5")]))
    inner = patient(script, StateOnly(), 30.0)
    await inner.handle(get())
    exchange = get()
    exchange.deadline = exchange.started_at + 2
    with pytest.raises(UpstreamQuotaExceeded):
        await inner.handle(exchange)
    assert jumping.time() == exchange.started_at


async def test_a_refusal_that_comes_while_one_waits_counts(jumping: JumpingLoop) -> None:
    server = StateOnly()
    inner = patient(Script(reply()), server, 5.0)
    assert server.quotas is not None
    own = server.quotas.of("")
    own.pause(jumping.time() + 3)
    waiting = asyncio.create_task(inner.handle(get()))
    await asyncio.sleep(1)
    own.pause(jumping.time() + 50)
    with pytest.raises(UpstreamQuotaExceeded):
        await waiting


async def test_where_there_are_several_keys_a_path_that_asks_for_a_pause_still_gets_it(
    jumping: JumpingLoop,
) -> None:
    """The quotas are those of the keys; a 503 is about the path, whoever asks."""
    server = StateOnly()
    inner = patient(
        Script(
            reply(429, [(b"Retry-After", b"9"), (b"RateLimit", b'"a";r=0;t=9')]),
            reply(503, [(b"Retry-After", b"3")]),
            reply(),
            reply(),
        ),
        server,
        5.0,
        counts_quotas=False,
    )
    assert (await inner.handle(get("/a"))).status == 429
    began = jumping.time()
    assert (await inner.handle(get("/a"))).status == 503  # another key's, at once
    assert jumping.time() == began
    await inner.handle(get("/b"))
    assert jumping.time() == began
    exchange = get("/a")
    assert (await inner.handle(exchange)).status == 200
    assert exchange.record.queue_s == 3.0
    assert not server.paused_until


@pytest.mark.parametrize(
    "said",
    [
        [(b"x-ratelimit-remaining-requests", b"0"), (b"x-ratelimit-reset-requests", b"20s")],
        [(b"RateLimit", b'"a";r=0;t=20')],
    ],
)
async def test_retry_after_counts_more_than_a_quota(
    jumping: JumpingLoop, said: list[tuple[bytes, bytes]]
) -> None:
    """draft-ietf-httpapi-ratelimit-headers 7: it takes precedence over RateLimit."""
    server = StateOnly()
    script = Script(reply(429, [(b"Retry-After", b"1"), *said]), reply())
    inner = patient(script, server, 5.0)
    await inner.handle(get())
    assert server.paused_until == 0.0  # what balances sees to that
    exchange = get()
    assert (await inner.handle(exchange)).status == 200
    assert exchange.record.queue_s == 1.0


async def test_the_wait_lasts_as_long_as_the_deadline_that_a_shared_call_has_by_then(
    jumping: JumpingLoop,
) -> None:
    server = StateOnly()
    refused = reply(503, [(b"Retry-After", b"2")])
    inner = patient(Script(refused, reply()), server, 30.0)
    await inner.handle(get())
    exchange = get()
    begun = exchange.started_at
    exchange.deadline = begun + 3
    waiting = asyncio.create_task(inner.handle(exchange))
    await asyncio.sleep(1)
    assert server.quotas is not None
    server.quotas.pause_path(path_of(exchange), begun + 5)  # another request was told so
    exchange.deadline = begun + 6
    assert (await waiting).status == 200
    assert jumping.time() == begun + 5


def exceeded(wait: float, quota: Quota | None = None) -> UpstreamQuotaExceeded:
    """What a server says that takes the next request then."""
    error = UpstreamQuotaExceeded("not now", retry_after=wait)
    error.quota, error.sendable = quota, quota is not None
    return error


async def test_it_waits_with_nothing_in_its_hands_and_then_asks_again(
    jumping: JumpingLoop,
) -> None:
    script = Script(exceeded(3), exceeded(2), reply())
    exchange = get()
    assert (await QuotaWait(script, 9, clock=loop_clock()).handle(exchange)).status == 200
    assert [at - script.times[0] for at in script.times] == [0, 3, 5]
    assert exchange.record.queue_s == 5


async def test_all_waits_together_are_bounded(jumping: JumpingLoop) -> None:
    script = Script(exceeded(3), exceeded(4))
    came = await settle(QuotaWait(script, 6, clock=loop_clock()).handle(get()))
    assert isinstance(came, UpstreamQuotaExceeded)
    assert (came.retry_after, script.sends) == (4, 2)


async def test_where_some_are_left_it_is_sent_when_it_can_wait_no_longer(
    jumping: JumpingLoop,
) -> None:
    quota = Quota()
    quota.update(100, 90, jumping.time())
    quota.update(10, 90, jumping.time())
    quota.take_turn(jumping.time())
    turns = []

    async def inner(exchange: Exchange) -> Reply:
        turn = exchange.record.turn
        turns.append(None if turn is None else turn.use(quota) and turn.anywhere)
        return await script(exchange)

    script = Script(exceeded(9, quota), exceeded(9, quota), reply())
    exchange = get()
    assert (await QuotaWait(inner, 9, clock=loop_clock()).handle(exchange)).status == 200
    assert turns == [None, False, True]
    assert exchange.record.turn is None
    script = Script(exceeded(9, quota), exceeded(9, quota), exceeded(5))
    came = await settle(QuotaWait(inner, 9, clock=loop_clock()).handle(get()))
    assert isinstance(came, UpstreamQuotaExceeded)


async def test_a_turn_that_was_not_used_is_given_back(jumping: JumpingLoop) -> None:
    quota = Quota()
    quota.update(100, 90, jumping.time())
    quota.update(10, 90, jumping.time())
    quota.take_turn(jumping.time())
    script = Script(exceeded(9, quota), reply())  # another server takes it
    await QuotaWait(script, 9, clock=loop_clock()).handle(get())
    assert quota.turn_in(jumping.time()) == 0.0
    assert quota.take_turn(jumping.time()).at == jumping.time()


async def test_whoever_waits_for_its_quota_keeps_no_permit_from_others(
    jumping: JumpingLoop,
) -> None:
    limiter = ConcurrencyLimiter(1, Queue(9, "fifo"))
    script = Script(reply(429, [(b"Retry-After", b"15")]), reply(), reply(), reply())
    own = UpstreamQuota(script, StateOnly(), 30, clock=loop_clock())
    limited = Concurrency(own.handle, limiter, None, 10, clock=loop_clock())
    handle = QuotaWait(limited.handle, 30, clock=loop_clock()).handle
    await handle(get(headers=[(b"X-Api-Key", b"a")]))
    waiting = [asyncio.create_task(handle(get(headers=[(b"X-Api-Key", b"a")]))) for _ in range(2)]
    await asyncio.sleep(1)
    assert limiter.in_flight == 0
    other = get(headers=[(b"X-Api-Key", b"b")])
    assert (await handle(other)).status == 200
    assert other.record.queue_s == 0
    assert [(await each).status for each in waiting] == [200, 200]
    assert jumping.time() - script.times[0] == 15


async def test_a_client_that_leaves_while_it_waits_leaves_nothing_behind(
    jumping: JumpingLoop,
) -> None:
    limiter = ConcurrencyLimiter(1)
    script = Script(reply(429, [(b"Retry-After", b"15")]))
    own = UpstreamQuota(script, StateOnly(), 30, clock=loop_clock())
    limited = Concurrency(own.handle, limiter, None, 10, clock=loop_clock())
    handle = QuotaWait(limited.handle, 30, clock=loop_clock()).handle
    await handle(get())
    exchange = get()
    leaving = asyncio.create_task(handle(exchange))
    await asyncio.sleep(2)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    assert (exchange.record.queue_s, exchange.record.turn, limiter.in_flight) == (2, None, 0)


async def test_after_the_wait_the_server_is_chosen_anew(jumping: JumpingLoop) -> None:
    nodes = Node("a", exceeded(2)), Node("b", exceeded(9))
    handle = QuotaWait(balance(*nodes), 30, clock=loop_clock()).handle
    waiting = asyncio.create_task(handle(get()))
    await asyncio.sleep(1)
    nodes[0].healthy = False  # it was to be asked first
    assert (await waiting).status == 200
    assert [node.asked for node in nodes] == [1, 2]
