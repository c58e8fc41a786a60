"""What a chaos looks at when it is over: ledgers, the access log, and what is still held."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.chaos import checks, content, ledger
from benchmarks.chaos.answer import Answer, End
from benchmarks.chaos.book import Record
from benchmarks.chaos.config import config
from benchmarks.chaos.ledger import Ledger, Seen
from benchmarks.chaos.plan import Ask, Kind, Leave, Point
from benchmarks.chaos.reloads import judged, varied
from benchmarks.chaos.rest import Held, gauges, left_over
from proxy.config.load import check

ASK = Ask("1-7-0", "1-7-0", Kind.PLAIN, "/plain", "POST", 450, coding="chunked")
GET = Ask("1-8-0", "1-8-0", Kind.PLAIN, "/plain")
PUT = dataclasses.replace(ASK, method="PUT")
LEFT = dataclasses.replace(PUT, leave=Leave.RST, point=Point.BODY)
BAD = Ask("1-9-x", "1-9-x", Kind.MALFORMED, "/plain", wrong="two lengths")


def arrival(ask: Ask, **changes: Any) -> Seen:
    """A request that came as it was sent, unless told otherwise."""
    whole = {"length": ask.size, "digest": content.digest(ask.body), "state": "whole"}
    return Seen(**{"server": 0, "nonce": ask.nonce, "method": ask.method, "target": ask.target,
                   **whole, **changes})  # fmt: skip


EMPTY = {"length": 0, "digest": content.digest(b"")}


@pytest.mark.parametrize(
    ("ask", "arrivals", "kind"),
    [
        (ASK, [arrival(ASK)], ""),
        (ASK, [arrival(ASK, length=9, digest=content.digest(ASK.body[:9]), state="cut")], ""),
        (ASK, [arrival(ASK, **EMPTY, state="head")], ""),
        (PUT, [arrival(PUT), arrival(PUT)], ""),
        (dataclasses.replace(ASK, key=True), [arrival(ASK), arrival(ASK)], ""),
        (ASK, [arrival(ASK), arrival(ASK, server=1, state="head")], "twice"),
        (ASK, [arrival(ASK, **EMPTY)], "upload"),
        (ASK, [arrival(ASK, digest="other")], "upload"),
        (ASK, [arrival(ASK, digest="other", state="cut")], "upload"),
        (LEFT, [arrival(LEFT)], "upload"),
        (ASK, [arrival(ASK, state="broken")], "framing"),
        (ASK, [arrival(ASK, method="PUT")], "altered"),
        (ASK, [arrival(ASK, target="/")], "altered"),
        (ASK, [arrival(ASK, nonce="else")], "altered"),
        (BAD, [arrival(BAD)], "malformed"),
    ],
)
def test_what_servers_saw_is_what_was_sent_and_once(
    ask: Ask, arrivals: list[Seen], kind: str
) -> None:
    found = checks.uploads(Ledger(arrivals), {ask.name: ask})
    assert {one.what.partition(":")[0] for one in found} == ({kind} if kind else set())


def test_a_ledger_is_read_up_to_where_its_server_was_killed() -> None:
    lines = [
        json.dumps(["head", 2, "77-1", "1-7-0", "POST", ASK.target]),
        json.dumps(["head", 2, "77-2", "1-8-0", "GET", GET.target]),
        json.dumps(["body", 2, "77-1", 450, content.digest(ASK.body), "whole"]),
        '["body", 2, "77-',
    ]
    first, second = ledger.parsed(lines)
    assert first == arrival(ASK, server=2)
    assert second.state == "head"


# The log


def line(ask: Ask, **changes: Any) -> dict[str, Any]:
    return {"request_id": ask.name, "method": ask.method, "target": ask.target, "status": 200,
            "error": None, "bytes_out": 300, **changes}  # fmt: skip


def record(ask: Ask, end: End = End.WHOLE, status: int = 200, taken: int = 300) -> Record:
    fields = {"x-request-id": ask.name} if status else {}
    return Record(ask, Answer(end, status, fields), taken, ())


BROKEN = {"error": "http_response_incomplete"}


@pytest.mark.parametrize(
    ("lines", "known", "kind"),
    [
        ([line(GET)], record(GET), ""),
        ([], record(GET, End.NONE, 0), ""),
        ([line(GET, status=499, error="client_gone")], record(GET, End.LEFT, 0), ""),
        ([line(GET, **BROKEN)], record(GET, End.CUT), ""),
        ([line(GET, **BROKEN)], record(GET, End.NONE, 0), ""),
        ([line(GET)], record(GET, End.NONE, 0), "log"),
        ([], record(GET), "log"),
        ([line(GET), line(GET)], record(GET), "log"),
        ([line(GET), line(GET, request_id="else")], record(GET), "log"),
        ([line(GET, status=502)], record(GET), "log"),
        ([line(GET, bytes_out=299)], record(GET), "log"),
        ([line(GET, status=499, error="client_gone")], record(GET), "log"),
        ([line(GET, target="/")], record(GET), "log"),
        ([line(GET)], record(GET, End.CUT), "log"),
        ([line(GET, status=500, error="proxy_internal_error")], record(GET), "internal"),
    ],
)
def test_the_log_has_one_line_for_each_request(
    lines: list[dict[str, Any]], known: Record, kind: str
) -> None:
    found = checks.log_lines(lines, [known], Ledger(), {GET.name: GET})
    assert {one.what.partition(":")[0] for one in found} == ({kind} if kind else set())


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"first": True}, 1),
        ({"first": True, "ask": dataclasses.replace(GET, leave=Leave.FIN)}, 0),
        ({"first": True, "ask": BAD}, 0),
        ({"first": True, "began": 5.0, "ended": 7.0}, 0),
        ({"first": True, "answer": Answer(End.NONE, reset=True)}, 0),
        ({"first": True, "answer": Answer(End.WHOLE, 200)}, 0),
        ({"first": False}, 0),
    ],
)
def test_who_stays_is_answered(changes: dict[str, Any], number: int) -> None:
    closed = dataclasses.replace(record(GET, End.NONE, 0), **changes)
    assert len(checks.unanswered([closed], [(6.0, 9.0)])) == number


def test_what_a_server_saw_is_in_the_log() -> None:
    known = record(GET, End.LEFT, 0)
    (found,) = checks.log_lines([], [known], Ledger([arrival(GET)]), {GET.name: GET})
    assert found.what == "log: no line for 1-8-0, which a server has seen"


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("Traceback (most recent call last):", 1),
        ('{"message":"request failed","exception":"KeyError"}', 1),
        ("Task exception was never retrieved", 1),
        ('{"message":"ConnectFailed: refused"}', 0),
        ('{"message":"accept","exception":"[Errno 24] Too many open files"}', 0),
    ],
)
def test_mistakes_on_standard_error_are_reported(said: str, number: int) -> None:
    assert len(checks.words(f"ready\n{said}\n")) == number


def test_a_violation_tells_all_that_is_known() -> None:
    (found,) = checks.uploads(Ledger([arrival(ASK, **EMPTY)]), {ASK.name: ASK})
    found.log = [line(ASK)]
    told = str(found)
    assert "got a body of 0 bytes, not these 450" in told
    for part in ("coding='chunked'", "server=0", "'request_id': '1-7-0'"):
        assert part in told


STATE = {
    "upstreams": {"api": [{"in_flight": 1, "quota": None, "latency_ms": 4.5}]},
    "streams": {"resumable": 0, "waiting": 2},
    "coalesce": {"kept_bytes": 5, "routes": {"/": {"calls": 8, "in_flight": 0}}},
    "tunnels": [{"age_s": 1}],
}


def test_gauges_are_what_counts_things_that_end() -> None:
    assert gauges(STATE) == {
        "/upstreams/api/0/in_flight": 1,
        "/streams/resumable": 0,
        "/streams/waiting": 2,
        "/coalesce/kept_bytes": 5,
        "/coalesce/routes///in_flight": 0,
        "/tunnels": 1,
    }


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({}, set()),
        ({"tasks": 4, "descriptors": 18}, set()),
        ({"tasks": 6}, {"tasks"}),
        ({"descriptors": 21}, {"descriptors"}),
        ({"deleted": 1}, {"deleted"}),
        ({"gauges": {"/tunnels": 1, "/streams/waiting": 0}}, {"/tunnels"}),
    ],
)
def test_what_does_not_return_is_reported(changes: dict[str, Any], left: set[str]) -> None:
    start = Held({}, 5, 20, 0, 44.0)
    assert set(left_over(start, dataclasses.replace(start, **changes))) == left


@pytest.mark.parametrize("workers", [1, 2])
def test_configurations_of_reloads_differ_and_every_fifth_is_bad(
    workers: int, tmp_path: Path
) -> None:
    text = config([1, 2, 3, 4], "/tmp/a", "/tmp/b", workers)
    files = [varied(text, number) for number in range(12)]
    assert files[0] == text
    assert len(set(files)) >= 10
    for number, each in enumerate(files):
        path = tmp_path / "config.toml"
        path.write_text(each)
        told = {"reloaded": not check(str(path)), "problems": ["no"]}
        assert judged(told, number) == ""
        told["reloaded"] = not told["reloaded"]
        assert judged(told, number).startswith("reload: ")
    assert judged({"reloaded": False, "problems": ["[Errno 24] Too many open files"]}, 1) == ""
