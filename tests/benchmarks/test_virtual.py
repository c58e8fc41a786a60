"""A bad day in virtual time."""

from pathlib import Path

import pytest

from benchmarks.badday.profile import PROFILES
from benchmarks.badday.virtual import virtual_day

SECONDS = 9.0


def test_a_day_is_the_same_each_time_and_runs_no_post_twice(tmp_path: Path) -> None:
    first, second = (virtual_day(PROFILES["hedge"], "ours", 1, SECONDS, tmp_path) for _ in "ab")
    assert first == second
    assert (first["twice"], first["false"]) == (0, 0)
    assert 0.97 < first["goodput"] <= first["ceiling"]
    assert 1.0 < first["sent"] <= 1.1
    assert first["p99"] < 3000


@pytest.mark.parametrize("profile", ["single", "partition", "brownout", "restart", "twenty"])
def test_every_kind_of_day_can_be_had(profile: str, tmp_path: Path) -> None:
    found = virtual_day(PROFILES[profile], "ours", 2, SECONDS, tmp_path)
    assert 0.8 < found["goodput"] <= found["ceiling"]
    assert found["twice"] == 0


def test_who_waits_for_a_server_is_answered(tmp_path: Path) -> None:
    day = PROFILES["restart"]
    plain, waiting = (virtual_day(day, row, 1, 9.0, tmp_path) for row in ("ours", "ours-wait"))
    assert plain["goodput"] < 0.99 < waiting["goodput"]


def test_on_a_good_day_everything_is_sent_once(tmp_path: Path) -> None:
    found = virtual_day(PROFILES["steady"], "ours", 1, SECONDS, tmp_path)
    assert (found["goodput"], found["sent"], found["errors"]) == (1.0, 1.0, {})
