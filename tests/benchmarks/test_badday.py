"""A seeded day: what goes wrong, what clients make of it, what is counted."""

from pathlib import Path

import pytest

from benchmarks.badday import files
from benchmarks.badday.__main__ import arguments
from benchmarks.badday.answer import SUM, Answer, Outcome, dechunked, total
from benchmarks.badday.client import PATIENCE, RATE, Record, orders
from benchmarks.badday.defaults import NOTHING_TUNED
from benchmarks.badday.endpoints import Entry, Request
from benchmarks.badday.peers import TITLES
from benchmarks.badday.profile import PROFILES
from benchmarks.badday.report import errors, figures, latency, markdown, recovery, twice
from benchmarks.badday.schedule import SLOWER, STALL, Fate, Kind, Schedule
from proxy.config.load import load
from proxy.config.model import Route
from proxy.middleware.hedge.hedge import HedgeOptions

BAD = PROFILES["tuned"]
BROWNOUT = PROFILES["brownout"]
SLOW = BAD.slow
LOST = BAD.down
assert SLOW is not None
assert LOST is not None


def fates(count: int, *, seed: int = 1, endpoint: int = 0, now: float = 0.0) -> list[Fate]:
    schedule = Schedule(BAD, seed, endpoint)
    return [schedule.fate(str(name), 0, now, 0) for name in range(count)]


def test_a_seed_makes_a_day() -> None:
    assert fates(500) == fates(500)
    assert fates(500) != fates(500, seed=2)
    assert orders(1, 5) == orders(1, 5)
    assert orders(1, 5) != orders(2, 5)


def test_a_request_has_the_same_luck_wherever_and_whenever_it_is_sent() -> None:
    assert fates(500) == fates(500, endpoint=2, now=30)
    late = Schedule(BAD, 1, 0)
    assert [late.fate(str(name), 0, 0, 0) for name in (499, 3)] == [fates(500)[499], fates(500)[3]]


def test_a_request_that_comes_again_draws_again() -> None:
    schedule = Schedule(BAD, 1, 0)
    assert len({schedule.fate("1-7", before, 0, 0) for before in range(5)}) == 5


def test_faults_have_their_shares() -> None:
    drawn = fates(20_000)
    kinds = [fate.kind for fate in drawn]
    share = {kind: kinds.count(kind) / len(kinds) for kind in Kind}
    assert share[Kind.RESET] == pytest.approx(0.01, abs=0.002)
    assert share[Kind.CUT_FIN] + share[Kind.CUT_RST] == pytest.approx(0.005, abs=0.0015)
    unavailable = share[Kind.UNAVAILABLE] + share[Kind.RETRY_AFTER]
    assert unavailable == pytest.approx(0.01, abs=0.002)
    assert share[Kind.RETRY_AFTER] == pytest.approx(unavailable / 3, abs=0.0015)
    stalled = sum(fate.wait > STALL for fate in drawn)
    assert stalled / len(drawn) == pytest.approx(0.02, abs=0.003)
    waits = sorted(fate.wait for fate in drawn)
    assert waits[len(waits) * 49 // 100] == pytest.approx(0.040, rel=0.05)
    sizes = [fate.size for fate in drawn]
    assert 200 <= min(sizes) < 220
    assert 20_400 < max(sizes) <= 20 << 10


@pytest.mark.parametrize(
    ("now", "endpoint", "slower"),
    [(34.9, 2, False), (35.0, 2, True), (44.9, 2, True), (45.0, 2, False), (40.0, 0, False)],
)
def test_one_endpoint_is_slow_for_a_stretch(now: float, endpoint: int, slower: bool) -> None:
    always = fates(200, endpoint=endpoint)
    then = fates(200, endpoint=endpoint, now=now)
    more = [b.wait - a.wait for a, b in zip(always, then, strict=True) if a.wait]
    assert more == pytest.approx([SLOWER * slower] * len(more))


def test_a_brownout_refuses_a_fifth_and_slows_down_under_load() -> None:
    endpoint = Schedule(BROWNOUT, 1, 0)
    names = map(str, range(10_000))
    pairs = [(endpoint.fate(name, 0, 25, 0), endpoint.fate(name, 0, 25, 4)) for name in names]
    shed = sum(one.kind is Kind.UNAVAILABLE for one, _ in pairs)
    assert shed / len(pairs) == pytest.approx(0.2, abs=0.02)
    assert all(other.wait == pytest.approx(2 * one.wait) for one, other in pairs)


def test_a_shorter_day_has_everything_earlier_and_shorter() -> None:
    down = BAD.lasting(12).down
    assert down is not None
    assert (down.begins, down.ends) == pytest.approx((3, 5))


def test_requests_come_at_their_rate_a_fifth_of_them_posts() -> None:
    day = orders(1, 60)
    assert len(day) / 60 == pytest.approx(RATE, rel=0.05)
    assert sum(order.method == "POST" for order in day) / len(day) == pytest.approx(0.2, abs=0.02)
    assert len({order.name for order in day}) == len(day)
    assert [order.due for order in day] == sorted(order.due for order in day)


BODY = b'{"id": "1-7", "text": "abc"}'
OK = f"HTTP/1.1 200 OK\r\n{SUM}: {total(BODY)}\r\n".encode()
SIZED = OK + b"Content-Length: 28\r\n\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\na\r\n" + BODY[:10] + b"\r\n"
ENDLESS = OK + b"Connection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        (SIZED + BODY, Outcome.WHOLE),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" + SIZED + BODY, Outcome.WHOLE),
        (SIZED + BODY[:-1], None),
        (SIZED[:-2], None),
        (SIZED + BODY.replace(b"c", b"d"), Outcome.FALSE),
        (OK + b"Content-Length: 14\r\n\r\n" + BODY[:14], Outcome.FALSE),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n" + BODY, Outcome.FALSE),
        (CHUNKED + b"12\r\n" + BODY[10:] + b"\r\n0\r\n\r\n", Outcome.WHOLE),
        (CHUNKED + b"12\r\n" + BODY[10:] + b"\r\n0\r\n", None),
        (CHUNKED + b"0\r\n\r\n", Outcome.FALSE),
        (CHUNKED + b"zz\r\n", Outcome.GARBLED),
        (ENDLESS + BODY, None),
        (b"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\n{}", Outcome.STATUS),
        (b"SSH-2.0\r\n\r\n", Outcome.GARBLED),
    ],
)
@pytest.mark.parametrize("step", [1, 9, 10_000])
def test_an_answer_is_what_it_is_however_it_comes(
    data: bytes, outcome: Outcome | None, step: int
) -> None:
    answer = Answer("1-7")
    pieces = (data[start : start + step] for start in range(0, len(data), step))
    assert [found for piece in pieces if (found := answer.feed(piece))] == [outcome] * bool(outcome)


def test_a_byte_too_many_spoils_an_answer() -> None:
    assert Answer("1-7").feed(SIZED + BODY + b"x") is Outcome.GARBLED


def test_an_answer_to_somebody_else_is_false() -> None:
    assert Answer("1-8").feed(SIZED + BODY) is Outcome.FALSE


@pytest.mark.parametrize(
    ("data", "clean", "outcome"),
    [
        (b"", True, Outcome.NO_HEAD),
        (SIZED[:-2], False, Outcome.NO_HEAD),
        (SIZED + BODY[:-1], True, Outcome.CUT),
        (CHUNKED, True, Outcome.CUT),
        (ENDLESS + BODY, True, Outcome.WHOLE),
        (ENDLESS + BODY, False, Outcome.CUT),
        (ENDLESS + BODY[:14], True, Outcome.FALSE),
    ],
)
def test_an_end_says_whether_the_client_can_know(
    data: bytes, clean: bool, outcome: Outcome
) -> None:
    answer = Answer("1-7")
    assert answer.feed(data) is None
    assert answer.ended(clean=clean) is outcome


@pytest.mark.parametrize(
    ("data", "reusable"),
    [
        (SIZED + BODY, True),
        (SIZED + BODY[:-1], False),
        (OK + b"Connection: Close\r\nContent-Length: 28\r\n\r\n" + BODY, False),
    ],
)
def test_a_connection_is_used_again_only_after_a_whole_answer(data: bytes, reusable: bool) -> None:
    answer = Answer("1-7")
    answer.feed(data)
    assert answer.reusable is reusable


def test_chunks_are_put_together() -> None:
    assert dechunked(b"1;x=y\r\na\r\n2\r\nbc\r\n0\r\n\r\n") == b"abc"


def test_a_post_is_read_with_its_body() -> None:
    data = b"POST /v1 HTTP/1.1\r\nx-badday-id: 1-7\r\ncontent-length: 3\r\n\r\nabc"
    assert Request.cut_from(data[:-1]) is None
    assert Request.cut_from(data + b"GET") == (Request("POST", "/v1", "1-7", False), b"GET")


ENTRIES = [
    Entry(1, "POST", "a", 1.0),
    Entry(2, "POST", "a", 2.0),
    Entry(0, "POST", "b", 3.0),
    Entry(0, "GET", "c", 4.0),
    Entry(2, "GET", "c", LOST.ends + 0.1),
    Entry(1, "GET", "d", LOST.ends + 0.5),
    Entry(1, "GET", "e", LOST.ends + 0.9),
]


def test_only_posts_must_not_be_executed_twice() -> None:
    assert twice(ENTRIES) == 1
    assert twice([*ENTRIES, Entry(0, "POST", "a", 5.0), Entry(1, "POST", "b", 6.0)]) == 2


def test_recovery_ends_with_the_first_request_to_the_endpoint_that_was_lost() -> None:
    assert recovery(ENTRIES, BAD) == pytest.approx(0.5)
    assert recovery(ENTRIES[:5], BAD) is None
    assert recovery(ENTRIES, PROFILES["calm"]) is None


RECORDS = [
    *(Record(0.5, 0.1, Outcome.WHOLE, 200) for _ in range(6)),
    Record(0.9, 0.2, Outcome.WHOLE, 200),
    Record(2.1, 0.01, Outcome.STATUS, 503),
    Record(2.2, 0.01, Outcome.FALSE, 200),
    Record(2.3, PATIENCE + 0.01, Outcome.LATE),
]


def test_a_post_that_an_endpoint_refused_is_answered() -> None:
    refused = [Record(0.5, 0.2, Outcome.PASSED, 503), Record(0.5, 0.2, Outcome.STATUS, 503)]
    assert figures(refused, [], BAD, 1)["goodput"] == 0.5
    assert [latency(record) for record in refused] == [0.2, PATIENCE]


def test_only_an_endpoints_own_refusal_is_passed_on() -> None:
    head = b"HTTP/1.1 503 No\r\nContent-Length: 2\r\n%b\r\n{}"
    assert Answer("a").feed(head % b"X-Badday-Sum: 2-a505df1b\r\n") is Outcome.STATUS
    own = f"{SUM}: {total(b'{}')}\r\n".encode()
    assert Answer("a").feed(head % own) is Outcome.PASSED


def test_a_failure_counts_as_the_whole_patience_however_fast_it_was() -> None:
    assert [latency(record) for record in RECORDS[-4:]] == [0.2, 3.0, 3.0, 3.0]


def test_the_figures_of_a_day() -> None:
    found = figures(RECORDS, ENTRIES, BAD, 3)
    assert found["goodput"] == pytest.approx(0.7)
    assert (found["p50"], found["p95"]) == pytest.approx((100, 3000))
    assert found["sent"] == pytest.approx(0.7)
    assert (found["twice"], found["false"]) == (1, 1)
    assert found["errors"] == {"503": 1, "passed off as whole": 1, "late": 1}
    assert found["good_by_second"] == [1.0, None, 0.0]
    assert found["p99_by_second"] == [200.0, None, None]


def test_errors_are_named_by_status_the_most_frequent_first() -> None:
    refused = [Record(0, 0, Outcome.STATUS, 504)] * 2
    assert list(errors([*RECORDS, *refused])) == ["504", "503", "passed off as whole", "late"]


def test_a_table_has_a_proxy_a_line() -> None:
    found = figures(RECORDS, ENTRIES, BAD, 3)
    assert markdown({"tuned": {"nginx": found}}).splitlines()[-1] == (
        "| nginx | 70.00 | 100 | 3,000 | 3,000 | 0.700 | 1 | 1 | 0.5 "
        "| 503: 1, passed off as whole: 1, late: 1 |"
    )


def test_each_profile_names_who_has_its_day() -> None:
    assert {name for profile in PROFILES.values() for name in profile.rows} == set(TITLES)
    assert all(profile.rows[0] == "ours" for profile in PROFILES.values())


def test_only_the_servers_are_written_where_nothing_is_tuned(tmp_path: Path) -> None:
    servers = ["127.0.0.1:1", "127.0.0.1:2"]
    assert load(files.proxy(NOTHING_TUNED, tmp_path, 8080, servers)).routes == (
        Route(upstream="api"),
    )
    hedged = load(files.proxy(NOTHING_TUNED, tmp_path, 8080, servers, "[hedge]")).routes
    assert hedged == (Route(upstream="api", hedge=HedgeOptions()),)
    for made in (
        files.nginx(NOTHING_TUNED, tmp_path, 8080, servers, 5000),
        files.haproxy(NOTHING_TUNED, tmp_path, 8080, servers),
        files.caddy(NOTHING_TUNED, tmp_path, 8080, servers),
    ):
        text = made.read_text()
        assert all(server in text for server in servers)
        assert not any(word in text for word in ("retry", "least", "max_fails", "lb_", "next_"))


@pytest.mark.parametrize(
    "words", [["--only", "ours,squid"], ["--profile", "good"], ["--seconds", "1"]]
)
def test_unknown_days_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        arguments(words)
    assert "usage" in capsys.readouterr().err
