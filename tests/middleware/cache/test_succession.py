"""Which of the replies that are under way at the same time stays stored."""

import pytest

from proxy.core.stored import Meta
from proxy.http.date import date_of
from proxy.middleware.cache.succession import is_newer
from proxy.policy.freshness import Freshness

EARLY, LATE = b"Sun, 06 Nov 1994 08:49:37 GMT", b"Sun, 06 Nov 1994 08:49:38 GMT"
START = date_of(EARLY) or 0.0


def meta(date: bytes, came: float = 0.0, lifetime: float = 60.0, *, validate: bool = False) -> Meta:
    """Of a reply that came ``came`` seconds after the start."""
    fresh = Freshness(START + came, 0.0, lifetime, False, validate, 0.0, 0.0)
    fields = [(b"Date", date)] if date else []
    return Meta(200, b"OK", fields, fresh, [], b"", False, False, [], [])


@pytest.mark.parametrize(
    ("stored", "found", "asked_at", "newer"),
    [
        # both were under way
        (meta(LATE, 5), meta(EARLY, 6), 1, True),
        (meta(EARLY, 5), meta(LATE, 6), 1, False),
        (meta(EARLY, 6), meta(EARLY, 5), 1, True),
        (meta(EARLY, 5), meta(EARLY, 6), 1, False),
        (meta(EARLY, 5), meta(EARLY, 5), 1, False),
        (meta(b"x", 6), meta(b"", 5), 1, True),
        (meta(LATE, 5, 0), meta(EARLY, 6), 1, True),
        # it was there before
        (meta(LATE, 1), meta(EARLY, 6), 5, True),
        (meta(EARLY, 1), meta(EARLY, 6), 5, False),
        (meta(LATE, 1, 2), meta(EARLY, 6), 5, False),
        (meta(LATE, 1, validate=True), meta(EARLY, 6), 5, False),
    ],
    ids=range(11),
)
def test_the_newer_one(stored: Meta, found: Meta, asked_at: float, newer: bool) -> None:
    assert is_newer(stored, found, START + asked_at, START + 7) is newer


def test_a_date_in_the_future_makes_nothing_newer() -> None:
    future = b"Fri, 06 Nov 2094 08:49:37 GMT"
    assert not is_newer(meta(future, 1), meta(LATE, 6), START + 5, START + 7)


@pytest.mark.parametrize(
    ("came", "ends", "newer"),
    [
        (3600, 7, False),  # stored before the clock was set back
        (12, 7, True),  # within what the clocks of machines may differ by
        (3600, 3601, True),  # both were under way: the body of this one took an hour
    ],
)
def test_what_was_stored_by_a_clock_that_was_ahead_gives_way(
    came: float, ends: float, newer: bool
) -> None:
    stored = meta(LATE, came)
    assert is_newer(stored, meta(EARLY, 6), START + 5, START + ends) is newer
