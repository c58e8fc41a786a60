"""Whether a store is worth waiting for."""

import pytest

from proxy.store.circuit import Circuit


class Moved:
    """A clock that is moved by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_three_failures_in_a_second_open_it() -> None:
    clock = Moved()
    circuit = Circuit(clock)
    for step in (0.0, 0.6, 0.6):  # too slow
        clock.now += step
        circuit.failed()
    assert not circuit.is_open
    clock.now += 0.1
    circuit.failed()
    assert circuit.is_open


def test_failures_that_each_take_the_whole_timeout_open_it() -> None:
    clock = Moved()
    circuit = Circuit(clock, 1.5)
    for opened in (False, False, True):
        clock.now += 1.5
        circuit.failed()
        assert circuit.is_open is opened


@pytest.mark.parametrize(("apart", "opened"), [(2.9, True), (3.1, False)])
def test_three_failures_within_four_times_the_timeout_open_it(
    apart: float, *, opened: bool
) -> None:
    clock = Moved()
    circuit = Circuit(clock, 1.5)
    for _ in range(3):
        clock.now += apart
        circuit.failed()
    assert circuit.is_open is opened


def test_an_answer_between_failures_keeps_it_closed() -> None:
    circuit = Circuit(Moved())
    for _ in range(5):
        circuit.failed()
        circuit.failed()
        circuit.succeeded()
    assert not circuit.is_open


def test_an_open_one_admits_a_probe_a_second() -> None:
    clock = Moved()
    circuit = Circuit(clock)
    for _ in range(3):
        circuit.failed()
    assert not circuit.admits()
    clock.now += 1
    assert [circuit.admits() for _ in range(3)] == [True, False, False]
    circuit.failed()
    assert not circuit.admits()
    clock.now += 1
    assert circuit.admits()
    circuit.succeeded()
    assert circuit.admits()
    assert circuit.admits()
