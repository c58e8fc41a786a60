"""What of an exchange's time went on attempts that failed, and on the waits between them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.exchange import Exchange
from proxy.core.record import HEDGED, NOT_ATTEMPTED, PERMIT, Attempt, Wait
from proxy.telemetry.call import Teller, named
from proxy.telemetry.phases import NAMES, phases
from proxy.telemetry.traffic import TIMES, times
from tests.support.ended import SERVER, Slow, ended

LEFT: dict[str, Any] = {"status": 499, "error": "client_gone", "head_at": None}
ENDS: dict[str, dict[str, Any]] = {
    "client": LEFT,
    "deadline": {"status": 504, "error": "http_response_timeout"},
    "operator": {"status": 503, "error": "http_request_denied", "ended_by": "operator"},
    "in flight": {"status": 0, "error": "-"},
}


def tried(outcome: str, began: float, seconds: float, *waits: float, **more: Any) -> Attempt:
    """``waits``: in queues, and for the client, before it began."""
    queue, client = (*waits, 0.0, 0.0)[:2]
    return Attempt("http://a", outcome, seconds, began, 0.0, queue, client_s=client, **more)


def spent(exchange: Exchange, seconds: float = 5.0) -> dict[str, float]:
    found = phases(exchange, 100.0 + seconds)
    assert sum(found) == pytest.approx(seconds)
    return {name: value for name, value in found._asdict().items() if value > 1e-9}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize(
    "tries",
    [
        [tried("503", 100.0, 0.1)],
        [tried("503", 100.0, 0.1), tried("503", 101.0, 0.5)],
        [tried(HEDGED, 100.5, 0.1), tried("503", 100.0, 0.6)],
    ],
    ids=["one", "two", "with a copy"],
)
def test_of_one_that_ends_in_a_later_attempt_all_others_have_failed(
    tries: list[Attempt], end: dict[str, Any]
) -> None:
    """What they took, and the wait for the last one, was the server's that hung."""
    asked = len(tries) + 1
    exchange = ended(5.0, began=100.0, asked=asked, tries=tuple(tries), last=103.0, **end)
    assert spent(exchange) == pytest.approx({"retries": 3.0, "first_byte": 2.0})
    assert named("retries", exchange, 105.0) == "retries"
    number = f"on {sum(not each.hedged for each in tries)} failed "
    found = phases(exchange, 105.0)
    call = Teller((), lambda: 0.0, lambda: 0.0).call(
        exchange, found, 105.0, in_flight=not exchange.status
    )
    assert number in call.why


@pytest.mark.parametrize("end", ["client", "operator", "in flight"])
def test_who_waits_for_another_attempt_waits_for_retries(end: str) -> None:
    tries = tried("timeout", 100.0, 1.0), tried("timeout", 101.0, 1.0)
    exchange = ended(5.0, began=100.0, asked=2, tries=tries, **ENDS[end])
    if end == "operator":
        exchange.record.failure = "ended_by_operator", ""
    assert spent(exchange) == pytest.approx({"retries": 5.0})
    call = Teller((), lambda: 0.0, lambda: 0.0).call(
        exchange, phases(exchange, 105.0), 105.0, in_flight=not exchange.status
    )
    assert call.cause == named("retries", exchange, 105.0) == "first_byte"
    assert "on 2 failed tries of api" in call.why


def test_a_refusal_is_no_attempt_that_was_waited_for() -> None:
    """Another upstream took over, and did not let it through."""
    exchange = ended(
        5.0,
        began=100.0,
        head_at=1.0,
        queue=2.0,
        tries=(tried("503", 100.0, 1.0), tried(NOT_ATTEMPTED, 101.0, 4.0)),
        status=503,
        error="connection_limit_reached",
        committed=True,
    )
    exchange.record.refused = "queue_timeout"
    assert spent(exchange) == pytest.approx({"queue": 2.0, "retries": 3.0})


@pytest.mark.parametrize(
    ("given_up", "expected"),
    [
        ((0.0, 0.0, 0.0), {"first_byte": 1.0, "body": 4.0}),
        ((101.5, 104.5, 0.0), {"retries": 3.0, "first_byte": 1.0, "body": 1.0}),
        ((101.5, 104.5, 1.0), {"queue": 1.0, "retries": 2.0, "first_byte": 1.0, "body": 1.0}),
        ((99.0, 100.5, 0.0), {"first_byte": 1.0, "body": 4.0}),  # another answer came after it
    ],
)
def test_the_wait_for_an_attempt_that_was_not_made_is_no_time_of_the_reply_before(
    given_up: tuple[float, float, float], expected: dict[str, float]
) -> None:
    tries = (tried("503", 100.0, 1.5),)
    exchange = ended(5.0, began=100.0, head_at=1.0, tries=tries, status=503, queue=given_up[2])
    exchange.record.given_up = given_up
    assert spent(exchange) == pytest.approx(expected)
    assert named("retries", exchange, 105.0) == "retries"


def test_nor_is_it_the_time_of_a_server_whose_failure_is_the_answer() -> None:
    fields: dict[str, Any] = {"status": 502, "error": "connection_terminated"}
    exchange = ended(5.0, began=100.0, tries=(tried("reset", 100.0, 1.0),), **fields)
    exchange.record.given_up = 101.0, 104.5, 0.0
    assert spent(exchange) == pytest.approx({"retries": 3.5, "first_byte": 1.5})


@pytest.mark.parametrize("log", [True, False], ids=["answered", "left"])
def test_a_slow_upload_is_the_clients_in_whatever_attempt_it_came(log: bool) -> None:
    """It was counted with the failed attempt too, and the answer took no time."""
    first, second = tried("503", 100.0, 2.0), tried("200", 102.5, 2.5, 0.0, 1.5)
    exchange = ended(
        5.0,
        began=100.0,
        asked=2,
        tries=(first, second) if log else (first,),
        last=102.5,
        body=Slow(1.5),
        **{} if log else LEFT,
    )
    exchange.record.client_before = 1.5
    assert spent(exchange) == pytest.approx({"client": 1.5, "retries": 1.0, "first_byte": 2.5})


def test_waits_before_the_first_attempt_are_not_taken_from_it() -> None:
    """A rate limit, and a body that was read before any server was asked."""
    tries = tried("503", 102.0, 1.0, 1.5, 0.5), tried("200", 103.5, 1.5, 1.5, 0.5)
    exchange = ended(5.0, began=100.0, asked=2, tries=tries, queue=1.5, body=Slow(0.5))
    expected = {"client": 0.5, "queue": 1.5, "retries": 1.5, "first_byte": 1.5}
    assert spent(exchange) == pytest.approx(expected)


def test_a_wait_between_two_attempts_is_in_the_queue_once() -> None:
    """``wait_for_connect``."""
    tries = tried("503", 100.0, 1.0), tried("200", 103.0, 2.0, 1.5)
    exchange = ended(5.0, began=100.0, asked=2, tries=tries, queue=1.5)
    assert spent(exchange) == pytest.approx({"queue": 1.5, "retries": 1.5, "first_byte": 2.0})


def test_rounds_with_copies_do_not_overlap() -> None:
    """Each began with its own request; the copies are logged before it, whichever has won."""
    tries = (
        tried(HEDGED, 100.5, 1.0, beside=True),
        tried("503", 100.0, 1.5),
        tried(HEDGED, 102.0, 1.5, beside=True),
        tried("503", 102.5, 1.0),
        tried("503", 104.5, 0.25, beside=True),
        tried("200", 104.0, 1.0),
    )
    exchange = ended(5.0, began=100.0, asked=6, tries=tries)
    assert spent(exchange) == pytest.approx({"retries": 4.0, "first_byte": 1.0})


def test_a_copy_that_has_won_counts_from_the_request_on() -> None:
    tries = tried("503", 100.0, 1.0), tried(HEDGED, 102.0, 3.0, beside=True)
    exchange = ended(5.0, began=100.0, asked=3, tries=tries, last=103.0)
    assert spent(exchange) == pytest.approx({"retries": 2.0, "first_byte": 3.0})


@pytest.mark.parametrize(
    ("asked", "tries", "count"),
    [
        (1, [], None),
        (1, [tried("503", 100.0, 1.0)], None),
        (2, [tried("503", 100.0, 1.0)], 3.0),
        (2, [tried("503", 100.0, 1.0), tried("200", 103.0, 2.0)], 3.0),
    ],
    ids=["one", "one logged", "one logged, one under way", "two"],
)
def test_retries_are_told_of_those_that_were_tried_again(
    asked: int, tries: list[Attempt], count: float | None
) -> None:
    """One that its client left in the second attempt has a log of one."""
    exchange = ended(5.0, began=100.0, asked=asked, tries=tuple(tries), last=103.0)
    found = times(exchange, phases(exchange, 105.0), 105.0)
    assert found[TIMES.index("retries")] == count


SECONDS = st.floats(0.0, 6.0)
TRIES = st.builds(
    Attempt,
    st.just(SERVER),
    st.sampled_from(["200", "503", "timeout", HEDGED, NOT_ATTEMPTED]),
    SECONDS,
    st.floats(99.0, 106.0) | st.just(0.0),
    st.none() | SECONDS,
    SECONDS,
    beside=st.booleans(),
    client_s=SECONDS,
)


@given(
    tries=st.lists(TRIES, max_size=5),
    asked=st.integers(0, 6),
    status=st.sampled_from([0, 101, 200, 499, 503, 504]),
    error=st.sampled_from(["", "client_gone", "http_response_timeout"]),
    committed=st.booleans(),
    refused=st.sampled_from(["", "queue_timeout"]),
    wait=st.none() | st.builds(Wait, st.just(PERMIT), st.floats(99.0, 105.0)),
    head_at=st.none() | SECONDS,
    connect=st.none() | SECONDS,
    last=st.floats(99.0, 106.0) | st.just(0.0),
    head=SECONDS,
    queue=SECONDS,
    upload=SECONDS,
    taking=SECONDS,
    given_up=st.tuples(st.floats(99.0, 102.0), st.floats(102.0, 106.0), SECONDS)
    | st.just((0.0, 0.0, 0.0)),
)
def test_the_six_make_the_duration(
    wait: Wait | None,
    refused: str,
    head_at: float | None,
    upload: float,
    taking: float,
    **of: Any,
) -> None:
    """Whatever the record says: in the histograms too, where some of them may be left out."""
    tries, given_up = tuple(of.pop("tries")), of.pop("given_up")
    exchange = ended(
        5.0, began=100.0, tries=tries, body=Slow(upload), stalled=lambda _: taking, **of
    )
    record = exchange.record
    record.wait, record.refused, record.given_up = wait, refused, given_up
    record.first_byte_at = None if head_at is None else 100.0 + head_at
    found = phases(exchange, 105.0)
    assert min(found) >= 0
    assert sum(found) == pytest.approx(5.0)
    told = times(exchange, found, 105.0)
    assert told[-1] is None or sum(each or 0.0 for each in told[: len(NAMES)]) == pytest.approx(5.0)
