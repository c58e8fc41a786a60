"""When counts have grown too much."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.micro.verdict import grown, incomparable, load, shrunk

COUNTS = st.dictionaries(
    st.sampled_from(["get", "post"]),
    st.dictionaries(st.sampled_from(["calls", "timers"]), st.floats(0, 1000), min_size=1),
)


def one(value: float) -> dict[str, dict[str, float]]:
    return {"get": {"calls": value}}


@pytest.mark.parametrize(
    ("expected", "measured", "fails"),
    [
        (200, 200, False),
        (200, 210, False),  # 5 % is allowed
        (200, 210.5, True),
        (200, 100, False),
        (1, 1.06, True),
        (0, 0.04, False),  # a clock that looked up once
        (0, 0.1, True),
    ],
)
def test_a_count_fails_when_it_has_grown_by_more_than_a_twentieth(
    expected: float, measured: float, fails: bool
) -> None:
    assert bool(grown(one(expected), one(measured))) == fails


@pytest.mark.parametrize(
    ("expected", "measured"), [({}, one(3)), (one(3), {}), (one(3), {"get": {}})]
)
def test_a_count_without_its_counterpart_fails(
    expected: dict[str, dict[str, float]], measured: dict[str, dict[str, float]]
) -> None:
    assert grown(expected, measured)


@given(COUNTS)
def test_what_is_expected_neither_fails_nor_counts_as_cheaper(
    counts: dict[str, dict[str, float]],
) -> None:
    assert not grown(counts, counts)
    assert not shrunk(counts, counts)


def test_what_has_become_cheaper_is_said() -> None:
    assert shrunk(one(200), one(150)) == ["get: calls: 150, 200 expected"]
    assert not shrunk(one(200), one(195))


@pytest.mark.parametrize(
    ("here", "comparable"),
    [
        ({"python": "3.11", "aiohttp": "3.14.5"}, True),
        ({"python": "3.12", "aiohttp": "3.14.5"}, False),
        ({"python": "3.11", "aiohttp": "3.15.0"}, False),
    ],
)
def test_counts_are_compared_on_the_versions_that_they_were_taken_on(
    here: dict[str, str], comparable: bool
) -> None:
    expected = {"python": "3.11", "aiohttp": "3.14.5", "counts": {}}
    assert (not incomparable(expected, here)) == comparable


def test_the_committed_counts_can_be_read() -> None:
    expected = load()
    assert expected is not None
    assert not grown(expected["counts"], expected["counts"])
