"""Active health checks, on a clock that jumps."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from proxy.core.duration import Duration
from proxy.core.errors import (
    ConnectFailed,
    ConnectionTerminated,
    ProtocolViolation,
    ReplyBroken,
    Stage,
)
from proxy.core.reply import Ending, Reply
from proxy.upstream import health
from tests.support.checked import Endpoint, Members, guard, seen
from tests.support.loop import JumpingLoop


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks ask the endpoint itself."""

    def forward(address: Endpoint, *_: object) -> Any:
        return SimpleNamespace(handle=address.handle)

    monkeypatch.setattr(health, "Forward", forward)


class _Pool:
    def __init__(self, closed: list[float]) -> None:
        self.close_idle = closed.append


async def test_a_server_changes_sides_after_several_answers_in_a_row(jumping: JumpingLoop) -> None:
    endpoint = Endpoint()
    checks = guard(Members(endpoint), unhealthy_threshold=3, healthy_threshold=2)
    seen: list[bool] = []
    for answer in (500, 500, 200, 500, 500, 500, 200, 500, 200, 200):
        endpoint.answer = answer
        endpoint.heard.clear()
        await endpoint.heard.wait()
        await asyncio.sleep(1)
        seen.append(endpoint.healthy)
    await checks.close()
    assert seen == [True] * 5 + [False] * 4 + [True]


@pytest.mark.parametrize(
    ("ended", "then", "well"),
    [
        ([Stage.STALE], 200, True),
        ([Stage.NOT_SENT], 200, True),
        ([Stage.STALE] * 3, 200, True),  # requests keep connections too
        ([Stage.STALE], 500, False),
        ([Stage.STALE] * 9, 200, True),  # the last try is on a new one
        ([Stage.STALE] * 9, 503, False),
        ([Stage.STALE] * 3, ConnectionTerminated("", stage=Stage.STALE), False),
        ([Stage.SENT], 200, False),
        ([], ConnectFailed(), False),
    ],
)
async def test_a_kept_connection_that_the_server_has_closed_says_nothing_of_it(
    jumping: JumpingLoop, ended: list[Stage], then: Any, *, well: bool
) -> None:
    endpoint = Endpoint()
    endpoint.proven = True
    kept = [ConnectionTerminated("", stage=stage) for stage in ended]
    endpoint.check_pool = SimpleNamespace(close_idle=kept.clear)
    endpoint.answer = iter(lambda: kept.pop() if kept else then, None)
    checks = guard(Members(endpoint), unhealthy_threshold=1)
    await endpoint.heard.wait()
    await asyncio.sleep(0)
    assert endpoint.healthy is well
    await checks.close()


@pytest.mark.parametrize(
    ("answers", "well", "closed"),
    [
        ([(60.0,), 200], True, [2.0, 2.0]),
        # Where nothing comes on a new one either, it is the server, and requests keep theirs.
        ([(60.0,), 60.0], False, [2.0]),
        ([(60.0,), (60.0,), 200], False, [2.0]),  # one that was of use meanwhile
        ([(60.0,), 503], False, [2.0]),
        ([(ConnectionTerminated("lost", stage=Stage.SENT),), 200], True, [0.0, 0.0]),
        ([60.0, 200], False, []),
        ([(503,), 200], False, []),
    ],
)
async def test_an_idle_connection_on_which_nothing_comes_says_nothing_of_a_server(
    jumping: JumpingLoop, answers: list[Any], closed: list[float], *, well: bool
) -> None:
    """NAT forgets all of them at once: a well server was unhealthy until none was left."""
    endpoint, idle = Endpoint(), list[float]()
    endpoint.pool, endpoint.check_pool = _Pool(idle), _Pool(idle)
    endpoint.answer = iter(answers)
    checks = guard(Members(endpoint), unhealthy_threshold=1, timeout=Duration(2))
    await endpoint.heard.wait()
    await asyncio.sleep(5)
    assert endpoint.healthy is well
    assert idle == pytest.approx(closed, abs=0.1)
    await checks.close()


async def test_a_new_server_that_is_not_ready_is_found_out_by_its_first_check(
    jumping: JumpingLoop,
) -> None:
    """It had a part of the traffic until three checks had failed, ten seconds long."""
    well, new = Endpoint("a"), Endpoint("b")
    well.healthy = well.proven = True
    new.answer = 503
    members = Members(well)
    checks = guard(members)
    await asyncio.sleep(30)
    members.now(well, new)
    await new.heard.wait()
    await asyncio.sleep(0)
    assert seen(new) == (False, False, 1)
    new.answer = 200
    new.heard.clear()
    await new.heard.wait()
    await asyncio.sleep(0)
    assert seen(new) == (True, True, 2)
    new.answer = 503
    await asyncio.sleep(15)
    assert seen(new)[:2] == (True, True)
    await checks.close()


@pytest.mark.parametrize("other", ["none", "unhealthy", "withdrawn"])
async def test_the_last_server_is_not_given_up_for_its_first_check(
    jumping: JumpingLoop, other: str
) -> None:
    """It may start beside the proxy, and be ready in a moment."""
    new, beside = Endpoint("a"), Endpoint("b")
    new.answer = 503
    beside.healthy, beside.withdrawn = other != "unhealthy", other == "withdrawn"
    beside.answer = 503 if other == "unhealthy" else 200
    checks = guard(Members(new) if other == "none" else Members(new, beside))
    await asyncio.sleep(15)
    assert seen(new)[0]
    await asyncio.sleep(15)
    assert not seen(new)[0]
    await checks.close()


async def test_what_was_proven_before_a_reload_takes_several_failures(
    jumping: JumpingLoop,
) -> None:
    known, beside = Endpoint("a"), Endpoint("b")
    first = guard(Members(known, beside))
    await asyncio.sleep(5)
    await first.close()
    assert seen(known)[:2] == (True, True)
    known.answer = 503
    again = guard(Members(known, beside), unhealthy_threshold=2)
    await asyncio.sleep(5)
    assert seen(known)[:2] == (True, True)
    await asyncio.sleep(10)
    assert seen(known)[:2] == (False, True)
    await again.close()


@pytest.mark.parametrize(
    ("answer", "well"),
    [
        (200, True),
        (204, True),
        (302, True),
        (399, True),
        (400, False),
        (503, False),
        (ConnectFailed("refused"), False),
        (ProtocolViolation("nonsense"), False),
        (RuntimeError("a fault of ours"), False),
        (1.9, True),
        (2.1, False),
    ],
)
async def test_only_a_good_answer_in_time_is_one(
    jumping: JumpingLoop, answer: Any, *, well: bool
) -> None:
    endpoint = Endpoint()
    endpoint.answer = answer
    checks = guard(Members(endpoint), unhealthy_threshold=1, timeout=Duration(2))
    await asyncio.sleep(9)
    await checks.close()
    assert endpoint.healthy is well


async def test_a_reply_that_breaks_is_no_good_answer(jumping: JumpingLoop) -> None:
    class Broken:
        buffered = None
        ending: Ending | None = None

        async def read(self) -> bytes:
            raise ReplyBroken("cut")

        def close(self, ending: Ending) -> None:
            self.ending = ending

    endpoint, source = Endpoint(), Broken()
    endpoint.answer = Reply(200, (), source)
    checks = guard(Members(endpoint), unhealthy_threshold=1)
    await asyncio.sleep(9)
    await checks.close()
    assert (endpoint.healthy, source.ending) == (False, Ending.ABANDONED)


async def test_a_check_reads_the_whole_reply_and_gives_it_back(jumping: JumpingLoop) -> None:
    endpoint = Endpoint()
    checks = guard(Members(endpoint), path="/up?x=1")
    await asyncio.sleep(9)
    await checks.close()
    assert endpoint.exchange is not None
    assert (endpoint.exchange.method, endpoint.exchange.target) == ("GET", b"/up?x=1")
    assert (b"X-Key", b"of-the-proxy") in endpoint.exchange.headers
    assert [answer.closed for answer in endpoint.replies] == [True]


async def test_servers_are_not_all_asked_at_once(jumping: JumpingLoop) -> None:
    members = [Endpoint(name) for name in "abcdef"]
    start = jumping.time()
    checks = guard(Members(*members))
    await asyncio.sleep(300)
    await checks.close()
    assert all(start <= endpoint.asked[0] <= start + 1 for endpoint in members)
    assert len({endpoint.asked[0] for endpoint in members}) == 6
    gaps = [
        after - before
        for endpoint in members
        for before, after in zip(endpoint.asked, endpoint.asked[1:], strict=False)
    ]
    assert len(gaps) > 150
    assert all(9 <= gap <= 11 for gap in gaps)
    assert max(gaps) - min(gaps) > 1


async def test_checks_come_and_go_with_the_servers(jumping: JumpingLoop) -> None:
    a, b = Endpoint("a"), Endpoint("b")
    endpoints = Members(a)
    checks = guard(endpoints)
    await asyncio.sleep(15)
    endpoints.now(b)
    known = len(a.asked)
    await asyncio.sleep(50)
    assert (len(a.asked), len(b.asked) >= 4) == (known, True)
    await checks.close()


async def test_nothing_is_checked_after_the_end(jumping: JumpingLoop) -> None:
    a = Endpoint("a")
    a.answer = 60.0
    endpoints = Members(a)
    checks = guard(endpoints, timeout=Duration(0))
    await asyncio.sleep(20)  # in the middle of a check
    await checks.close()
    endpoints.now(a, Endpoint("b"))
    await asyncio.sleep(50)
    assert len(a.asked) == 1
    assert asyncio.all_tasks() == {asyncio.current_task()}
