"""Whoever ends, and when: each slot is served by one worker again."""

import asyncio
import contextlib
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from proxy.config.load import from_upstream
from proxy.run.workers.crew import Crew
from proxy.run.workers.member import Member
from tests.support.message import get
from tests.support.upstream import RawUpstream
from tests.support.workers import crew, replaced, serving, state, stopped, until

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
END = b"1\r\nb\r\n0\r\n\r\n"


async def test_a_worker_that_dies_while_the_one_before_drains_is_replaced(tmp_path: Path) -> None:
    """It was taken for one in whose place another still serves, and the slot stayed empty."""
    go_on = asyncio.Event()
    async with (
        RawUpstream([HEAD, go_on, END], ["wait-body", HEAD + END]) as upstream,
        crew(tmp_path, upstream) as proxy,
        await proxy.client() as client,
    ):
        pids = serving(await state(proxy))
        await client.send(get("/stream"))
        await upstream.until(lambda: upstream.requests)
        busy = await until(proxy, lambda now: any(each["connections"] for each in now["workers"]))
        slot = next(each["worker"] for each in busy["workers"] if each["connections"])
        os.kill(pids[slot], signal.SIGTERM)
        second = await replaced(proxy, pids, slot)
        os.kill(second[slot], signal.SIGKILL)
        third = await replaced(proxy, second, slot)
        assert third[slot] not in (pids[slot], second[slot])
        drains = [each for each in (await state(proxy))["workers"] if each["state"] == "retiring"]
        assert [each["pid"] for each in drains] == [pids[slot]]
        go_on.set()
        assert (await client.receive()).body == b"ab"
        assert (await stopped(proxy))[0] == 0


async def test_killed_and_told_to_end_at_any_moment_each_slot_has_one(tmp_path: Path) -> None:
    async with RawUpstream() as upstream, crew(tmp_path, upstream) as proxy:
        killed = set[int]()
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM, signal.SIGTERM):
            for pid in serving(await state(proxy)).values():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
                if number == signal.SIGKILL:
                    killed.add(pid)
            proxy.process.send_signal(signal.SIGHUP)
        # A process that was killed lives on for a moment on a busy machine.
        found = await until(
            proxy, lambda now: _one_each(now) and not killed & set(serving(now).values())
        )
        assert len(set(serving(found).values())) == 2
        assert (await stopped(proxy))[0] == 0


def _one_each(found: Any) -> bool:
    return Counter((each["worker"], each["state"]) for each in found["workers"]) == {
        (0, "serving"): 1,
        (1, "serving"): 1,
    }


Start = tuple[int, float, Member | None]


class Slots(Crew):
    """A crew whose workers are started by the test."""

    def __init__(self) -> None:
        super().__init__(from_upstream(("http://127.0.0.1:1",)), 2, ())
        self.begun: list[Start] = []
        self.started.set()

    async def _start(self, slot: int, wait: float = 0.0, before: Member | None = None) -> None:
        self.begun.append((slot, wait, before))

    async def starts(self) -> list[Start]:
        """Those that were begun since the last time."""
        await asyncio.sleep(0)
        found, self.begun = self.begun, []
        return found

    def born(self, slot: int, before: Member | None = None, state: str = "starting") -> Member:
        """One that was forked."""
        member = Member(slot)
        member.state = state
        self.members.append(member)
        if before is not None:
            before.successor = member
        return member


@pytest.fixture
async def slots() -> AsyncIterator[Slots]:
    found = Slots()
    yield found
    found.members.clear()
    await found.close()


async def test_told_twice_it_is_replaced_once(slots: Slots) -> None:
    member = slots.born(0, state="serving")
    slots._replace(member)
    slots._replace(member)  # before another one has been forked
    assert await slots.starts() == [(0, 0.0, member)]


async def test_a_worker_that_ends_while_its_successor_is_awaited_gets_no_second_one(
    slots: Slots,
) -> None:
    member = slots.born(0, state="serving")
    slots._replace(member)
    await slots.starts()
    slots._ended(member)
    assert await slots.starts() == []


async def test_one_that_still_serves_is_replaced_although_its_successor_died(
    slots: Slots,
) -> None:
    member = slots.born(0, state="serving")
    slots._replace(member)
    await slots.starts()
    slots._ended(slots.born(0, before=member))
    [(slot, _, before)] = await slots.starts()
    assert (slot, before) == (0, member)


@pytest.mark.parametrize("by", ["the nursery", "itself"])
async def test_a_successor_that_cannot_start_is_tried_again_in_the_same_place(
    slots: Slots, by: str
) -> None:
    member = slots.born(0, state="serving")
    slots._replace(member)
    await slots.starts()
    if by == "itself":
        slots._hear(slots.born(0, before=member), "failed", {"why": "no"})
    else:
        slots._cannot_start(0, "no", member)
    [(slot, wait, before)] = await slots.starts()
    assert (slot, before) == (0, member)
    assert wait > 0


async def test_whoever_serves_a_slot_has_it_alone(slots: Slots) -> None:
    first, other = slots.born(0, state="serving"), slots.born(1, state="serving")
    second = slots.born(0)
    slots._is_ready(second)
    assert [each.state for each in (first, other, second)] == ["retiring", "serving", "serving"]


async def test_a_worker_whose_link_closes_with_the_crew_is_let_go() -> None:
    """It was an exception in a callback of the loop, of a memory that was gone."""
    slots = Slots()
    member = slots.born(0, state="serving")
    await slots.close()
    slots._ended(member)
    assert not slots.members
    assert not slots.restarts
