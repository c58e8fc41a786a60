"""Dates in fields."""

import time

import pytest

from proxy.http.date import http_date, seconds_of


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
