"""When a stored reply may be used."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.policy.freshness import (
    ANYTHING,
    Freshness,
    Use,
    Wanted,
    initial_age,
    lifetime,
    reuse,
    usable_on_error,
    wanted_by,
)

FRESH = Freshness(0.0, 0.0, 10.0, False, False, 0.0, 0.0)


def stored(**changes: Any) -> Freshness:
    """Received at 0, fresh for 10 seconds."""
    return replace(FRESH, **changes)


@pytest.mark.parametrize(
    ("reply", "wanted", "now", "use"),
    [
        (stored(), ANYTHING, 9.9, Use.FRESH),
        (stored(), ANYTHING, 10, Use.VALIDATE),
        (stored(initial_age=5), ANYTHING, 6, Use.VALIDATE),
        (stored(always_validate=True), ANYTHING, 0, Use.VALIDATE),
        (stored(), Wanted(no_cache=True), 0, Use.VALIDATE),
        (stored(), Wanted(max_age=5), 4, Use.FRESH),
        (stored(), Wanted(max_age=5), 6, Use.VALIDATE),
        (stored(), Wanted(min_fresh=5), 4, Use.FRESH),
        (stored(), Wanted(min_fresh=5), 6, Use.VALIDATE),
        (stored(), Wanted(max_stale=5), 14, Use.STALE),
        (stored(), Wanted(max_stale=5), 16, Use.VALIDATE),
        (stored(), Wanted(max_stale=math.inf), 1e9, Use.STALE),
        (stored(), Wanted(max_stale=5, max_age=12), 14, Use.VALIDATE),
        (stored(must_revalidate=True), Wanted(max_stale=5), 11, Use.VALIDATE),
        (stored(while_revalidate=5), ANYTHING, 14, Use.REFRESH),
        (stored(while_revalidate=5), ANYTHING, 15, Use.VALIDATE),
        (stored(while_revalidate=5, must_revalidate=True), ANYTHING, 11, Use.VALIDATE),
        (stored(while_revalidate=5), Wanted(no_cache=True), 11, Use.VALIDATE),
        (stored(while_revalidate=5), Wanted(max_age=5), 11, Use.VALIDATE),
        (stored(while_revalidate=5), Wanted(min_fresh=1), 11, Use.VALIDATE),
        (stored(lifetime=0, while_revalidate=5), ANYTHING, 0, Use.REFRESH),
        # A request bounds how stale it may be (RFC 9111 5.2.1.1, 5.2.1.2).
        (stored(while_revalidate=50), Wanted(max_age=20), 11, Use.VALIDATE),
        (stored(while_revalidate=50), Wanted(max_stale=2), 13, Use.VALIDATE),
        (stored(while_revalidate=50), Wanted(max_stale=2), 12, Use.STALE),
        (stored(while_revalidate=50), Wanted(max_stale=0), 11, Use.VALIDATE),
        (stored(while_revalidate=50), Wanted(max_stale=5, max_age=20), 14, Use.STALE),
        (stored(lifetime=0, while_revalidate=5), Wanted(max_age=0), 0, Use.VALIDATE),
    ],
    ids=range(27),
)
def test_what_may_be_done_with_it(reply: Freshness, wanted: Wanted, now: float, use: Use) -> None:
    assert reuse(reply, wanted, now) is use


@pytest.mark.parametrize(
    ("reply", "wanted", "now", "usable"),
    [
        (stored(if_error=5), ANYTHING, 14, True),
        (stored(if_error=5), ANYTHING, 15, False),
        (stored(), ANYTHING, 11, False),
        (stored(), Wanted(if_error=5), 14, True),
        (stored(), Wanted(max_stale=5), 14, True),
        (stored(while_revalidate=5), ANYTHING, 14, True),
        (stored(if_error=5, must_revalidate=True), ANYTHING, 11, False),
        (stored(if_error=5, always_validate=True), ANYTHING, 1, False),
        (stored(if_error=5), Wanted(no_cache=True), 11, False),
        # stale-if-error counts before what the request says of freshness (RFC 5861 4)
        (stored(if_error=5), Wanted(max_age=0), 11, True),
        (stored(if_error=5), Wanted(max_age=0), 9, True),
        (stored(if_error=5), Wanted(max_age=0), 15, False),
        (stored(if_error=5), Wanted(min_fresh=5), 9, True),
        (stored(if_error=5), Wanted(max_stale=1), 14, True),
        (stored(), Wanted(max_age=0, if_error=5), 14, True),
        (stored(if_error=5, must_revalidate=True), Wanted(max_age=0), 9, True),
        # without it that counts
        (stored(), Wanted(max_age=5), 6, False),
        (stored(), Wanted(min_fresh=5), 9, False),
        (stored(while_revalidate=5), Wanted(max_age=20), 11, False),
        (stored(while_revalidate=5), Wanted(max_stale=1), 12, False),
        (stored(while_revalidate=5), Wanted(min_fresh=1), 11, False),
    ],
    ids=range(21),
)
def test_what_is_better_than_an_error(
    reply: Freshness, wanted: Wanted, now: float, usable: bool
) -> None:
    assert usable_on_error(reply, wanted, now) is usable


@pytest.mark.parametrize(
    ("directives", "status", "expires", "modified", "ttl", "seconds"),
    [
        ({b"max-age": b"60"}, 200, None, None, 0, 60),
        ({b"max-age": b"1", b"s-maxage": b"60"}, 200, None, None, 0, 60),
        ({b"max-age": b"60"}, 200, 1.0, None, 0, 60),
        ({b"max-age": b"-60"}, 200, 2000.0, None, 5, 0),
        ({b"max-age": b"1.5"}, 200, None, None, 0, 0),
        ({b"max-age": None}, 200, None, None, 0, 0),
        ({b"max-age": b"99999999999"}, 200, None, None, 0, 2**31),
        ({}, 200, 1100.0, None, 5, 100),
        ({}, 200, 900.0, None, 5, 0),
        ({}, 200, 0.0, None, 5, 0),  # no date
        ({}, 200, None, 900.0, 0, 10),
        ({}, 200, None, 900.0, 5, 5),
        ({}, 404, None, 900.0, 5, 10),  # ttl is not for errors
        ({}, 200, None, -1e9, 0, 86400),
        ({}, 200, None, 2000.0, 0, 0),
        ({}, 503, None, 900.0, 5, 0),
        ({}, 201, None, 900.0, 5, 0),
        ({b"public": None}, 599, None, 900.0, 0, 10),
        ({}, 200, None, None, 0, 0),
    ],
    ids=range(19),
)
def test_for_how_long(  # noqa: PLR0917
    directives: dict[bytes, bytes | None],
    status: int,
    expires: float | None,
    modified: float | None,
    ttl: float,
    seconds: float,
) -> None:
    found = lifetime(directives, status, expires=expires, made=1000.0, modified=modified, ttl=ttl)
    assert found.seconds == seconds
    assert found.explicit is (bool(directives.keys() - {b"public"}) or expires is not None)


@pytest.mark.parametrize(
    ("said", "made", "wall", "age"),
    [
        (None, None, 1000.0, 2),
        (30.0, None, 1000.0, 32),
        (None, 900.0, 1000.0, 100),
        (200.0, 900.0, 1000.0, 202),
        (None, 1100.0, 1000.0, 2),  # made by a clock that is ahead
    ],
    ids=range(5),
)
def test_how_old_it_was_when_it_came(
    said: float | None, made: float | None, wall: float, age: float
) -> None:
    assert initial_age(said, made, 10.0, 12.0, wall) == age


@pytest.mark.parametrize(
    ("directives", "pragma", "wanted"),
    [
        ({}, False, ANYTHING),
        ({}, True, Wanted(no_cache=True)),
        ({b"max-age": b"5"}, True, Wanted(max_age=5)),
        ({b"max-age": b"x"}, False, Wanted(max_age=0)),
        ({b"max-stale": None}, False, Wanted(max_stale=math.inf)),
        ({b"max-stale": b"5", b"min-fresh": b"3"}, False, Wanted(max_stale=5, min_fresh=3)),
        ({b"no-store": None, b"no-cache": None}, False, Wanted(no_cache=True, no_store=True)),
        ({b"only-if-cached": None}, False, Wanted(only_if_cached=True)),
        ({b"stale-if-error": b"9"}, False, Wanted(if_error=9)),
    ],
    ids=range(9),
)
def test_what_a_request_says(
    directives: dict[bytes, bytes | None], pragma: bool, wanted: Wanted
) -> None:
    assert wanted_by(directives, pragma=pragma) == wanted


times = st.floats(0, 1e6)
replies = st.builds(
    Freshness, times, times, times, st.booleans(), st.booleans(), times, times, st.booleans()
)
requests = st.builds(
    Wanted,
    no_cache=st.booleans(),
    max_age=st.none() | times,
    min_fresh=times,
    max_stale=st.none() | times,
    if_error=times,
)


@given(replies, times, times)
def test_age_never_shrinks(reply: Freshness, one: float, other: float) -> None:
    first, second = sorted(max(reply.received_at - 10, moment) for moment in (one, other))
    assert reply.age(first) <= reply.age(second)
    assert reply.age(first) >= reply.initial_age


@given(replies, requests, times)
def test_what_is_not_fresh_is_never_used_unless_something_says_so(
    reply: Freshness, wanted: Wanted, now: float
) -> None:
    use = reuse(reply, wanted, now)
    stale = reply.age(now) >= reply.lifetime
    if use is Use.FRESH:
        assert not stale
    staleness = reply.age(now) - reply.lifetime
    if use is Use.STALE:
        assert wanted.max_stale is not None
        assert staleness <= wanted.max_stale
    if use is Use.REFRESH:
        assert staleness < reply.while_revalidate
        assert (wanted.max_age, wanted.max_stale, wanted.min_fresh) == (None, None, 0)
    if use is not Use.VALIDATE:
        assert not reply.always_validate
        assert not wanted.no_cache
        assert not (stale and reply.must_revalidate)
        assert wanted.max_age is None or reply.age(now) <= wanted.max_age


@given(replies, requests, times)
def test_no_failure_makes_a_reply_usable_that_forbids_it(
    reply: Freshness, wanted: Wanted, now: float
) -> None:
    if usable_on_error(reply, wanted, now):
        assert not reply.always_validate
        assert not wanted.no_cache
        stale = reply.age(now) > reply.lifetime
        assert not (stale and reply.must_revalidate)


@given(replies, requests, times)
def test_on_an_error_stale_if_error_counts_before_the_request(
    reply: Freshness, wanted: Wanted, now: float
) -> None:
    usable = usable_on_error(reply, wanted, now)
    staleness = -reply.remaining(now)
    allowed = max(reply.if_error, wanted.if_error)
    if reuse(reply, wanted, now) is not Use.VALIDATE:
        assert usable
    elif wanted.no_cache or reply.always_validate or (reply.must_revalidate and staleness >= 0):
        assert not usable
    else:
        assert usable is (allowed > 0 and staleness < allowed)


def test_what_comes_from_the_future_is_old() -> None:
    found = stored(received_at=1000.0, lifetime=60.0)
    assert reuse(found, ANYTHING, 991.0) is Use.FRESH  # clocks differ a little
    assert reuse(found, ANYTHING, 989.0) is Use.VALIDATE
    assert int(found.remaining(989.0)) == 60 - 2**31
