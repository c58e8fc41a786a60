"""Workers that give no sign of life are passed over, then killed, then replaced."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from proxy.run.workers.heartbeat import HUNG, HUNG_AT_START, PASSED_OVER, Heartbeat
from proxy.run.workers.link import LinkClosed
from proxy.run.workers.member import PATIENCE, Member
from tests.support.loop import JumpingLoop
from tests.support.message import get
from tests.support.upstream import RawUpstream
from tests.support.workers import crew, replaced, serving, state, stopped


class Silent:
    """A link whose answers come when somebody gives them."""

    def __init__(self) -> None:
        self.waiting: list[asyncio.Future[None]] = []

    async def ask(self, _: str, **__: Any) -> None:
        self.waiting.append(asyncio.get_running_loop().create_future())
        await self.waiting[-1]


class Lively:
    """A link whose answers come at once."""

    async def ask(self, _: str, **__: Any) -> None:
        """Answer."""


class Beats:
    """A heartbeat whose time goes on when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, state: str = "serving") -> None:
        self.killed: list[int] = []
        self.passed_over: list[int] = []
        monkeypatch.setattr(os, "kill", lambda pid, _: self.killed.append(pid))
        self.link, self.member = Silent(), Member(1)
        self.member.pid, self.member.state = 4711, state
        self.member.link = self.link  # type: ignore[assignment]  # all that is asked of it
        self.members = [self.member]
        self.heartbeat = Heartbeat(lambda: self.members, self.passed_over.append)

    async def beat(self, times: int = 1) -> None:
        for _ in range(times):
            self.heartbeat.beat()
            await asyncio.sleep(0)


async def test_a_silent_worker_is_passed_over_and_then_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    beats = Beats(monkeypatch)
    await beats.beat(PASSED_OVER)
    assert beats.passed_over == []
    await beats.beat()
    assert beats.passed_over == [1]
    await beats.beat(HUNG - PASSED_OVER - 1)
    assert beats.killed == []
    await beats.beat()
    assert (beats.killed, beats.passed_over) == ([4711], [1])
    assert len(beats.link.waiting) == 1  # one question at a time: a link must not fill


async def test_an_answer_however_late_begins_the_count_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    beats = Beats(monkeypatch)
    for _ in range(3):
        await beats.beat(HUNG)
        beats.link.waiting[-1].set_result(None)
        await asyncio.sleep(0)
    assert beats.killed == []
    await beats.beat(HUNG + 1)
    assert beats.killed == [4711]


async def test_a_worker_that_starts_has_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    beats = Beats(monkeypatch, "starting")
    await beats.beat(HUNG_AT_START)
    assert beats.killed == []
    await beats.beat()
    assert beats.killed == [4711]


async def test_a_worker_that_has_ended_is_asked_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    beats = Beats(monkeypatch)
    await beats.beat()
    beats.link.waiting[-1].set_exception(LinkClosed("the process has ended"))
    beats.members.clear()
    await beats.beat(2 * HUNG)
    assert (beats.killed, len(beats.link.waiting)) == ([], 1)


async def test_a_stopped_process_is_replaced_and_who_waited_for_it_is_served(
    tmp_path: Path,
) -> None:
    async with RawUpstream() as upstream, crew(tmp_path, upstream) as proxy:
        before = serving(await state(proxy))
        os.kill(before[1], signal.SIGSTOP)
        clients = [await proxy.client() for _ in range(8)]
        for client in clients:
            await client.send(get())
        assert "worker 1" in await proxy.line("no sign of life for 10 s: killed")
        await replaced(proxy, before, 1)
        for client in clients:
            assert (await client.receive()).status == 200
            client.close()
        assert (await stopped(proxy))[0] == 0


@pytest.mark.parametrize("missed", [0, PASSED_OVER + 1])
async def test_a_stop_kills_at_once_who_has_been_silent_and_soon_who_is(
    jumping: JumpingLoop, monkeypatch: pytest.MonkeyPatch, missed: int
) -> None:
    beats = Beats(monkeypatch)
    await beats.beat(missed)
    began = jumping.time()
    await beats.heartbeat.kill_silent()
    assert beats.killed == [4711]
    assert jumping.time() - began == (0.0 if missed else PATIENCE)


async def test_a_stop_does_not_kill_who_was_silent_and_has_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its next question is still to come."""
    beats = Beats(monkeypatch)
    await beats.beat(PASSED_OVER + 1)
    beats.heartbeat._asked[beats.member].cancel()  # as good as answered
    await asyncio.sleep(0)
    beats.member.link = Lively()  # type: ignore[assignment]  # all that is asked of it
    await beats.heartbeat.kill_silent()
    assert beats.killed == []


async def test_a_stop_does_not_kill_who_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    beats = Beats(monkeypatch)
    beats.member.link = Lively()  # type: ignore[assignment]  # all that is asked of it
    await beats.heartbeat.kill_silent()
    assert beats.killed == []


@pytest.mark.parametrize(("grace", "signals"), [("1s", 1), ("60s", 2)])
async def test_a_worker_that_hangs_does_not_hold_up_a_stop(
    tmp_path: Path, grace: str, signals: int
) -> None:
    more = f'[shutdown]\ngrace_period = "{grace}"'
    async with RawUpstream() as upstream, crew(tmp_path, upstream, more=more) as proxy:
        before = serving(await state(proxy))
        os.kill(before[1], signal.SIGSTOP)
        proxy.process.send_signal(signal.SIGTERM)
        await proxy.line("draining")
        for _ in range(signals - 1):
            proxy.process.send_signal(signal.SIGTERM)
        which = f"worker 1, process {before[1]}"
        await proxy.line(f"{which}, gives no sign of life and does not end: killed")
        assert (await proxy.ended())[0] == 1
