"""Where the time of an exchange went."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.exchange import Exchange
from proxy.core.record import Attempt
from proxy.telemetry.phases import Phases, phases


def exchange(status: int = 200, queue: float = 0.0, **found: float | None) -> Exchange:
    """One that began at 100; ``found``: ``connect`` and ``head``, seconds after that."""
    made = Exchange("GET", b"/", (), started_at=100.0)
    made.status = status
    record = made.record
    record.queue_s = queue
    record.connect_s = found.get("connect")
    head = found.get("head")
    record.first_byte_at = None if head is None else 100.0 + head
    return made


@pytest.mark.parametrize(
    ("what", "ended", "expected"),
    [
        pytest.param(
            exchange(queue=1.0, connect=0.5, head=4.0),
            6.0,
            Phases(1.0, None, 0.5, 2.5, 2.0, 6.0),
            id="all phases of one attempt",
        ),
        pytest.param(
            exchange(503, queue=3.0),
            3.0,
            Phases(3.0, None, None, None, None, 3.0),
            id="refused after a wait",
        ),
        pytest.param(
            exchange(504, connect=0.5),
            3.0,
            Phases(0.0, None, 0.5, None, None, 3.0),
            id="no head ever came",
        ),
        pytest.param(
            exchange(101, connect=0.5, head=1.0),
            3600.0,
            Phases(0.0, None, 0.5, 0.5, None, None),
            id="a tunnel",
        ),
        pytest.param(
            exchange(queue=2.0, head=1.0),
            2.0,
            Phases(2.0, None, None, 0.0, 1.0, 2.0),
            id="the answer of a call that was there before",
        ),
    ],
)
def test_phases_follow_one_another(what: Exchange, ended: float, expected: Phases) -> None:
    assert phases(what, 100.0 + ended) == expected


def test_what_passed_before_the_last_attempt_is_retry() -> None:
    made = exchange(queue=1.0, connect=0.25, head=8.0)
    made.record.attempt_log = (Attempt("a", "503", 3.0), Attempt("b", "200", 2.0))
    # 8 s until the head: 1 in the queue, 2 for the last attempt; the rest is the first and a wait
    assert phases(made, 109.0) == Phases(1.0, 5.0, 0.25, 1.75, 1.0, 9.0)


def test_tries_that_all_failed_have_no_head() -> None:
    made = exchange(502, connect=0.0)
    made.record.attempt_log = (Attempt("a", "reset", 3.0), Attempt("b", "reset", 2.0))
    assert phases(made, 106.0) == Phases(0.0, 4.0, 0.0, None, None, 6.0)


TIMES = st.floats(0, 1000)


@given(st.tuples(TIMES, TIMES, TIMES, TIMES, TIMES), st.booleans())
def test_the_phases_are_never_negative_and_make_the_whole(
    times: tuple[float, float, float, float, float], again: bool
) -> None:
    queue, first, connect, thought, body = times
    before = first if again else 0.0
    made = exchange(queue=queue, connect=connect, head=queue + before + connect + thought)
    if again:
        made.record.attempt_log = (
            Attempt("a", "503", first),
            Attempt("a", "200", connect + thought),
        )
    total = queue + before + connect + thought + body
    found = phases(made, 100.0 + total)
    assert all(took is None or took >= 0 for took in found)
    assert sum(took or 0.0 for took in found[:-1]) == pytest.approx(total, abs=1e-6)
