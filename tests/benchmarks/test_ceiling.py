"""The most that could be made of a day, and days of other shapes."""

from dataclasses import replace

import pytest

from benchmarks.badday.ceiling import ceiling
from benchmarks.badday.client import PATIENCE, Order
from benchmarks.badday.profile import PROFILES, Profile, Stretch
from benchmarks.badday.schedule import SLOWER, Kind, Schedule

BAD = PROFILES["tuned"]


def ordered(due: float, method: str = "GET", count: int = 2000) -> list[Order]:
    return [Order(due, method, f"1-{number}") for number in range(count)]


def test_the_ceiling_is_what_posts_may_not_be_asked_again() -> None:
    assert ceiling(BAD, 1, ordered(5)) == 1
    drawn = [Schedule(BAD, 1, 0).fate(f"1-{number}", 0, 5, 0) for number in range(2000)]
    lost = sum(
        fate.wait > PATIENCE or fate.kind in (Kind.RESET, Kind.CUT_FIN, Kind.CUT_RST)
        for fate in drawn
    )
    assert 50 < lost < 90
    assert ceiling(BAD, 1, ordered(5, "POST")) == pytest.approx(1 - lost / 2000)


@pytest.mark.parametrize(
    ("due", "most"),
    [(19.9, 1.0), (20.0, 0.0), (26.9, 0.0), (29.0, 1.0), (30.0, 1.0)],
)
def test_nothing_is_served_while_the_only_server_is_away_but_who_can_wait(
    due: float, most: float
) -> None:
    lonely = Profile("lonely", "", servers=1, down=Stretch(20, 30, (0,)))
    assert ceiling(lonely, 1, ordered(due, count=50)) == most


def test_the_ceiling_knows_which_server_is_slow() -> None:
    slow = Profile("slow", "", servers=1, median=1.5, sigma=0.01, slow=Stretch(20, 30, (0,)))
    assert ceiling(slow, 1, ordered(25, count=50)) == 0
    assert ceiling(slow, 1, ordered(29, count=50)) == 1, "it waits until that is over"
    two = replace(slow, servers=2)
    assert ceiling(two, 1, ordered(25, count=50)) == 1


def test_of_twenty_servers_two_are_bad() -> None:
    twenty = PROFILES["twenty"]
    kinds = {
        number: {Schedule(twenty, 1, number).fate(str(name), 0, 0, 0).kind for name in range(200)}
        for number in range(twenty.servers)
    }
    assert [number for number, found in kinds.items() if found != {Kind.WHOLE}] == [3]
    waits = [Schedule(twenty, 1, number).fate("1-1", 0, 0, 0).wait for number in range(20)]
    assert [number for number, wait in enumerate(waits) if wait > SLOWER] == [11]
