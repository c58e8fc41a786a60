"""What the links of all chains share."""

import asyncio
import random
from collections.abc import Iterator

from proxy.core.samples import Sample, gauge
from proxy.core.shared import Shared

LABELS = {"endpoint": "http://a"}


class Thing:
    """Has a state."""

    def describe(self, now: float) -> Iterator[Sample]:
        """The time, as it was given."""
        yield gauge("thing_age", now)
        yield gauge("thing_size", 1, LABELS)


def shared() -> Shared:
    return Shared(random.Random(1))


def test_what_is_shared_is_made_once_for_each_key() -> None:
    one = shared()
    first = one.share("a", Thing)
    assert one.share("a", Thing) is first
    assert one.share("b", Thing) is not first


def test_what_is_watched_is_described_once_with_its_labels() -> None:
    one, thing = shared(), Thing()
    one.watch(thing, route="/a")
    one.watch(thing, route="/b")
    one.watch(Thing(), route="/c")
    assert list(one.describe(5.0)) == [
        gauge("thing_age", 5.0, {"route": "/a"}),
        gauge("thing_size", 1, {"route": "/a"} | LABELS),
        gauge("thing_age", 5.0, {"route": "/c"}),
        gauge("thing_size", 1, {"route": "/c"} | LABELS),
    ]


class Ends:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def retire(self) -> None:
        """A drain begins."""
        self.told.append("retire")

    async def close(self) -> None:
        """It is over."""
        self.told.append("close")


async def test_a_drain_retires_and_its_end_closes_once() -> None:
    one, ends = shared(), Ends()
    one.share("a", lambda: ends)
    one.share("a", Ends)
    one.retire()
    assert ends.told == ["retire"]
    await one.close()
    await one.close()
    assert ends.told == ["retire", "close"]


async def test_what_the_next_configuration_shares_too_goes_over_to_it_when_that_begins() -> None:
    one, kept, dropped = shared(), Ends(), Ends()
    one.share("kept", lambda: kept)
    one.share("dropped", lambda: dropped)
    two = Shared(random.Random(1), before=one)
    told: list[Ends] = []
    assert two.share("kept", Ends, told.append) is kept
    assert two.share("new", Ends, told.append) not in (kept, dropped)
    assert two.had("dropped")
    assert not two.had("never there")
    assert not one.had("dropped"), "none was before it"
    two.do_without("dropped", told.append)
    two.do_without("never there", told.append)
    assert not told  # it may still be given up
    two.begin()
    assert told == [kept, dropped]
    await one.close()
    assert (kept.told, dropped.told) == ([], ["close"])
    await two.close()
    assert kept.told == ["close"]


async def test_a_configuration_that_never_begins_leaves_all_to_the_one_before() -> None:
    one, ends = shared(), Ends()
    one.share("a", lambda: ends)
    task = asyncio.create_task(asyncio.sleep(3600))
    one.tasks.add(task)
    assert Shared(random.Random(1), before=one).share("a", Ends) is ends
    await one.close()
    assert ends.told == ["close"]
    assert task.cancelled()


async def test_a_route_that_stays_has_what_it_took_and_what_it_shows() -> None:
    one, thing, ends = shared(), Thing(), Ends()
    one.share("a", lambda: ends)
    one.watch(thing, route="/a")
    uses = one.uses
    two = Shared(random.Random(1), before=one)
    two.keep(uses)
    two.begin()
    await one.close()
    assert not ends.told
    assert [watched.thing for watched in two.watched] == [thing]


async def test_tasks_go_over_to_the_next_configuration() -> None:
    one = shared()
    task = asyncio.create_task(asyncio.sleep(3600))
    one.tasks.add(task)
    two = Shared(random.Random(1), before=one)
    two.begin()
    await one.close()
    assert not task.done()
    await two.close()
    assert task.cancelled()


async def test_tasks_that_belong_to_no_request_are_over_at_the_end() -> None:
    one = shared()
    task = asyncio.create_task(asyncio.sleep(3600))
    one.tasks.add(task)
    await one.close()
    assert task.cancelled()


async def test_one_that_fails_at_its_end_keeps_no_other_from_it() -> None:
    class Fails(Ends):
        async def close(self) -> None:
            raise RuntimeError("no")

    one, behind = Shared(random.Random(1)), Ends()
    one.share("a", Fails)
    one.share("b", lambda: behind)
    await one.close()
    assert behind.told == ["close"]
