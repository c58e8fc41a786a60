"""What has happened since start, by route."""

import asyncio
from collections.abc import Callable
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.admin.state import state
from proxy.core.body import BytesBody
from proxy.core.exchange import Exchange
from proxy.core.record import Attempt
from proxy.telemetry.counters import STEP, Counters
from proxy.telemetry.ended import MANY, Ended


class Counted(Counters):
    """With the one that gathers for it."""

    __slots__ = ("record",)

    def __init__(self, *clocks: Callable[[], float]) -> None:
        gathered = Ended(*clocks)
        super().__init__(gathered)
        self.record = gathered.record


def ended(route: str, status: int, error: str = "", *tried: str) -> Exchange:
    exchange = Exchange("GET", b"/", (), b"/")
    exchange.route = route
    exchange.status = status
    exchange.error = error
    exchange.record.reply_status = status
    exchange.record.attempt_count = len(tried) + 1
    if tried:  # the last one is an attempt too, but no reason for another
        outcomes = (*tried, str(status))
        exchange.record.attempt_log = tuple(
            Attempt("http://a", outcome, 0.1) for outcome in outcomes
        )
    return exchange


def test_exchanges_are_counted_by_route_and_outcome() -> None:
    counters = Counted()
    for exchange in (
        ended("/a", 200),
        ended("/a", 200, "", "503", "connect-failure"),
        ended("/a", 404),
        ended("/a", 502, "connection_refused", "connect-failure"),
        ended("/a", 200, "http_response_incomplete"),
        ended("", 404, "destination_not_found"),
    ):
        counters.record(exchange, 0.0)
    assert state(counters.describe())["counters"] == {
        "/a": {
            "requests": 5,
            "attempts": 8,
            "retry 503": 1,
            "retry connect-failure": 2,
            "status 404": 1,
            "status 502": 1,
            "error connection_refused": 1,
            "status 200": 1,
            "error http_response_incomplete": 1,
        },
        "": {"requests": 1, "attempts": 1, "status 404": 1, "error destination_not_found": 1},
    }


def served(counters: Counted, seconds: float, waited: float = 0.0) -> float | None:
    """The latency that is shown after one more reply, which came after so many seconds."""
    exchange = ended("/a", 200)
    exchange.started_at = 100.0
    exchange.record.upstream, exchange.record.endpoint = "api", "http://a"
    exchange.record.queue_s = waited
    exchange.record.first_byte_at = 100.0 + waited + seconds
    counters.record(exchange, 0.0)
    latency = {each.name: float(each.value) for each in counters.describe()}
    return latency.get("served_latency_seconds")


def test_the_latency_of_a_server_is_smoothed_and_without_the_wait_for_a_permit() -> None:
    counters = Counted()
    assert served(counters, 0.0) == 0.0
    assert served(counters, 16.0, waited=5.0) == pytest.approx(1.0)


class Uploaded(BytesBody):
    """Its client was waited for, for four seconds."""

    def waited(self, now: float) -> float:
        return 4.0


def test_the_latency_of_a_server_is_without_the_client_s_upload() -> None:
    counters = Counted()
    exchange = ended("/a", 200)
    exchange.body = Uploaded(b"", b"")
    exchange.started_at = 100.0
    exchange.record.connect_s, exchange.record.first_byte_at = 0.25, 104.5
    counters.record(exchange, 104.5)
    latency = {each.name: each.value for each in counters.describe()}
    assert latency["served_latency_seconds"] == pytest.approx(0.5)


def outcomes(exchange: Exchange) -> dict[tuple[str, ...], Any]:
    counters = Counted()
    counters.record(exchange, 0.0)
    return {
        tuple(each.labels.values()): each.value
        for each in counters.describe()
        if each.name == "served_attempts"
    }


def test_an_attempt_counts_for_the_upstream_that_it_was_made_at() -> None:
    """A fallback helps; what has failed is not its own."""
    exchange = ended("/a", 200)
    exchange.record.upstream, exchange.record.endpoint = "standby", "http://b"
    exchange.record.attempt_log = (
        Attempt("http://a", "connect-failure", 0.1, upstream="primary"),
        Attempt("http://b", "200", 0.1, upstream="standby"),
    )
    assert outcomes(exchange) == {
        ("primary", "http://a", "connect-failure"): 1,
        ("standby", "http://b", "200"): 1,
    }


@pytest.mark.parametrize("tries", [(), (Attempt("http://a", "503", 0.1),)])
def test_an_attempt_whose_client_left_is_counted(tries: tuple[Attempt, ...]) -> None:
    """By server there were fewer than by route."""
    exchange = ended("/a", 499, "client_gone")
    exchange.record.upstream, exchange.record.endpoint = "api", "http://b"
    exchange.record.attempt_log, exchange.record.attempt_count = tries, len(tries) + 1
    found = outcomes(exchange)
    assert found["api", "http://b", "abandoned"] == 1
    assert sum(found.values()) == exchange.record.attempt_count


def test_attempts_before_the_last_wait_for_a_server_are_none_that_nobody_waited_for() -> None:
    exchange = ended("/a", 200, "", "503")
    exchange.record.attempt_count = 7
    exchange.record.unlogged = 5
    assert outcomes(exchange) == {("", "http://a", "503"): 1, ("", "http://a", "200"): 1}


def test_a_server_that_has_given_no_reply_has_no_latency() -> None:
    counters = Counted()
    failed = ended("/a", 502, "connection_refused")
    failed.record.first_byte_at = 3.0
    counters.record(failed, 0.0)
    assert "served_latency_seconds" not in {each.name for each in counters.describe()}


SECONDS = st.sampled_from([0.0, 0.001, 0.02, 0.3, 4.0, 50.0])


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["/a", "/b"]),
            st.sampled_from(["GET", "PUT", "MADE-UP"]),
            st.sampled_from([200, 404, 503]),
            st.tuples(SECONDS, SECONDS, SECONDS, SECONDS),
        ),
        max_size=3 * MANY,
    )
)
def test_column_by_column_counts_as_one_by_one(asked: list[Any]) -> None:
    """An exchange whose client was waited for is counted by itself, even if that took no time."""
    found = []
    for odd in (False, True):
        counters = Counted(lambda: 100.0, lambda: 2000.0)
        for route, method, status, (queue, connect, thought, body) in asked:
            exchange = ended(route, status)
            exchange.method = method
            exchange.started_at, exchange.bytes_in, exchange.bytes_out = 100.0, 3, 5
            if odd:
                exchange.stalled = lambda _: 0.0
            record = exchange.record
            record.upstream, record.endpoint = "api", "http://a"
            record.queue_s, record.connect_s = queue, connect
            record.first_byte_at = 100.0 + queue + connect + thought
            counters.record(exchange, record.first_byte_at + body)
            exchange.stalled = None  # as its service forgets it
        found.append(
            {
                (sample.name, *sorted(sample.labels.items())): sample.value
                for sample in (*counters.describe(), *chain(*counters.times()))
                if not sample.name.endswith(("_example", "_latency_seconds"))
            }
        )
    plain, one_by_one = found
    assert plain == pytest.approx(one_by_one)


async def test_hundreds_of_routes_do_not_keep_the_loop() -> None:
    counters = Counted(lambda: 100.0, lambda: 2000.0)
    for number in range(500):
        exchange = ended(f"/{number}", 200)
        exchange.started_at, exchange.record.first_byte_at = 100.0, 100.25
        exchange.record.attempt_count = 1
        counters.record(exchange, 100.5)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.ensure_future(others())
    told = await counters.times_in_steps()
    beside.cancel()
    assert turns >= 500 // STEP
    assert told == list(chain(*counters.times()))


def test_a_route_that_never_waits_has_no_histograms_of_waiting() -> None:
    """Each would have twenty lines of zeros in /metrics, for each of hundreds of routes."""
    counters = Counted(lambda: 100.0, lambda: 2000.0)
    for queue, names in (
        (0.0, {"time_first_byte", "time_body", "time_total"}),
        (0.1, {"time_first_byte", "time_body", "time_total", "time_queue"}),
    ):
        exchange = ended("/v1", 200)
        exchange.started_at, exchange.record.first_byte_at = 100.0, 100.25
        exchange.record.attempt_count, exchange.record.queue_s = 1, queue
        counters.record(exchange, 100.5)
        told = [each for each in chain(*counters.times()) if each.name.endswith("_bucket")]
        assert {each.name.removesuffix("_bucket") for each in told} == names
    waited = [each for each in told if each.name == "time_queue_bucket"]
    assert sum(float(each.value) for each in waited) == 2  # the one that did not wait too


def test_what_is_asked_for_in_the_background_counts_as_attempts_alone() -> None:
    counters = Counted()
    exchange = ended("/a", 0, "", "503")
    exchange.record.attempt_log = exchange.record.attempt_log[:1]
    exchange.record.first_byte_at, exchange.record.reply_status = 1.0, 304
    counters.count_unseen(exchange, 2.0)
    told = {(each.name, *each.labels.values()): each.value for each in counters.describe()}
    assert told == {
        ("route_attempts", "/a"): 2,
        ("route_retry", "/a", "503"): 1,
        ("served_attempts", "", "http://a", "503"): 1,
        ("served_attempts", "", "", "304"): 1,
    }
