"""What is usual on a route."""

from proxy.telemetry.ended import Ended
from proxy.telemetry.phases import NAMES, Phases
from proxy.telemetry.recorder import ROUTES, Recorder
from proxy.telemetry.usual import ENOUGH, FLOOR, MEMORY, UNKNOWN, Usual
from tests.support.ended import ended

FIRST_BYTE = NAMES.index("first_byte")


def spent(seconds: float, phase: str = "first_byte") -> Phases:
    return Phases(*(seconds if name == phase else 0.0 for name in NAMES))


def taught(mean: float, calls: int = 100) -> Usual:
    usual = Usual()
    usual.learn(calls, [0.0] * FIRST_BYTE + [mean * calls, 0.0], doubt=False)
    return usual


def test_where_nothing_is_known_a_second_is_long() -> None:
    usual = Usual()
    assert usual.mean("first_byte") is None
    assert usual.unusual(spent(UNKNOWN), 0) == ""
    assert usual.unusual(spent(UNKNOWN + 0.1), 0) == "first_byte"
    assert taught(9.0, ENOUGH - 1).unusual(spent(UNKNOWN + 0.1), 0) == "first_byte"


def test_three_times_as_long_as_usual_is_long() -> None:
    usual = taught(10.0)
    assert usual.mean("first_byte") == 10.0
    assert usual.unusual(spent(29.0), 0) == ""
    assert usual.unusual(spent(31.0), 0) == "first_byte"


def test_what_is_short_is_never_long() -> None:
    usual = taught(0.001)
    assert usual.unusual(spent(FLOOR), 0) == ""
    assert usual.unusual(spent(FLOOR + 0.01, "connect"), 0) == "connect"


def test_a_large_body_is_not_slow() -> None:
    usual = taught(0.001)
    assert usual.unusual(spent(10.0, "body"), 100 << 20) == ""
    assert usual.unusual(spent(10.0, "body"), 1 << 20) == "body"


def test_a_fault_does_not_become_usual_soon() -> None:
    usual = taught(0.1, 10_000)
    for _ in range(int(MEMORY) * 3):
        usual.learn(10, [0.0] * FIRST_BYTE + [10 * 2.0, 0.0], doubt=True)
    assert usual.unusual(spent(2.0), 0) == "first_byte"


def test_what_lasts_becomes_usual() -> None:
    usual = taught(0.1, 10_000)
    for _ in range(int(MEMORY) * 10):
        usual.learn(10, [0.0] * FIRST_BYTE + [10 * 3.0, 0.0], doubt=False)
    assert usual.unusual(spent(3.0), 0) == ""


def test_what_was_usual_on_a_route_goes_with_it() -> None:
    """New ones had to do with what is usual on all of them together, once there had been many."""
    gathered = Ended(lambda: 0.0, lambda: 1e6)
    recorder = Recorder(gathered, list)
    for reload in range(3):
        routes = {f"/{reload}-{number}" for number in range(ROUTES - 1)}
        recorder.keep(routes)
        for route in routes:
            gathered.record(ended(0.1, route=route), 0.1)
        recorder.tick()
        assert recorder._usual.keys() == routes
