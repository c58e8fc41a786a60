"""Clients that leave before the head of a shared call: what they are told, and what is counted.

The attempts of a call whose leader has left are counted when they have ended, each once.
"""

import asyncio
from typing import Any

import pytest

from proxy.core.errors import ConnectFailed, InternalError
from proxy.core.exchange import Exchange
from proxy.core.record import ABANDONED, Attempt
from proxy.core.reply import Reply
from proxy.middleware.coalesce.coalesce import Coalesce
from proxy.middleware.coalesce.left_behind import note_end
from proxy.middleware.coalesce.options import CoalesceOptions
from proxy.middleware.coalesce.shared_reply import MemoryBudget
from tests.support.attempts import until
from tests.support.loop import JumpingLoop, loop_clock, reply
from tests.support.loop import Script as Inner
from tests.support.loop import get as exchange_of
from tests.support.message import get, length
from tests.support.proxy import Proxy, dialled, fronted
from tests.support.scope import watched
from tests.support.upstream import RawUpstream, Script

OPTIONS: dict[str, Any] = {"admin": {"listen": "127.0.0.1:0"}}
HEDGE: dict[str, Any] = {"retry": {"attempts": 1}, "hedge": {"delay": "1ms", "budget_percent": 100}}
BUSY = length(b"bad", b"503 Busy")
SHARED: dict[str, Any] = {"coalesce": {}}
SHARED_BY = [pytest.param(SHARED, id="coalesce"), pytest.param({"cache": {}}, id="cache")]


async def leave(proxy: Proxy, upstream: RawUpstream, asked: int = 1) -> None:
    """A client that leaves when so many requests have come to the upstream."""
    async with await proxy.connect() as client:
        await client.send(get())
        await upstream.until(lambda: len(upstream.requests) == asked)


@pytest.mark.parametrize("shared", SHARED_BY)
@pytest.mark.parametrize(
    ("answers", "retry", "expected"),
    [
        ([[length(b"ok")]], 1, {"200": 1}),
        ([[BUSY], [length(b"ok")]], 2, {"503": 1, "200": 1}),
        ([["rst"]], 1, {"reset": 1}),
        ([[length(b"ok" * 9)[:-1], "fin"]], 1, {"broken": 1}),
        ([[BUSY], [length(b"ok" * 9)[:-1], "fin"]], 2, {"503": 1, "broken": 1}),
        ([[length(b"ok", fields=b"Set-Cookie: a=1\r\n")], [length(b"x")]], 1, None),
    ],
    ids=["200", "503, 200", "reset", "broken", "503, broken", "private"],
)
async def test_what_goes_on_for_others(
    shared: dict[str, Any],
    answers: list[Script],
    retry: int,
    expected: dict[str, int] | None,
) -> None:
    go = asyncio.Event()
    first: Script = ["wait-body", go, *answers[0]]
    options = {**OPTIONS, **shared, "retry": {"attempts": retry, "backoff_base": "1ms"}}
    options |= {"stream": {"commit": "headers"}}
    async with dialled(first, *answers[1:], **options) as (upstream, proxy, other):
        async with await proxy.connect() as leader:
            await leader.send(get())
            await upstream.until(lambda: upstream.requests)
            await other.send(get())
            await upstream.until(lambda: watched(proxy, Coalesce)[0].counts["joined"])
        left = await proxy.record()
        assert left.status == 499
        assert left.record.attempt_count == 1  # as far as its log can tell
        go.set()
        # A reply that nobody else may have is given up, and the other client asks for itself.
        await until(proxy, {"abandoned": 1, "200": 1} if expected is None else expected)


@pytest.mark.parametrize("shared", SHARED_BY)
async def test_what_ends_with_its_only_client(shared: dict[str, Any]) -> None:
    async with fronted(["hold"], **OPTIONS, **shared) as (upstream, proxy):
        await leave(proxy, upstream)
        await until(proxy, {"abandoned": 1})


@pytest.mark.parametrize("shared", SHARED_BY)
async def test_what_ends_with_the_time_of_its_only_client(shared: dict[str, Any]) -> None:
    options = {**OPTIONS, **shared, "timeouts": {"total": "20ms"}}
    async with fronted(["hold"], **options) as (_, proxy):
        assert (await proxy.ask(get())).status == 504
        await until(proxy, {"timeout": 1})


@pytest.mark.parametrize("shared", SHARED_BY)
async def test_copies_that_end_with_their_only_client(shared: dict[str, Any]) -> None:
    options = {**OPTIONS, **shared, **HEDGE}
    async with fronted(["hold"], [BUSY], ["hold"], **options) as (upstream, proxy):
        await leave(proxy, upstream, 3)
        await until(proxy, {"abandoned": 2, "503": 1})


async def test_others_that_leave_within_the_body_have_abandoned_it() -> None:
    go = asyncio.Event()
    answer: Script = ["wait-body", go, length(b"some" * 9)[:-9], "hold"]
    options = {**OPTIONS, **SHARED, "stream": {"commit": "headers"}}
    async with fronted(answer, **options) as (upstream, proxy):
        async with await proxy.connect() as other:
            async with await proxy.connect() as leader:
                await leader.send(get())
                await upstream.until(lambda: upstream.requests)
                await other.send(get())
                await upstream.until(lambda: watched(proxy, Coalesce)[0].counts["joined"])
            await proxy.record()
            go.set()
            await other.read_until(b"some")
        await until(proxy, {"abandoned": 1})


@pytest.mark.parametrize("order", [1, -1])
async def test_who_leaves_before_the_head_knows_how_far_the_call_has_come(
    jumping: JumpingLoop, order: int
) -> None:
    tries = (Attempt("http://b", "503", 0.5),)

    async def asking(exchange: Exchange) -> Reply:
        record = exchange.record
        record.upstream, record.endpoint = "api", "http://a"
        record.attempt_count, record.attempt_log, record.connect_s = 2, tries, 0.25
        await asyncio.sleep(9)
        return reply(body=b"x")

    script, memory = Inner(asking), MemoryBudget()
    inner = Coalesce(script, CoalesceOptions(), memory, set(), clock=loop_clock())
    leader, follower = exchange_of(), exchange_of()
    waiting = [asyncio.create_task(inner.handle(each)) for each in (leader, follower)]
    await asyncio.sleep(1)
    for task in waiting[::order]:
        task.cancel()
    await asyncio.wait(waiting)
    assert [each.record.attempt_count for each in (leader, follower)] == [2, 0]
    assert [each.record.attempt_log for each in (leader, follower)] == [tries, ()]
    assert [each.record.connect_s for each in (leader, follower)] == [0.25, None]
    assert [each.record.coalesced for each in (leader, follower)] == [False, True]
    for exchange in (leader, follower):
        assert (exchange.record.upstream, exchange.record.endpoint) == ("api", "http://a")


@pytest.mark.parametrize(
    ("error", "own", "outcome", "status"),
    [
        (ConnectFailed("no"), None, "connect-failure", 0),
        (InternalError("given up"), None, ABANDONED, 0),
        (None, reply(401), "", 401),
    ],
    ids=["error", "given up", "for the leader"],
)
def test_the_exchange_of_a_call_says_what_its_last_attempt_came_to(
    error: Exception | None, own: Reply | None, outcome: str, status: int
) -> None:
    call, leader = exchange_of(), exchange_of()
    leader.record.outcome = ABANDONED
    note_end(call, leader.record, error, own, None)
    assert (call.record.outcome, call.status, call.error) == (outcome, status, "client_gone")
    assert call.committed is (own is not None)


def test_a_reply_that_came_whole_is_no_loss() -> None:
    call = exchange_of()
    note_end(call, exchange_of().record, None, None, None)
    assert (call.record.outcome, call.error) == ("", "")
