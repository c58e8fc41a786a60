"""Where a file writes a table, and whose fault it is."""

from typing import Any

import pytest

from proxy.core.findings import (
    Place,
    Written,
    method_fault,
    owned_fault,
    percent_doubt,
    token_fault,
    value_fault,
)

RAW: dict[str, Any] = {
    "retry": {"attempts": 2},
    "hedge": {"max": 1},
    "routes": [{"retry": {"on": []}, "hedge": False}, {}],
}


def written(*place: Any) -> Written:
    return Written(RAW, place, None)


@pytest.mark.parametrize(
    ("entry", "asked", "at"),
    [
        (("routes", 0), ("retry", "on"), ("routes", 0, "retry", "on")),
        (("routes", 0), ("retry", "attempts"), ("retry", "attempts")),
        (("routes", 0), ("retry", ""), ("routes", 0, "retry")),
        (("routes", 0), ("hedge", ""), None),
        (("routes", 1), ("hedge", "max"), ("hedge", "max")),
        (("routes", 1), ("hedge", "delay"), None),
        (("routes", 7), ("retry", ""), ("retry",)),
        ((), ("retry", "attempts"), ("retry", "attempts")),
    ],
)
def test_an_option_is_where_the_file_writes_it(
    entry: Place, asked: tuple[str, str], at: Place | None
) -> None:
    assert written(*entry).at(*asked) == at


def test_a_table_of_its_own_is_one_that_the_entry_writes_itself() -> None:
    assert written("routes", 0).own("retry") == ("routes", 0, "retry")
    assert written("routes", 0).own("hedge") is None
    assert written("routes", 1).own("retry") is None
    assert written().own("retry") == ("retry",)


@pytest.mark.parametrize(
    ("fault", "right", "wrong", "says"),
    [
        (token_fault, "X-A", "X A", "not a name"),
        (method_fault, "PURGE", "get", "did you mean 'GET'"),
        (method_fault, "GET", "CONNECT", "405"),
        (owned_fault, "X-A", "Host", "host_header"),
        (owned_fault, "X-A", "Content-Length", "framing"),
        (owned_fault, "X-A", "X_Request_Id", "signs and names"),
        (owned_fault, "X-A", "X-*", "* stands for nothing"),
        (value_fault, "a\tb", "a\nb", "control character"),
    ],
)
def test_names_and_values_that_cannot_be_sent_are_faults(
    fault: Any, right: str, wrong: str, says: str
) -> None:
    assert fault(right) == ""
    assert says in fault(wrong)


@pytest.mark.parametrize(
    ("percent", "end"), [(0, ""), (0.05, "did you mean 5?"), (0.5, "did you mean 50?"), (1, "")]
)
def test_less_than_a_percent_was_meant_as_a_share(percent: float, end: str) -> None:
    doubt = percent_doubt(percent)
    assert doubt.endswith(end)
    assert bool(doubt) == bool(end)
