"""Durations of the configuration."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.duration import Duration


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("250ms", 0.25),
        ("5s", 5),
        ("1.5s", 1.5),
        ("2m", 120),
        ("1h", 3600),
        ("0", 0),
        ("0s", 0),
        ("0ms", 0),
    ],
)
def test_a_duration_is_one_number_and_a_unit(text: str, amount: float) -> None:
    assert Duration.parse(text) == pytest.approx(amount)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "s",
        "-5s",
        "-1B",
        "5 s",
        "٣s",
        "\uff11\uff10s",
        "5S",
        "5sec",
        "1h30m",
        "5MB",
        "8mib",
        "1e3s",
        ".5s",
        5,
        5.0,
        True,
        None,
    ],
)
def test_anything_else_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match="such as"):
        Duration.parse(text)


@given(st.integers(0, 999_999))
def test_a_duration_reads_what_it_writes(milliseconds: int) -> None:
    duration = Duration(milliseconds / 1000)
    assert Duration.parse(str(duration)) == pytest.approx(duration)
