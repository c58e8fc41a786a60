"""How long a client is waited for."""

from proxy.core.stopwatch import Stopwatch


def test_spans_add_up_and_one_that_goes_on_counts() -> None:
    watch = Stopwatch()
    assert watch(10.0) == 0.0
    watch.begin(10.0)
    watch.begin(11.0)  # it is waited for already
    assert watch(12.0) == 2.0
    watch.end(13.0)
    watch.end(14.0)  # it is not waited for any more
    assert watch(20.0) == 3.0
    watch.begin(20.0)
    assert watch(25.0) == 8.0
