"""Records of seconds, and of calls that stand out."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.exchange import Exchange
from proxy.core.record import TOKEN, Attempt, Wait
from proxy.telemetry.buckets import bucket
from proxy.telemetry.ended import MANY, Ended
from proxy.telemetry.phases import phases
from proxy.telemetry.recorder import FAILURES, LOOKED_AT, ROUTES, SHOWN, SLOWEST, Recorder
from proxy.telemetry.second import Second
from tests.support.ended import SERVER, ended

WALL = 1_000_000.0


class Bench:
    """A recorder, and a clock that a test moves."""

    def __init__(self, redact: tuple[str, ...] = ()) -> None:
        self.now = 0.0
        self.flying: list[Exchange] = []
        self.ended = Ended(lambda: self.now, lambda: WALL + self.now)
        self.recorder = Recorder(
            self.ended, self.in_flight, redact, clock=lambda: self.now, wall=lambda: WALL + self.now
        )

    def in_flight(self) -> Iterable[Exchange]:
        return self.flying

    def end(self, exchange: Exchange, seconds: float = 1.0) -> None:
        self.ended.record(exchange, exchange.started_at + seconds)

    def tick(self) -> Second:
        self.now += 1.0
        return self.recorder.tick(7)


def test_a_second_adds_up_the_exchanges_of_a_route_and_server() -> None:
    bench = Bench()
    bench.end(ended(1.0, connect=0.1, head_at=0.6, bytes_in=10, bytes_out=100))
    bench.end(ended(1.0, status=404, queue=0.5, head_at=0.6, bytes_out=50))
    bench.end(ended(2.0, status=503), 2.0)
    bench.end(ended(1.0, route="/v2"))
    second = bench.tick()
    assert (second.at, second.connections) == (WALL + 1.0, 7)
    first, other = second.cells
    assert (first.route, first.upstream, first.server) == ("/v1", "api", SERVER)
    assert (first.calls, first.failed, first.denied) == (3, 1, 1)
    assert (first.bytes_in, first.bytes_out) == (10, 150)
    assert first.phases == pytest.approx([0.0, 0.5, 0.0, 0.1, 0.5 + 0.1 + 2.0, 0.4 + 0.4])
    assert first.counts == {bucket(1.0): 2, bucket(2.0): 1}
    assert (other.route, other.calls) == ("/v2", 1)
    assert bench.tick().cells == []


@pytest.mark.parametrize(
    "exchange",
    [
        ended(3.0, connect=0.5, head_at=2.0, queue=0.2),
        ended(3.0, stalled=lambda _: 1.0, head_at=0.5),
        ended(3.0, connect=None, error="connection_timeout", status=504),
        ended(3.0, asked=0, connect=None),
        ended(3.0, asked=2, head_at=2.0, tries=(Attempt("a", "503", 1.0, 0.1),) * 2),
    ],
    ids=["plain", "slow client", "failed", "not asked", "tried again"],
)  # fmt: skip
def test_the_short_way_to_the_phases_agrees_with_the_long_one(exchange: Exchange) -> None:
    bench = Bench()
    bench.end(exchange, 3.0)
    [cell] = bench.tick().cells
    assert cell.phases == pytest.approx(list(phases(exchange, 3.0)))


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.0003, 0.02, 0.24]), st.floats(0, 3), st.sampled_from([200, 404])
        ),
        min_size=1,
        max_size=2 * MANY,
    )
)
def test_many_at_a_time_are_added_up_as_one_by_one(asked: list[tuple[float, float, int]]) -> None:
    """One whose client was waited for is counted by itself, even if for no time that matters."""
    found = []
    for waited in (0.0, 1e-12):
        bench = Bench()
        for queue, seconds, status in asked:
            each = ended(queue + seconds, queue=queue, status=status, head_at=queue, bytes_out=3)
            each.stalled = lambda _, waited=waited: waited
            bench.end(each, queue + seconds)
            each.stalled = None  # as its service forgets it
        found.append(bench.tick())
    [plain], [single] = found[0].cells, found[1].cells
    assert plain.phases == pytest.approx(single.phases, abs=1e-6)
    plain.phases = single.phases = []
    assert plain == single
    assert [(hit.cause, hit.number, hit.worst) for hit in found[0].hits] == [
        (hit.cause, hit.number, hit.worst) for hit in found[1].hits
    ]


def test_a_call_that_ended_some_time_ago_says_when_it_began() -> None:
    bench = Bench()
    bench.now = 100.2
    bench.end(ended(0.1, status=503, began=100.1), 0.1)
    bench.now = 100.9
    [call] = bench.tick().kept
    assert call.at == WALL + 100.1


def test_a_call_that_failed_is_kept_with_what_it_was() -> None:
    bench = Bench(("sid",))
    tries = (
        Attempt("http://10.0.0.1:9000", "503", 0.5, 100.0, 0.01),
        Attempt(SERVER, "connect-failure", 0.25, 100.6, None),
    )
    exchange = ended(
        0.9, status=502, error="connection_refused", connect=None, asked=2, tries=tries, began=100.0
    )
    exchange.raw_target = b"/v1?sid=secret&api_key=secret&q=1"
    exchange.headers = [(b"User-Agent", b"curl"), (b"Authorization", b"Bearer secret")]
    bench.now = 100.9
    bench.end(exchange, 0.9)
    [call] = bench.tick().kept
    assert (call.id, call.method, call.client, call.route) == ("r1", "GET", "10.0.0.7", "/v1")
    assert call.target == "/v1?sid=***&api_key=***&q=1"
    assert (call.status, call.error, call.failed) == (502, "connection_refused", True)
    assert (call.at, call.seconds, call.user_agent) == (WALL + 100.0, 0.9, "curl")
    first, last = call.tries
    assert (first.server, first.outcome, first.at, first.connect) == (
        "http://10.0.0.1:9000", "503", 0.0, 0.01,
    )  # fmt: skip
    assert last.at == pytest.approx(0.6)
    assert (last.connect, last.seconds) == (None, 0.25)
    assert call.phases == pytest.approx([0.0, 0.0, 0.6, 0.3, 0.0, 0.0])
    assert "secret" not in repr(call)


def test_names_of_requests_that_are_to_be_hidden_are() -> None:
    bench = Bench(("X-Request-Id",))
    bench.end(ended(status=503))
    assert bench.tick().kept[0].id == "***"


def test_of_a_flood_some_are_kept_and_all_are_counted() -> None:
    bench = Bench()
    for number in range(100):
        bench.end(ended(1.0 + number / 100, status=503), 1.0 + number / 100)
        bench.end(ended(1.0 + number / 100), 1.0 + number / 100)
    second = bench.tick()
    failed = [call for call in second.kept if call.failed]
    slow = [call for call in second.kept if not call.failed]
    assert (len(failed), len(slow)) == (FAILURES, SLOWEST)
    assert sorted(call.seconds for call in slow) == [1.98, 1.99]
    [cell] = second.cells
    assert (cell.calls, cell.failed) == (200, 100)
    hits = {hit.cause: hit for hit in second.hits}
    assert hits["answer"].number == 100
    assert hits["first_byte"].number == 99  # one second is not long yet
    assert hits["first_byte"].worst == 1.99


@pytest.mark.parametrize(
    ("outcome", "cause"),
    [("503", "retries"), ("connect-failure", "connect"), ("timeout", "first_byte")],
)
def test_a_flood_of_retries_is_counted_for_the_server_that_fails(outcome: str, cause: str) -> None:
    bench = Bench()
    first = Attempt("http://b", outcome, 2.0, 0.1, connect_s=0.1)
    tries = first, Attempt(SERVER, "503", 0.5, 2.5)
    for _ in range(3 * FAILURES):
        bench.end(ended(3.0, status=503, asked=2, head_at=3.0, tries=tries), 3.0)
    [hit] = bench.tick().hits
    assert (hit.cause, hit.server, hit.number) == (cause, "http://b", 3 * FAILURES)


def test_in_a_flood_clients_that_leave_are_no_errors_of_the_api() -> None:
    bench = Bench()
    for _ in range(FAILURES):
        bench.end(ended(0.1, status=500), 0.1)
    for _ in range(100):
        bench.end(ended(0.1, status=499, error="client_gone", connect=None), 0.1)
    [hit] = bench.tick().hits
    assert (hit.cause, hit.number) == ("answer", FAILURES)


def test_what_is_as_fast_as_usual_is_not_kept() -> None:
    bench = Bench()
    for _ in range(100):
        bench.end(ended(0.2), 0.2)
    bench.tick()
    bench.end(ended(0.3), 0.3)
    bench.end(ended(0.5), 0.5)
    assert [call.seconds for call in bench.tick().kept] == [0.5]


def test_what_is_in_flight_is_told_by_phase_and_one_by_one() -> None:
    bench = Bench()
    bench.now = 110.0
    for number in range(SHOWN + 6):
        bench.flying.append(ended(0, status=0, error="-", began=100.0 + number / 100))
    bench.flying.append(ended(0, asked=0, status=0, connect=None, began=90.0))
    bench.flying.append(ended(1, head_at=0.1, status=200, committed=True, endless=True, began=10.0))
    second = bench.tick()
    flying = {(each.phase, each.server): each for each in second.flying}
    assert flying["first_byte", SERVER].number == SHOWN + 6
    assert flying["first_byte", SERVER].oldest == 11.0
    assert flying["queue", ""].number == 1
    assert flying["body", SERVER].number == 1
    assert len(second.in_flight) == SHOWN
    first, *_, last = second.in_flight
    assert (first.phase, first.status, first.seconds) == ("queue", 0, 21.0)
    assert last.phase == "first_byte"
    assert {(hit.cause, hit.number) for hit in second.hits} == {("first_byte", 70), ("queue", 1)}
    assert [call.id for call in bench.recorder.look()] == ["r1"] * SHOWN


def test_of_very_many_in_flight_a_part_is_looked_at() -> None:
    bench = Bench()
    bench.flying = [ended(0, status=0, error="-")] * (LOOKED_AT * 3)
    [each] = bench.tick().flying
    assert each.number == LOOKED_AT * 3


def test_a_client_that_left_says_what_it_had_waited_for() -> None:
    bench = Bench()
    bench.end(ended(4.0, status=499, error="client_gone"), 4.0)
    second = bench.tick()
    assert [hit.cause for hit in second.hits] == ["first_byte"]
    assert second.kept[0].failed


def test_streams_of_events_and_tunnels_are_not_slow() -> None:
    bench = Bench()
    bench.end(ended(60.0, head_at=0.1, endless=True), 60.0)
    bench.end(ended(60.0, head_at=0.1, status=101), 60.0)
    assert bench.tick().hits == []


def test_the_number_of_routes_is_bounded() -> None:
    bench = Bench()
    for number in range(2 * ROUTES):
        bench.end(ended(route=f"/{number}"))
    second = bench.tick()
    assert len(second.cells) == ROUTES + 1
    assert sum(cell.calls for cell in second.cells) == 2 * ROUTES
    assert len(bench.recorder._usual) <= ROUTES + 1


def test_a_change_is_noted_with_the_second() -> None:
    bench = Bench()
    bench.recorder.event("proxy", "reloaded", upstream="api")
    [event] = bench.tick().events
    assert (event.at, event.kind, event.text, event.upstream) == (WALL, "proxy", "reloaded", "api")
    assert bench.tick().events == []


def test_what_an_operator_has_ended_is_no_trouble_of_its_own() -> None:
    bench = Bench()
    exchange = ended(0.2, status=503, error="http_request_denied")
    exchange.record.failure = "ended_by_operator", "ended by an operator"
    bench.end(exchange, 0.2)
    second = bench.tick()
    assert (second.hits, [call.cause for call in second.kept]) == ([], ["first_byte"])


def test_those_that_wait_for_a_token_are_one_in_flight_and_ended() -> None:
    bench = Bench()
    flying, over = ended(0.0, status=0, asked=0), ended(2.0, queue=1.9)
    flying.record.wait = Wait(TOKEN, 0.0)
    over.record.longest_wait = Wait(TOKEN, 0.0, seconds=1.9)
    bench.flying, bench.now = [flying], 1.0
    bench.end(over, 2.0)
    [hit] = bench.tick().hits
    assert (hit.cause, hit.upstream, hit.server, hit.about, hit.number) == (
        "queue",
        "",
        "",
        TOKEN,
        2,
    )


def test_a_call_that_is_made_in_its_place_is_counted_with_its_server() -> None:
    bench = Bench()
    leader = ended(0.0, status=0, asked=0)
    leader.record.call = ended(1.0, connect=None).record
    leader.record.call.connect_s = 0.0
    bench.flying, bench.now = [leader], 1.0
    second = bench.tick()
    [flying], [hit] = second.flying, second.hits
    assert (flying.server, flying.phase) == (SERVER, "first_byte")
    assert (hit.cause, hit.server) == ("first_byte", SERVER)
