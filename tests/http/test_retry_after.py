"""When to come again, in both forms of the field and in those of well-known APIs."""

import time

import pytest

from proxy.http.retry_after import retry_after

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
