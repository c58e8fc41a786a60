"""How urgent a request is."""

import pytest

from proxy.http.priority import LEVELS, USUAL, level, urgency
from proxy.policy.queue import URGENCIES


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([], 3),
        ([b"u=0"], 0),
        ([b"u=5, i"], 5),
        ([b"i, u = 2"], 2),
        ([b"7"], 7),
        ([b"250"], 250),
        ([b"i"], 3),
        ([b"u=x"], 3),
        ([b"u=1;a"], 1),
        ([b"i;u=1"], 3),
        ([b"1000"], 3),
        ([b"i", b"u=1", b"u=4"], 4),
        ([b"u=1, u=5"], 5),
        ([b"u=8, u=2"], 2),
        ([b"u=2, u=8"], 3),
        ([b"u=1, u"], 3),
        ([b"u=9"], 3),
        ([b"u=99"], 3),
        ([b"u=-1"], 3),
        ([b"u=2.0"], 3),
        ([b"u=02"], 2),
        ([b"u=;a"], 3),
        ([b"ux=1"], 3),
        ([b"250, u=1"], 1),
        ([b"u=1", b"9"], 9),
    ],
)
def test_the_last_member_that_says_it_counts(values: list[bytes], said: int) -> None:
    assert urgency([(b"Priority", value) for value in values], b"priority") == said


def test_other_fields_say_nothing() -> None:
    assert urgency([(b"Priority", b"u=1")], b"x-priority") == 3


def test_what_is_less_urgent_than_the_least_is_the_least() -> None:
    fields = [(b"Priority", b"u=1"), (b"X-Low", b"250")]
    assert (level(fields, b"priority"), level(fields, b"x-low")) == (1, LEVELS - 1)
    assert level(fields, b"") == USUAL


def test_a_queue_has_a_place_for_each_level() -> None:
    assert URGENCIES == LEVELS
