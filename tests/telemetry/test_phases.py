"""Where the time of an exchange went."""

from typing import Any

import pytest

from proxy.core.exchange import Exchange
from proxy.core.record import ANSWER, HEDGED, PERMIT, Attempt, Wait
from proxy.telemetry.phases import NAMES, phase_now, phases
from proxy.telemetry.traffic import times
from tests.support.ended import Slow, ended


def failed(outcome: str, began: float, seconds: float, queue: float = 0.0) -> Attempt:
    return Attempt("http://a", outcome, seconds, began, 0.0, queue)


def retried(*tries: Attempt, **fields: Any) -> Exchange:
    """Of one with an error its last attempt is not logged."""
    known = {"began": 100.0, "head_at": None if "error" in fields else 3.0}
    return ended(3.0, asked=2, tries=tries, **known | fields)


CASES: dict[str, tuple[Exchange, dict[str, float]]] = {
    "plain": (
        ended(3.0, connect=0.5, head_at=2.0),
        {"connect": 0.5, "first_byte": 1.5, "body": 1.0},
    ),
    "queue": (
        ended(3.0, queue=2.0, head_at=2.5),
        {"queue": 2.0, "first_byte": 0.5, "body": 0.5},
    ),
    "reply not taken": (
        ended(3.0, stalled=lambda _: 2.0, head_at=0.5),
        {"client": 2.0, "first_byte": 0.5, "body": 0.5},
    ),
    "body sent slowly": (
        ended(3.0, body=Slow(2.0), head_at=2.5),
        {"client": 2.0, "first_byte": 0.5, "body": 0.5},
    ),
    "body asked for late": (  # it waited for 100 (Continue) for a second
        ended(3.0, body=Slow(1.5, held=1.0), head_at=2.5),
        {"client": 0.5, "first_byte": 2.0, "body": 0.5},
    ),
    "head sent slowly": (
        ended(3.0, head=2.0, head_at=2.5),
        {"client": 2.0, "first_byte": 0.5, "body": 0.5},
    ),
    "head and body sent slowly": (
        ended(3.0, head=1.0, queue=0.5, body=Slow(1.0), head_at=2.75),
        {"client": 2.0, "queue": 0.5, "first_byte": 0.25, "body": 0.25},
    ),
    "head too slow": (ended(3.0, asked=0, head=3.0, status=408, connect=None), {"client": 3.0}),
    "no connection": (
        ended(3.0, connect=None, error="connection_timeout", status=504),
        {"connect": 3.0},
    ),
    "no head": (ended(3.0, error="http_response_timeout", status=504), {"first_byte": 3.0}),
    "not let through": (ended(3.0, asked=0, queue=3.0, status=503), {"queue": 3.0}),
    "shared": (ended(3.0, asked=0, status=200, connect=None), {"queue": 3.0}),
    "retried": (
        retried(failed("503", 100.0, 1.5), failed("200", 102.0, 0.9), head_at=2.9),
        {"retries": 2.0, "first_byte": 0.9, "body": 0.1},
    ),
    "retried behind a queue": (
        retried(failed("503", 100.0, 1.5), failed("200", 102.0, 1.0, 1.0), queue=1.0),
        {"queue": 1.0, "retries": 1.0, "first_byte": 1.0},
    ),
    "given up before another attempt": (
        ended(
            3.0,
            tries=(failed("503", 100.0, 0.5),),
            began=100.0,
            status=499,
            error="client_gone",
            head_at=0.25,
        ),
        {"retries": 3.0},
    ),
    "given up in another attempt": (
        retried(failed("503", 100.0, 0.5), last=102.0, status=499, error="client_gone"),
        {"retries": 2.0, "first_byte": 1.0},
    ),
    "hedged": (
        retried(failed(HEDGED, 100.0, 3.0), failed("200", 101.0, 2.0)),
        {"first_byte": 3.0},
    ),
}


@pytest.mark.parametrize(("exchange", "spent"), CASES.values(), ids=CASES)
def test_each_moment_belongs_to_a_phase(exchange: Exchange, spent: dict[str, float]) -> None:
    found = phases(exchange, exchange.started_at + 3.0)
    assert found._asdict() == pytest.approx({name: spent.get(name, 0.0) for name in NAMES})
    assert sum(found) == pytest.approx(3.0)
    assert found.longest == max(NAMES, key=lambda name: spent.get(name, 0.0))


def test_a_tunnel_waits_for_nobody() -> None:
    exchange = ended(10.0, status=101, head_at=1.0, stalled=lambda _: 5.0)
    assert phases(exchange, 10.0).client == 0.0


def flying(**fields: Any) -> Exchange:
    return ended(**{"seconds": 0.0, "status": 0, "error": "-", "began": 100.0, **fields})


@pytest.mark.parametrize(
    ("exchange", "phase", "seconds"),
    [
        (flying(asked=0), "queue", 5.0),
        (flying(connect=None), "connect", 5.0),
        (flying(), "first_byte", 5.0),
        (flying(body=Slow(0.0, goes_on=True)), "client", 5.0),
        (flying(body=Slow(0.0, goes_on=True, held=-1)), "first_byte", 5.0),
        (flying(tries=(failed("503", 100.0, 1.0),)), "retries", 5.0),
        (
            flying(tries=(failed("503", 100.0, 0.5),), asked=2, connect=None, last=101.0),
            "connect",
            4.0,
        ),
        (flying(head_at=1.0, committed=True, status=200), "body", 4.0),
        (
            flying(head_at=1.0, committed=True, status=200, stalled=lambda now: now - 101.0),
            "client",
            4.0,
        ),
    ],
    ids=[
        "queue",
        "connect",
        "first byte",
        "upload",
        "kept back",
        "between tries",
        "second try",
        "body",
        "taken",
    ],
)
def test_what_is_in_flight_waits_for_something(
    exchange: Exchange, phase: str, seconds: float
) -> None:
    assert phase_now(exchange, 105.0) == phase
    assert getattr(phases(exchange, 105.0), phase) == pytest.approx(seconds)


def test_a_failed_attempt_that_is_still_known_is_no_answer() -> None:
    """Between two tries the record is that of the one that has failed."""
    exchange = flying(head_at=1.0, tries=(failed("503", 100.0, 1.0),))
    assert phases(exchange, 105.0)._asdict() == pytest.approx(
        dict.fromkeys(NAMES, 0.0) | {"retries": 5.0}
    )


def test_all_failed_attempts_before_the_one_under_way_count() -> None:
    tries = (failed("503", 100.0, 1.0), failed("reset", 101.5, 1.0))
    exchange = flying(tries=tries, asked=3, last=103.0)
    assert phases(exchange, 105.0)._asdict() == pytest.approx(
        dict.fromkeys(NAMES, 0.0) | {"retries": 3.0, "first_byte": 2.0}
    )


@pytest.mark.parametrize(("status", "error"), [(0, ""), (499, "client_gone"), (504, "timeout")])
def test_the_wait_for_the_attempt_under_way_is_of_the_retries(status: int, error: str) -> None:
    """Also where the exchange has ended in its midst: it is not logged then."""
    tries = (failed("503", 100.0, 0.4), failed("503", 100.5, 0.4))
    exchange = retried(*tries, status=status, error=error, head_at=None, connect=0.0)
    exchange.record.first_byte_at = None
    exchange.record.attempt_count, exchange.record.attempt_began_at = 3, 102.0
    spent = phases(exchange, 103.0)
    assert spent._asdict() == pytest.approx(
        dict.fromkeys(NAMES, 0.0) | {"retries": 2.0, "first_byte": 1.0}
    )
    assert sum(filter(None, times(exchange, spent, 103.0)[:-1])) == pytest.approx(3.0)


def leading(call: Exchange, **fields: Any) -> Exchange:
    """One whose call is under way elsewhere."""
    exchange = flying(asked=0, **fields)
    exchange.record.call = call.record
    return exchange


@pytest.mark.parametrize(
    ("call", "phase", "seconds"),
    [
        (flying(connect=None), "connect", 5.0),
        (flying(), "first_byte", 5.0),
        (flying(head_at=1.0), "body", 4.0),
        (flying(tries=(failed("503", 100.0, 1.0),)), "retries", 5.0),
    ],
)
def test_a_call_that_is_made_in_its_place_counts(
    call: Exchange, phase: str, seconds: float
) -> None:
    exchange = leading(call)
    assert phase_now(exchange, 105.0) == phase
    assert getattr(phases(exchange, 105.0), phase) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("call", "phase", "seconds"),
    [(flying(), "queue", 4.0), (flying(head_at=3.0), "body", 2.0)],
)
def test_who_waits_for_the_answer_to_an_equal_request_is_in_the_queue_up_to_its_head(
    call: Exchange, phase: str, seconds: float
) -> None:
    exchange = leading(call)
    exchange.started_at = 101.0
    exchange.record.coalesced, exchange.record.wait = True, Wait(ANSWER, 101.0)
    assert phase_now(exchange, 105.0) == phase
    assert getattr(phases(exchange, 105.0), phase) == pytest.approx(seconds)
    assert sum(phases(exchange, 105.0)) == pytest.approx(4.0)


def test_a_second_attempt_that_waits_for_a_permit_is_in_the_queue() -> None:
    exchange = flying(tries=(failed("503", 100.0, 1.0),), head_at=0.5)
    exchange.record.wait = Wait(PERMIT, 102.0)
    assert phase_now(exchange, 105.0) == "queue"
    assert (phases(exchange, 105.0).queue, phases(exchange, 105.0).retries) == (3.0, 2.0)


def test_a_body_that_is_read_before_a_server_is_asked_is_the_clients() -> None:
    exchange = flying(asked=0, body=Slow(0.0, goes_on=True))
    assert phase_now(exchange, 105.0) == "client"
    exchange.record.wait = Wait(PERMIT, 102.0)
    assert phase_now(exchange, 105.0) == "queue"
