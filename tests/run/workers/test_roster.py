"""Which workers there are, and who waits for them."""

import asyncio

import pytest

from proxy.run.workers.member import Member
from proxy.run.workers.roster import Roster


def born(roster: Roster, slot: int, state: str, version: int = 0) -> Member:
    member = Member(slot)
    member.state, member.version = state, version
    roster.members.append(member)
    return member


def test_a_slot_is_served_by_one_that_takes_new_connections() -> None:
    roster = Roster()
    for slot, state in enumerate(("serving", "starting", "retiring", "failed")):
        born(roster, slot, state)
    assert [roster.serves(slot) for slot in range(5)] == [True, False, False, False, False]


@pytest.mark.parametrize(
    ("state", "counts"),
    [("starting", True), ("serving", True), ("retiring", False), ("failed", False)],
)
def test_who_takes_connections_with_another_configuration_or_will(state: str, counts: bool) -> None:
    roster = Roster()
    born(roster, 0, "serving", 2)
    born(roster, 1, state, 1)
    assert roster.has_other_than(2) is counts


def test_one_that_does_not_live_yet_has_a_configuration_too() -> None:
    roster, member = Roster(), Member(0)
    roster.forking.add(member)
    assert roster.has_other_than(1)
    member.version = 1
    assert not roster.has_other_than(1)


async def test_who_waits_looks_at_each_change() -> None:
    roster, holds = Roster(), asyncio.Event()
    waiting = asyncio.ensure_future(roster.until(holds.is_set))
    for _ in range(3):
        roster.changed()
        await asyncio.sleep(0)
    assert not waiting.done()
    holds.set()
    roster.changed()
    await asyncio.wait_for(waiting, 30)
    await roster.until(holds.is_set)
