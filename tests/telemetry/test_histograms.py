"""Distributions of times."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.telemetry.histograms import BOUNDS, NAMES, Histogram
from tests.support.samples import told as shown


class _Named:
    """A histogram as operators are shown it."""

    def __init__(self, histogram: Histogram) -> None:
        self.histogram = histogram

    def describe(self, _: float) -> object:
        return self.histogram.describe("t", {})


def told(histogram: Histogram) -> dict[str, object]:
    return shown(_Named(histogram))  # type: ignore[arg-type]


def test_a_time_is_in_the_first_bucket_that_has_room_for_it() -> None:
    histogram = Histogram()
    histogram.observe([0.001, 0.0011, 0.0025, 600.0, 601.0])
    assert told(histogram) == {
        "t_bucket 0.001": 1,
        "t_bucket 0.0025": 2,
        "t_bucket 600": 1,
        "t_bucket +Inf": 1,
        "t_sum": 0.001 + 0.0011 + 0.0025 + 600.0 + 601.0,
    }


def test_nothing_is_told_of_an_empty_one() -> None:
    assert told(Histogram()) == {}


def test_times_of_nothing_count_too() -> None:
    histogram = Histogram()
    histogram.observe([0.0, 0.0])
    assert told(histogram) == {"t_bucket 0.001": 2, "t_sum": 0.0}


@given(st.lists(st.lists(st.floats(0, 1000) | st.sampled_from(BOUNDS), min_size=1)))
def test_many_at_a_time_count_as_one_by_one(batches: list[list[float]]) -> None:
    histogram, expected = Histogram(), dict.fromkeys(NAMES, 0)
    for batch in batches:
        histogram.observe(batch)
        for seconds in batch:
            bucket = next((i for i, bound in enumerate(BOUNDS) if seconds <= bound), -1)
            expected[NAMES[bucket]] += 1
    found = {name: told(histogram).get(f"t_bucket {name}", 0) for name in NAMES}
    assert found == expected


def test_a_bucket_has_the_latest_example() -> None:
    histogram = Histogram()
    histogram.observe([0.2, 0.21, 700.0])
    histogram.exemplify(0.2, "a" * 32, 1000.0)
    histogram.exemplify(0.21, "b" * 32, 1001.0)
    histogram.exemplify(700.0, "c" * 32, 1002.0)
    found = told(histogram)
    assert found["t_example 0.25"] == f"{'b' * 32} 0.210000 1001.000"
    assert found["t_example +Inf"] == f"{'c' * 32} 700.000000 1002.000"
