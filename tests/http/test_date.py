"""Dates in fields."""

import time

import pytest

from proxy.http.date import date_of, http_date, seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777.0),
        ("Sun Nov  6 08:49:37 1994", 784_111_777.0),
        ("Mon, 01 Jan 2024 00:00:00 +9999999999999999999", None),
        ("soon", None),
        ("", None),
    ],
)
def test_all_three_forms_are_read(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == seconds


def test_a_date_without_a_zone_is_of_utc_wherever_the_proxy_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "XYZ-5")
        time.tzset()
        found = seconds_of("Sun Nov  6 08:49:37 1994")
    time.tzset()
    assert found == 784_111_777.0


def test_now_is_written_in_the_preferred_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 784_111_777.9)
    assert http_date() == b"Sun, 06 Nov 1994 08:49:37 GMT"
    monkeypatch.setattr(time, "time", lambda: 784_111_778.0)
    assert http_date() == b"Sun, 06 Nov 1994 08:49:38 GMT"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777.0),
        (b"Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777.0),
        (b"Sun Nov  6 08:49:37 1994", 784_111_777.0),
        (b"SUN, 06 NOV 1994 08:49:37 gmt", 784_111_777.0),
        (b"Tue, 31 Dec 2999 23:59:60 GMT", 32_503_680_000.0),
        # what many programs read, but RFC 9110 5.6.7 does not know
        (b"Sun, 06 Nov 1994 08:49:37 UTC", None),
        (b"Sun, 06 Nov 94 08:49:37 GMT", None),
        (b"Sun 06 Nov 1994 08:49:37 GMT", None),
        (b"Sun, 06  Nov  1994 08:49:37 GMT", None),
        (b"Sun, 06-Nov-1994 08:49:37 GMT", None),
        (b"Sun, 06 Nov 1994 08.49.37 GMT", None),
        (b"Sun, 06 Nov 1994 8:49:37 GMT", None),
        (b"Sun, 31 Feb 1994 08:49:37 GMT", None),
        (b"Sun, 06 Nov 1994 24:49:37 GMT", None),
        (b"0", None),
        (b"", None),
    ],
    ids=range(16),
)
def test_a_strict_reader_knows_three_forms_and_no_other(
    value: bytes, seconds: float | None
) -> None:
    assert date_of(value) == seconds


def test_a_year_of_two_digits_is_fifty_years_ahead_at_most() -> None:
    ahead, past = time.gmtime().tm_year + 50, time.gmtime().tm_year - 49
    for year in (ahead, past):
        text = b"Monday, 01-Jan-%02d 00:00:00 GMT" % (year % 100)
        found = date_of(text)
        assert found is not None
        assert time.gmtime(found).tm_year == year
