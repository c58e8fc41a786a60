"""How long a client is waited for."""

from proxy.core.taking import Taking


def test_spans_add_up_and_one_that_goes_on_counts() -> None:
    taking = Taking()
    assert taking(10.0) == 0.0
    taking.begin(10.0)
    taking.begin(11.0)  # it is waited for already
    assert taking(12.0) == 2.0
    taking.end(13.0)
    taking.end(14.0)  # it is not waited for any more
    assert taking(20.0) == 3.0
    taking.begin(20.0)
    assert taking(25.0) == 8.0
