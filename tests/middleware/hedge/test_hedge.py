"""Copies of requests that take unusually long."""

import asyncio
from functools import partial
from typing import Any

import pytest

from proxy.core.errors import ConnectFailed, ConnectionTerminated
from proxy.core.exchange import Exchange, Handler
from proxy.core.outcome import repeatable
from proxy.core.reply import Ending, Reply
from proxy.core.samples import Counts
from proxy.middleware.hedge.hedge import Hedge, link
from proxy.middleware.hedge.options import HedgeOptions
from proxy.middleware.retry.options import RetryOptions
from tests.support.loop import CannedReply, JumpingLoop, Script, get, loop_clock, post, reply
from tests.support.proxy import parsed
from tests.support.samples import told
from tests.support.scope import upstream_scope


class Servers:
    """An inner handler that notes who is asked, and who is told to stop."""

    def __init__(self, *outcomes: Any) -> None:
        self._script = Script(*outcomes)
        self.stopped: list[str] = []
        self.avoided: list[list[str]] = []

    @property
    def sends(self) -> int:
        """How often somebody was asked."""
        return self._script.sends

    @property
    def bodies(self) -> list[bytes]:
        """What arrived."""
        return self._script.bodies

    async def __call__(self, exchange: Exchange) -> Reply:
        """As a server called s1, s2, ..."""
        name = f"s{self._script.sends + 1}"
        exchange.record.endpoint = name
        exchange.record.attempt_count += 1
        self.avoided.append([attempt.endpoint for attempt in exchange.record.attempt_log])
        try:
            return await self._script(exchange)
        except asyncio.CancelledError:
            self.stopped.append(name)
            raise


def hedge(
    servers: Handler,
    delay: str = "1s",
    calm: bool = True,
    records_outcome: bool = True,
    **options: Any,
) -> Hedge:
    return Hedge(
        servers,
        HedgeOptions(delay=delay, **{"budget_percent": 100.0, **options}),
        lambda: calm,
        partial(repeatable, rules=RetryOptions()),
        RetryOptions().keep,
        records_outcome=records_outcome,
        clock=loop_clock(),
    )


async def outcome(hedge: Hedge, exchange: Exchange | None = None) -> tuple[int, float, Exchange]:
    """Status, seconds and what is known afterwards."""
    loop, exchange = asyncio.get_running_loop(), exchange or get()
    began = loop.time()
    answer = await hedge.handle(exchange)
    taken = loop.time() - began
    await asyncio.sleep(0)
    return answer.status, taken, exchange


async def test_what_is_in_time_is_asked_once(jumping: JumpingLoop) -> None:
    servers = Servers((0.9, reply(200)))
    status, taken, exchange = await outcome(hedge(servers))
    assert (status, servers.sends) == (200, 1)
    assert taken == pytest.approx(0.9)
    assert (exchange.record.attempt_log, exchange.record.attempt_count) == ((), 1)


async def test_a_copy_that_is_faster_wins_and_the_first_is_stopped(jumping: JumpingLoop) -> None:
    servers = Servers((9, reply(200)), (0.5, reply(201)))
    status, taken, exchange = await outcome(hedge(servers))
    assert (status, taken) == (201, 1.5)
    assert servers.stopped == ["s1"]
    assert servers.avoided == [[], ["s1"]]
    assert (exchange.record.endpoint, exchange.record.attempt_count) == ("s2", 2)
    assert [(t.endpoint, t.outcome, t.seconds) for t in exchange.record.attempt_log] == [
        ("s1", "hedged", 1.5),
        ("s2", "201", 0.5),
    ]


async def test_a_first_that_is_faster_wins_and_the_copy_is_stopped(jumping: JumpingLoop) -> None:
    servers = Servers((1.5, reply(200)), (9, reply(201)))
    status, taken, exchange = await outcome(hedge(servers))
    assert (status, taken) == (200, 1.5)
    assert servers.stopped == ["s2"]
    assert exchange.record.endpoint == "s1"
    assert [(t.endpoint, t.outcome, t.seconds) for t in exchange.record.attempt_log] == [
        ("s2", "hedged", 0.5),
        ("s1", "200", 1.5),
    ]


@pytest.mark.parametrize("bad", [reply(503), reply(429), ConnectFailed("refused")])
async def test_a_copy_that_is_refused_does_not_win(jumping: JumpingLoop, bad: Any) -> None:
    servers = Servers((3, reply(200)), (0.5, bad))
    status, taken, _ = await outcome(hedge(servers))
    assert (status, taken) == (200, 3)
    if isinstance(bad, CannedReply):
        assert bad.closed


@pytest.mark.parametrize("bad", [reply(503), ConnectionTerminated("reset")])
async def test_a_copy_that_fails_is_replaced_once(jumping: JumpingLoop, bad: Any) -> None:
    servers = Servers((9, reply(200)), (0.5, bad), (0.5, reply(202)))
    assert (await outcome(hedge(servers)))[:2] == (202, 2.5)
    assert servers.avoided == [[], ["s1"], ["s1", "s2"]]
    servers = Servers((9, reply(200)), (0.5, bad), (0.5, ConnectFailed()), (0.5, reply(203)))
    assert (await outcome(hedge(servers)))[:2] == (200, 9)
    assert servers.sends == 3


async def test_there_are_no_more_copies_at_a_time_than_were_asked_for(jumping: JumpingLoop) -> None:
    servers = Servers((9, reply(200)), (8.5, reply(201)))
    assert (await outcome(hedge(servers)))[:2] == (200, 9)
    assert servers.sends == 2


@pytest.mark.parametrize("bad", [reply(500), reply(429), ConnectionTerminated("reset")])
async def test_a_first_that_is_refused_waits_for_the_copy(jumping: JumpingLoop, bad: Any) -> None:
    servers = Servers((1.5, bad), (2, reply(200)))
    status, taken, _ = await outcome(hedge(servers))
    assert (status, taken) == (200, 3)
    if isinstance(bad, CannedReply):
        assert bad.closed


async def test_where_all_are_refused_the_first_counts(jumping: JumpingLoop) -> None:
    first = reply(500)
    status, taken, _ = await outcome(hedge(Servers((1.5, first), (2, reply(503)))))
    assert (status, taken) == (500, 3)
    assert not first.closed
    with pytest.raises(ConnectionTerminated):
        await outcome(hedge(Servers((1.5, ConnectionTerminated("reset")), (2, reply(503)))))


async def test_one_that_fails_in_time_is_not_our_business(jumping: JumpingLoop) -> None:
    servers = Servers((0.5, ConnectionTerminated("reset")))
    with pytest.raises(ConnectionTerminated):
        await outcome(hedge(servers))
    assert servers.sends == 1


async def test_several_copies_go_one_after_the_other(jumping: JumpingLoop) -> None:
    servers = Servers((9, reply(200)), (9, reply(201)), (0.5, reply(202)))
    status, taken, exchange = await outcome(hedge(servers, max=2))
    assert (status, taken) == (202, 2.5)
    assert sorted(servers.stopped) == ["s1", "s2"]
    assert servers.avoided == [[], ["s1"], ["s1", "s2"]]
    assert [t.outcome for t in exchange.record.attempt_log] == ["hedged", "hedged", "202"]


async def test_no_more_copies_than_the_budget_has(jumping: JumpingLoop) -> None:
    slow = [(3, reply(200)) for _ in range(60)]
    servers = Servers(*slow)
    inner = hedge(servers, budget_percent=5.0)
    for _ in range(40):
        await outcome(inner)
    assert servers.sends == 40 + 3  # one to begin with, two of forty
    assert inner.copies["over_budget"] == 37


@pytest.mark.parametrize(
    ("exchange", "copied"),
    [
        (lambda: get(method="GET"), True),
        (lambda: get(method="DELETE"), True),
        (lambda: post(body=b"x"), False),
        (lambda: post(body=b"x", headers=((b"idempotency-key", b"1"),)), True),
        (lambda: post(body=b"x", headers=((b"idempotency-key", b"1"),), resendable=False), False),
    ],
)
async def test_only_what_may_run_twice_is_copied(
    jumping: JumpingLoop, exchange: Any, copied: bool
) -> None:
    servers = Servers((3, reply(200)), (0.5, reply(201)))
    status, _, _ = await outcome(hedge(servers), exchange())
    assert status == (201 if copied else 200)
    if copied and exchange().method == "POST":
        assert servers.bodies == [b"x"]  # the first had not read its own


async def test_an_upstream_without_room_is_left_alone(jumping: JumpingLoop) -> None:
    servers = Servers((3, reply(200)))
    assert (await outcome(hedge(servers, calm=False)))[0] == 200
    assert servers.sends == 1


async def test_the_delay_is_what_all_but_a_few_take(jumping: JumpingLoop) -> None:
    usual = [(0.1 * (1 + i % 10), reply(200)) for i in range(100)]
    servers = Servers(*usual, (9, reply(200)), (0.1, reply(201)))
    inner = hedge(servers, delay="p90")
    inner._has_headroom = lambda: inner.delay(jumping.time()) is not None and servers.sends > 100
    for _ in range(19):
        await outcome(inner)
    assert inner.delay(jumping.time()) is None  # too little is known
    for _ in range(81):
        await outcome(inner)
    assert inner.delay(jumping.time()) == pytest.approx(0.9)
    assert (await outcome(inner))[1] == pytest.approx(1.0)


@pytest.mark.parametrize("moment", [0.5, 1.2])
async def test_a_client_that_leaves_ends_all_of_it(jumping: JumpingLoop, moment: float) -> None:
    servers = Servers((9, reply(200)), (9, reply(201)))
    task = asyncio.create_task(hedge(servers).handle(get()))
    await asyncio.sleep(moment)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert servers.stopped == ["s1", "s2"][: servers.sends]


async def test_a_client_that_leaves_in_the_very_moment_a_copy_wins_leaves_nothing(
    jumping: JumpingLoop,
) -> None:
    won = reply(201)

    async def win(_: Exchange) -> Reply:
        jumping.call_soon(task.cancel)
        return won

    servers = Servers((9, reply(200)), (0.5, win))
    task = asyncio.create_task(hedge(servers).handle(get()))
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert won.ending is Ending.ABANDONED


async def test_the_loser_of_a_dead_heat_is_given_back(jumping: JumpingLoop) -> None:
    first, second = reply(200), reply(201)
    status, _, _ = await outcome(hedge(Servers((2, first), (1, second))))
    assert status in (200, 201)
    assert [first.closed, second.closed].count(True) <= 1
    loser = second if status == 200 else first
    assert loser.closed or servers_never_answered(loser)


def servers_never_answered(reply: CannedReply) -> bool:
    """It was stopped before it came to that."""
    return reply.ending is None


async def test_who_lists_the_attempts_above_is_left_the_last_one(jumping: JumpingLoop) -> None:
    servers = Servers((9, reply(200)), (0.5, reply(201)))
    exchange = get()
    exchange.record.attempts_left = 1
    await outcome(hedge(servers, records_outcome=False), exchange)
    assert [(t.endpoint, t.outcome) for t in exchange.record.attempt_log] == [("s1", "hedged")]


@pytest.mark.parametrize(
    ("headroom", "sends"), [([], 2), ([True, True], 2), ([True, False], 1), ([False, True], 1)]
)
async def test_a_copy_needs_headroom_of_every_kind(
    jumping: JumpingLoop, headroom: list[bool], sends: int
) -> None:
    """A permit, servers that ask for no pause, and none that is ejected."""
    servers = Servers((9, reply(200)), (9, reply(200)))
    tables = 'retry = false\n[hedge]\ndelay = "1s"\n'
    scope = upstream_scope(parsed(tables + '[[upstreams]]\nname = "a"\nservers = ["http://a"]'))
    scope.has_headroom += [partial(bool, kind) for kind in headroom]
    handler = link(scope, servers)
    assert handler is not None
    await handler(get())
    assert servers.sends == sends


async def test_operators_see_copies_sent_and_won_and_the_delay(jumping: JumpingLoop) -> None:
    servers = Servers((9, reply(200)), (0.5, reply(201)), (1.5, reply(200)), (9, reply(201)))
    inner = hedge(servers)
    for _ in range(2):
        await outcome(inner)
    assert told(inner) == {"hedge_delay_seconds": 1.0}
    assert isinstance(inner.copies, Counts)
    counted = {"sent": 2, "won": 1, "over_budget": 0}
    assert told(inner.copies) == {f"hedge_copies_{name}": n for name, n in counted.items()}
