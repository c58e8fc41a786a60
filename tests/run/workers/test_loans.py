"""A slot without a worker is served by another one."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from proxy.config.load import from_upstream
from proxy.edge.options import ServerOptions
from proxy.run.workers.loans import EMPTY, SlotLoans
from proxy.run.workers.member import Member
from proxy.run.workers.outfit import Outfit
from proxy.run.workers.roster import Roster
from proxy.run.workers.shelf import INBOX, shelf, taken
from proxy.run.workers.sockets import Bound
from tests.run.workers.test_crew import _parent as parent_of
from tests.support.loop import JumpingLoop
from tests.support.message import get
from tests.support.upstream import RawUpstream
from tests.support.workers import crew, replaced, serving, state, stopped

CONFIG = from_upstream(("http://127.0.0.1:1",))


class Link:
    """What a worker is asked; it takes what lies on its shelf."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self.asked: list[str] = []
        self.names: list[set[str]] = []
        self.failures: list[Exception] = []

    async def ask(self, question: str, **values: Any) -> None:
        self.asked.append(f"{question} {values['slot']}")
        if question == "borrow":
            found = taken(self.end, values["number"])
            self.names.append(set(found))
            for one in (one for row in found.values() for one in row):
                one.close()
        if self.failures:
            raise self.failures.pop()


class House:
    """Three slots, of which the first has no worker."""

    def __init__(self, *addresses: Bound) -> None:
        self.addresses = addresses
        self.roster = Roster()
        self.outfit = Outfit(CONFIG, 3, addresses)
        self.stopping = False
        self.loans = SlotLoans(self.roster, self.outfit, lambda: self.stopping)
        self.links = [self.born(slot) for slot in (1, 2)]

    def born(self, slot: int) -> Link:
        """A worker that serves."""
        member = Member(slot)
        member.state = "serving"
        member.shelf, end = shelf()
        link = Link(end)
        member.link = link  # type: ignore[assignment]
        self.roster.members.append(member)
        self.roster.changed()
        return link

    def end(self, link: Link) -> None:
        """One is there no more."""
        member = self.roster.members.pop(self.links.index(link))
        member.state = "ended"
        member.ended()
        self.links.remove(link)
        link.end.close()
        self.roster.changed()

    @property
    def asked(self) -> list[list[str]]:
        return [link.asked for link in self.links]

    def close(self) -> None:
        for member in self.roster.members:
            member.ended()
        for link in self.links:
            link.end.close()
        self.outfit.close()
        for bound in self.addresses:
            bound.close()


@pytest.fixture
async def house(jumping: JumpingLoop, tmp_path: Path) -> AsyncIterator[House]:
    options = ServerOptions()
    tcp = Bound("127.0.0.1:0", options, 3)
    found = House(tcp, Bound(f"unix:{tmp_path}/a.sock", options, 3))
    yield found
    found.close()


async def test_a_slot_that_stays_empty_is_lent_until_it_is_served(house: House) -> None:
    watching = asyncio.ensure_future(house.loans.watch(0))
    await asyncio.sleep(EMPTY / 2)
    await house.loans.watch(0)  # it is seen to already
    assert house.asked == [[], []]
    await asyncio.sleep(EMPTY)
    assert house.asked == [["borrow 0"], []]
    assert house.links[0].names == [{"127.0.0.1:0", INBOX}]  # the unix socket it has
    house.links.append(house.born(0))
    await watching
    assert house.asked == [["borrow 0", "give_back 0"], [], []]


async def test_a_slot_that_is_served_again_soon_is_not_lent(house: House) -> None:
    watching = asyncio.ensure_future(house.loans.watch(0))
    await asyncio.sleep(EMPTY / 2)
    house.links.append(house.born(0))
    await watching
    assert house.asked == [[], [], []]


async def test_a_worker_that_ends_again_at_once_ends_no_loan(house: House) -> None:
    watching = asyncio.ensure_future(house.loans.watch(0))
    await asyncio.sleep(2 * EMPTY)
    house.links.append(house.born(0))
    await asyncio.sleep(EMPTY / 2)
    house.end(house.links[2])
    await asyncio.sleep(EMPTY)
    assert house.asked == [["borrow 0", "borrow 0"], []]
    house.links.append(house.born(0))
    await watching
    assert house.asked[0][2:] == ["give_back 0"]


async def test_where_the_borrower_ends_another_one_is_lent_it(house: House) -> None:
    watching = asyncio.ensure_future(house.loans.watch(0))
    await asyncio.sleep(2 * EMPTY)
    assert house.asked == [["borrow 0"], []]
    house.end(house.links[0])
    await asyncio.sleep(EMPTY / 2)
    assert house.asked == [["borrow 0"]]
    house.end(house.links[0])  # nobody is left
    await asyncio.sleep(3 * EMPTY)
    house.links.append(house.born(2))
    await asyncio.sleep(2 * EMPTY)
    assert house.asked == [["borrow 0"]]
    watching.cancel()


async def test_a_reload_ends_a_loan_and_the_next_one_follows(house: House) -> None:
    watching = asyncio.ensure_future(house.loans.watch(0))
    await asyncio.sleep(2 * EMPTY)
    async with house.loans.turn:
        house.outfit.follow(CONFIG, house.addresses[1:])
        house.roster.changed()
        await asyncio.sleep(2 * EMPTY)
        assert house.asked[0] == ["borrow 0"]  # a reload is under way
    await asyncio.sleep(EMPTY / 2)
    assert house.asked[0] == ["borrow 0", "borrow 0"]
    assert house.links[0].names[1] == {INBOX}
    watching.cancel()


async def test_a_loan_that_fails_is_tried_again(house: House) -> None:
    house.links[0].failures = [ValueError("no"), TimeoutError()]
    watching = asyncio.ensure_future(house.loans.watch(0))
    await asyncio.sleep(4 * EMPTY)
    assert house.asked[0] == ["borrow 0"] * 3
    house.stopping = True
    house.roster.changed()
    await watching
    assert house.asked[0] == ["borrow 0"] * 3


async def test_new_connections_do_not_wait_for_a_worker_that_cannot_be_started(
    tmp_path: Path,
) -> None:
    async with RawUpstream() as upstream, crew(tmp_path, upstream) as proxy:
        before = serving(await state(proxy))
        nursery = parent_of(before[0])
        os.kill(nursery, signal.SIGSTOP)
        os.kill(before[0], signal.SIGKILL)
        await proxy.line("worker 0 cannot be started: worker 1 takes its connections")
        await _all_are_served(proxy)
        assert serving(await state(proxy)) == {1: before[1]}
        os.kill(nursery, signal.SIGCONT)
        await replaced(proxy, before, 0)
        await proxy.line("worker 0 takes its connections itself again")
        await _all_are_served(proxy)
        assert (await stopped(proxy))[0] == 0


async def _all_are_served(proxy: Any) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(16):
            client = await stack.enter_async_context(await proxy.client())
            assert (await client.ask(get())).status == 200
