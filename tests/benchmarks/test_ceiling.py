"""The most that could be made of a day, and days of other shapes."""

from dataclasses import replace

import pytest

from benchmarks.badday.ceiling import ceiling, foreseen
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


def test_without_foresight_a_day_that_shows_all_in_time_is_as_good_as_the_ceiling() -> None:
    quick = Profile("quick", "", servers=1, reset=0.1, stalled=0.02, slow=Stretch(20, 30, (0,)))
    day = ordered(5, count=500)
    assert foreseen(quick, 1, day) == (1.0, 1.0) == (ceiling(quick, 1, day),) * 2


def test_what_shows_too_late_is_helped_only_by_copies_that_were_sent_blindly() -> None:
    day = ordered(25, count=2000)
    late = Profile("late", "", servers=1, reset=0.1, slow=Stretch(20, 30, (0,)))
    drawn = [Schedule(late, 1, 0).fate(order.name, 0, 25, 0) for order in day]
    lost = sum(fate.kind is Kind.RESET for fate in drawn) / len(day)
    assert 0.08 < lost < 0.12
    found = foreseen(late, 1, day)
    assert found is not None
    assert ceiling(late, 1, day) == 1
    assert found == pytest.approx((1 - lost + 0.10 * lost, 1 - lost + 0.05 * lost))


def test_it_is_of_days_with_one_server() -> None:
    assert foreseen(BAD, 1, ordered(5)) is None
    assert foreseen(PROFILES["restart"], 1, ordered(5)) is None
