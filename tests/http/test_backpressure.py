"""When to come again, and what an API says of its limits."""

import time

import pytest

from proxy.http.backpressure import quota, retry_after

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


NOW = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"0", 0.0),
        (b"120", 120.0),
        (b" 7 ", 7.0),
        (b"Sun, 06 Nov 1994 08:49:47 GMT", 10.0),
        (b"Sun, 06 Nov 1994 08:00:00 GMT", 0.0),
        (b"Sun Nov  6 08:49:47 1994", 10.0),
        (b"soon", None),
        (b"0000000000030", 30.0),
        (b"9" * 400, 1e9),
        (b"Mon, 01 Jan 2024 00:00:00 +9999999999999999999", None),
        (b"-5", None),
        (b"1.5", None),
        (b"", None),
    ],
)
def test_both_forms_are_read_and_nonsense_is_not(
    value: bytes, seconds: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    assert retry_after(((b"A", b"1"), (b"RETRY-after", value)), NOW) == seconds


def test_without_the_field_there_is_nothing_to_wait_for() -> None:
    assert retry_after(((b"Date", b"1"),), NOW) is None


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ([(b"Retry-After", b"9"), (b"X-MS-Retry-After-MS", b"250")], 0.25),
        ([(b"retry-after-ms", b"9" * 12)], 999_999_999.999),
        ([(b"retry-after-ms", b"9" * 13), (b"Retry-After", b"4")], 4),
        ([(b"Retry-After", b"3"), (b"Retry-After", b"5")], 3),
        ([(b"Retry-After", b"\xb2")], None),
    ],
)
def test_of_several_fields_the_more_exact_one_and_then_the_first_counts(
    fields: list[tuple[bytes, bytes]], seconds: float | None
) -> None:
    assert retry_after(fields, NOW) == seconds
