"""What `[concurrency]` and `[queue]` cannot mean."""

from pathlib import Path

import pytest

from tests.config.test_crosscheck import UPSTREAM, problems

MOVES = "[concurrency]\nadaptive = 'gradient'\n"


@pytest.mark.parametrize(
    ("text", "start"),
    [
        (MOVES + "max_requests = 3\nmin = 4", "concurrency.min: min (4) is more than max_requests"),
        ("[concurrency]\nmin = 2", "concurrency.min: warning: the limit does not move"),
        (MOVES + "max_requests = 2", "concurrency.adaptive: warning: the limit does not move"),
        ("[queue]", "queue: warning: nothing ever waits here"),
        ("[concurrency]\n[queue]\npriority_header = 'a b'", "queue.priority_header: "),
    ],
)
def test_what_the_tables_cannot_mean_is_said(tmp_path: Path, text: str, start: str) -> None:
    found = problems(tmp_path, text + UPSTREAM)
    assert [each for each in found if each.startswith(start)], found


@pytest.mark.parametrize(
    "text",
    [
        "[concurrency]",
        "[concurrency]\nmax_requests = 2",
        MOVES + "max_requests = 2\nmin = 1",
        "[concurrency]\n[queue]\norder = 'lifo'",
        "[queue]\n[retry]\nwait_for_connect = '1m'",
    ],
)
def test_what_they_can_mean_is_not(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text + UPSTREAM) == []
