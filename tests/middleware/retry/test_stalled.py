"""What has stalled is tried again before the client leaves."""

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Reply
from proxy.middleware.retry.may_repeat import MayFollow
from proxy.middleware.retry.options import RetryOptions
from proxy.middleware.retry.retry import Retry
from proxy.middleware.retry.stalled import StalledAttempts
from proxy.policy.budget import Budget
from proxy.policy.last_chance import LastChance
from proxy.run.tree import Tree
from proxy.upstream.session import Session
from tests.support.loop import JumpingLoop, get, loop_clock, post, reply
from tests.support.proxy import parsed, toml
from tests.support.samples import told

PATIENCE = 3.0


@dataclass
class Api:
    """Answers in 0.1 s, but what it is told to stall."""

    stalls: dict[str, int] = field(default_factory=dict)
    """How many attempts of what is asked at this path are stalled."""
    takes: float = 0.1
    began: dict[str, list[float]] = field(default_factory=dict)
    stands: bool = True
    """Whether there is a connection."""

    async def __call__(self, exchange: Exchange) -> Reply:
        loop = asyncio.get_running_loop()
        attempts = self.began.setdefault(exchange.path, [])
        attempts.append(loop.time())
        exchange.record.connect_s = 0.0 if self.stands else None
        stalled = len(attempts) <= self.stalls.get(exchange.path, 0)
        await asyncio.sleep(60.0 if stalled else self.takes)
        return reply()


@dataclass
class Route:
    """A chain of retry and an API, with clients that wait for 3 s."""

    api: Api
    stalled: StalledAttempts
    handle: Handler

    async def ask(self, exchange: Exchange, patience: float = PATIENCE) -> int:
        """Its status; 0 where the client has left."""
        try:
            async with asyncio.timeout(patience):
                return (await self.handle(exchange)).status
        except TimeoutError:
            return 0

    async def learn(self) -> None:
        """Eight clients leave, twenty are answered."""
        for number in range(8):
            path = f"/left/{number}"
            self.api.stalls[path] = 9
            assert await self.ask(get(path)) == 0
        for number in range(20):
            assert await self.ask(get(f"/answered/{number}")) == 200


@pytest.fixture
async def route(jumping: JumpingLoop) -> Route:
    return made()


def made(budget: Budget | None = None, chance: LastChance | None = None, **options: Any) -> Route:
    table = RetryOptions(**options)
    clock, api = loop_clock(), Api()
    budget = budget or Budget(20, 3, 10)
    may = MayFollow(table, budget, clock)
    stalled = StalledAttempts(api, chance or LastChance(), may, budget=budget, clock=clock)
    retry = Retry(api, table, budget, random.Random(1), stalled=stalled, clock=clock)
    return Route(api, stalled, retry.handle)


async def test_without_a_client_that_has_left_nothing_is_paid_for(route: Route) -> None:
    assert await route.ask(get("/a")) == 200
    assert route.stalled.handle is route.api
    assert told(route.stalled) == {"retry_last_chances": 0}


async def test_what_stalls_is_asked_for_again_in_time(route: Route) -> None:
    await route.learn()
    assert told(route.stalled)["client_patience_seconds"] == pytest.approx(PATIENCE)
    route.api.stalls["/a"] = 1
    assert await route.ask(get("/a")) == 200
    first, second = route.api.began["/a"]
    assert second - first == pytest.approx(2.7, abs=0.1)
    assert told(route.stalled)["retry_last_chances"] == 1


async def test_it_is_asked_for_again_once(route: Route) -> None:
    await route.learn()
    route.api.stalls["/a"] = 9
    assert await route.ask(get("/a"), patience=50.0) == 0
    assert len(route.api.began["/a"]) == 2


@pytest.mark.parametrize("exchange", [get("/a", method="POST"), post("/a", b"x")])
async def test_a_post_is_left_alone(route: Route, exchange: Exchange) -> None:
    await route.learn()
    route.api.stalls["/a"] = 1
    assert await route.ask(exchange) == 0
    assert len(route.api.began["/a"]) == 1


async def test_an_upload_is_left_alone(route: Route) -> None:
    await route.learn()
    route.api.stalls["/a"] = 1
    exchange = post("/a", b"x")
    exchange.method = "PUT"
    assert await route.ask(exchange) == 0
    assert len(route.api.began["/a"]) == 1


async def test_what_waits_for_a_permit_or_a_connection_is_left_alone(route: Route) -> None:
    await route.learn()
    route.api.stands, route.api.stalls["/a"] = False, 1
    assert await route.ask(get("/a")) == 0
    assert len(route.api.began["/a"]) == 1


async def test_where_the_server_has_stalled_nothing_is_asked_for_again(route: Route) -> None:
    await route.learn()
    route.api.takes = 60.0
    async with asyncio.TaskGroup() as group:
        for number in range(50):
            group.create_task(route.ask(get(f"/all/{number}")))
            await asyncio.sleep(0.02)
    asked = [len(route.api.began[f"/all/{number}"]) for number in range(50)]
    assert sum(asked) == 50


async def test_without_a_budget_it_goes_on(jumping: JumpingLoop) -> None:
    route = made(Budget(0, 0, 10))
    await route.learn()
    route.api.stalls["/a"] = 1
    assert await route.ask(get("/a"), patience=61.0) == 200
    assert len(route.api.began["/a"]) == 1


async def burst(route: Route, size: int) -> tuple[int, int]:
    """So many stall that have begun at the same moment, and are answered after a minute.

    How many were answered, and how many were sent again."""
    route.api.takes = 0.01
    await route.learn()
    paths = [f"/burst/{number}" for number in range(size)]
    route.api.stalls.update(dict.fromkeys(paths, 1))
    asked = [asyncio.create_task(route.ask(get(path), patience=61.0)) for path in paths]
    await asyncio.sleep(0.5)
    for number in range(4 * size):
        assert await route.ask(get(f"/later/{number}"), patience=61.0) == 200
        if asked[0].done():
            break
    answers = await asyncio.gather(*asked)
    return answers.count(200), sum(len(route.api.began[path]) - 1 for path in paths)


async def test_of_many_that_are_due_at_once_no_more_end_than_can_be_sent_again(
    jumping: JumpingLoop,
) -> None:
    assert await burst(made(Budget(0, 0.3, 10)), 20) == (20, 3)


async def test_not_more_are_sent_again_at_once_than_there_are_tokens(
    route: Route,
) -> None:
    assert await burst(route, 25) == (25, 10)


async def test_a_report_that_somebody_waits_for_is_disturbed_once_in_five_minutes(
    route: Route,
) -> None:
    await route.learn()
    for path in ("/report/1", "/report/2"):
        route.api.takes = 10.0
        assert await route.ask(get(path), patience=60.0) == 200
    assert [len(route.api.began[f"/report/{number}"]) for number in (1, 2)] == [2, 1]
    assert "client_patience_seconds" not in told(route.stalled)


async def test_clients_that_leave_early_do_not_have_every_slow_request_of_others_sent_twice(
    route: Route,
) -> None:
    """A hundred of somebody's clients leave after a second; reports take 0.58 s, others 0.15 s."""
    route.api.takes = 0.15
    takes = {"slow": 60.0, "report": 0.58}
    api, sent = route.api, 0

    async def inner(exchange: Exchange) -> Reply:
        nonlocal sent
        kind = exchange.path.split("/")[1]
        if kind not in takes:
            return await api(exchange)
        sent += kind == "report"
        exchange.record.connect_s = 0.0
        await asyncio.sleep(takes[kind])
        return reply()

    route.stalled._inner = inner
    route.stalled._follow()
    for number in range(100):
        assert await route.ask(get("/slow/1"), patience=1.01) == 0
        for each in range(20):
            assert await route.ask(get(f"/usual/{number}/{each}"), patience=60.0) == 200
        assert await route.ask(get("/report/1"), patience=60.0) == 200
    assert "client_patience_seconds" in told(route.stalled)
    assert sent <= 130


async def test_a_chain_that_follows_another_knows_what_that_has_learnt(
    jumping: JumpingLoop,
) -> None:
    chance = LastChance()
    await made(chance=chance).learn()
    route = made(chance=chance)
    route.api.stalls["/a"] = 1
    assert await route.ask(get("/a")) == 200
    assert len(route.api.began["/a"]) == 2


@pytest.mark.parametrize(
    ("tables", "acts"),
    [
        ({}, True),
        ({"retry": {"last_chance": False}}, False),
        ({"retry": {"on": ["connect-failure", "503"]}}, False),
        ({"retry": {"on": ["timeout"]}}, True),
        ({"retry": {"attempts": 1}}, False),
        ({"timeouts": {"per_try": "auto"}}, False),
        ({"hedge": {}}, False),
    ],
)
async def test_it_acts_where_nothing_else_does_so_earlier(
    jumping: JumpingLoop, tables: dict[str, Any], acts: bool
) -> None:
    servers = {
        "upstreams": [{"name": "api", "servers": ["http://10.0.0.1"]}],
        "routes": [{"upstream": "api"}],
    }
    async with Session() as session:
        built = Tree(parsed(toml({**tables, **servers})), session, random.Random(1)).build()
        watched = [each.thing for each in built.shared.watched]
        await built.close()
    assert any(isinstance(thing, StalledAttempts) for thing in watched) is acts
