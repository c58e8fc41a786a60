"""What an API says of its limits."""

import pytest

from proxy.http.rate_limit_fields import budget, quota

WALL = 1_700_000_000.0


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ([(b"RateLimit", b'"default";r=50;t=30')], (50, 30)),
        ([(b"ratelimit", b'"a";r=50;t=30, "b";r=2;t=900')], (2, 900)),
        ([(b"RateLimit", b'"a"; r=0; t=7')], (0, 7)),
        ([(b"RateLimit", b"default;r=4;t=9")], (4, 9)),
        ([(b"RateLimit", b'"a,b";r=3;t=1')], (3, 1)),
        ([(b"RateLimit", b'"a";r=50')], None),
        ([(b"RateLimit", b"garbage")], None),
        ([(b"RateLimit", b"limit=10, remaining=5, reset=7")], (5, 7)),
        ([(b"RateLimit", b'"a";r=-1;t=7')], None),
        ([(b"RateLimit", b'"a";r=5;t=7, "b')], None),  # RFC 9651 4.2: all or nothing
        ([(b"RateLimit", b'"a";r=5;t=7'), (b"RateLimit", b'"b";r=2;t=9')], (2, 9)),
        ([(b"RateLimit", b'"a";r=5'), (b"RateLimit-Policy", b'"a";q=9;w=60')], (5, 60)),
        ([(b"RateLimit-Remaining", b"5"), (b"RateLimit-Reset", b"7")], (5, 7)),
        ([(b"X-RateLimit-Remaining", b"0"), (b"X-RateLimit-Reset", b"1700000042")], (0, 42)),
        ([(b"x-ratelimit-remaining", b"1"), (b"X-RATELIMIT-RESET", b"1600000000")], (1, 0)),
        ([(b"X-Rate-Limit-Remaining", b"3"), (b"X-Rate-Limit-Reset", b"1.5")], (3, 1.5)),
        ([(b"X-RateLimit-Remaining", b"3")], None),
        ([(b"X-RateLimit-Remaining", b"-3"), (b"X-RateLimit-Reset", b"7")], None),
        ([(b"X-RateLimit-Remaining", b"3"), (b"X-RateLimit-Reset", b"soon")], None),
        ([(b"X-RateLimit-Limit", b"3")], None),
        ([(b"Content-Type", b"text/plain")], None),
        ([], None),
    ],
)
def test_what_is_left_and_for_how_long(
    fields: list[tuple[bytes, bytes]], told: tuple[float, float] | None
) -> None:
    assert quota(fields, WALL) == told


@pytest.mark.parametrize(("age", "told"), [(b"0", (0, 9)), (b"300", None), (b"x", None)])
def test_what_a_cache_has_stored_says_nothing(age: bytes, told: tuple[float, float] | None) -> None:
    assert quota([(b"Age", age), (b"RateLimit", b'"a";r=0;t=9')], WALL) == told


def test_of_several_limits_the_one_is_named() -> None:
    assert budget([(b"X-RateLimit-Resource", b"code_search")]) == b"code_search"
    assert budget([(b"x-ratelimit-resource", b"x" * 5000)]) == b"x" * 64
    assert budget([(b"X-RateLimit-Remaining", b"1")]) == b""
