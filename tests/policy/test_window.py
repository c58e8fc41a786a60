"""Counts of the last seconds."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.window import Window


@given(st.lists(st.floats(0, 5), max_size=100))
def test_a_window_counts_what_is_not_older_than_itself(gaps: list[float]) -> None:
    window = Window(10)
    now, times = 1000.0, []
    for gap in gaps:
        now += gap
        window.add(now)
        times.append(now)
        # To the bucket: nothing of the last nine seconds is missing, nothing over ten is counted.
        assert sum(t > now - 9 for t in times) <= window.total(now)
        assert window.total(now) <= sum(t > now - 10 for t in times)
    assert window.total(now + 11) == 0


def test_a_long_pause_empties_a_window_at_once() -> None:
    window = Window(10)
    for _ in range(7):
        window.add(5.0)
    assert window.total(5.0) == 7
    assert window.total(1e9) == 0
    window.add(1e9)
    assert window.total(1e9) == 1
