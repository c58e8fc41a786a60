"""The language of the filter box; the page has it too and is held to the same table."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proxy.admin.filter import parse
from proxy.telemetry.call import Call

TABLE: list[dict[str, Any]] = json.loads(Path(__file__).with_name("filters.json").read_text())
"""Filters, calls by their number, and which of these each filter accepts."""
CALLS = [msgspec.convert(each, Call) for each in TABLE[0]["calls"]]


@pytest.mark.parametrize("row", TABLE[1:], ids=lambda row: row["filter"] or "empty")
def test_a_filter_accepts_some_calls(row: dict[str, Any]) -> None:
    accepts = parse(row["filter"])
    assert [number for number, call in enumerate(CALLS) if accepts(call)] == row["accepts"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("status:9", "status:9: expected a status such as 503 or 5xx"),
        ("slow:>2h", "slow:>2h: expected a duration such as >2s or 500ms"),
        ("slow:\u0663s", "slow:\u0663s: expected a duration such as >2s or 500ms"),
        ("is:toString", "is:toString: expected is:failed, is:slow or is:flying"),
        ("route:/v1 is:odd", "is:odd: expected is:failed, is:slow or is:flying"),
    ],
)
def test_what_cannot_be_read_is_said(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(text)


def test_a_word_may_be_denied_any_number_of_times() -> None:
    for number in (7_000, 7_001):
        accepts = parse("-" * number + "is:failed")
        assert accepts(CALLS[1]) is (number % 2 == 0)
