"""A seeded chaos: its plans, and that its clients see each kind of wrong answer."""

import asyncio
import json
from typing import Any

import pytest

from benchmarks.chaos import content
from benchmarks.chaos.__main__ import arguments
from benchmarks.chaos.answer import Answer, End, judge, read
from benchmarks.chaos.book import Book
from benchmarks.chaos.client import Client, Door
from benchmarks.chaos.fates import End as Fated
from benchmarks.chaos.fates import fate, stream
from benchmarks.chaos.plan import Ask, Kind, Leave, Session, session
from benchmarks.chaos.replies import Arrival, writes
from benchmarks.chaos.storm import What, storm
from benchmarks.chaos.streams import judge_events, judge_tunnel

ASK = Ask("1-7-0", "1-7-0", Kind.PLAIN, "/plain", "POST", 450, coding="chunked")
GET = Ask("1-8-0", "1-8-0", Kind.PLAIN, "/plain")
EVENTS = Ask("1-5-0", "1-5-0", Kind.EVENTS, "/events")


def test_a_seed_makes_all_plans() -> None:
    plans = [session(1, number) for number in range(500)]
    assert plans == [session(1, number) for number in range(500)]
    assert plans != [session(2, number) for number in range(500)]
    assert [fate(1, "n", 0, nth, "/all") for nth in range(9)] == [
        fate(1, "n", 0, nth, "/all") for nth in range(9)
    ]
    assert storm(1, 60, 4) == storm(1, 60, 4)
    assert storm(1, 60, 4) != storm(2, 60, 4)


def test_everything_is_in_the_plans() -> None:
    asks = [ask for number in range(4000) for ask in session(3, number).asks]
    assert len({ask.name for ask in asks}) == len(asks)
    assert {ask.kind for ask in asks} == set(Kind)
    assert {ask.leave for ask in asks} == set(Leave)
    assert {ask.coding for ask in asks} == {"", "length", "chunked"}
    assert any(ask.unsafe for ask in asks)
    assert {blow.what for blow in storm(3, 30, 4)} == set(What)
    assert sum(session(3, number).pipelined for number in range(4000)) > 100


def test_requests_that_are_not_shared_have_a_nonce_of_their_own() -> None:
    asks = [ask for number in range(2000) for ask in session(3, number).asks]
    nonces = [ask.nonce for ask in asks if ask.route != "/shared"]
    assert len(set(nonces)) == len(nonces)


# Answers


def reply(ask: Ask, body: bytes | None = None, nonce: str = "", **fields: str) -> bytes:
    """A good one, unless told otherwise."""
    if body is None:
        body = content.echo(ask.nonce, ask.method, ask.target, ask.body, 300)
    lines = {
        content.NONCE: nonce or ask.nonce,
        "X-Request-Id": ask.name,
        "Content-Length": str(len(body)),
        **{name.replace("_", "-"): value for name, value in fields.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return b"HTTP/1.1 200 OK\r\n" + head.encode() + b"\r\n" + body


def echo(ask: Ask, **said: Any) -> bytes:
    """A body that says something else."""
    line, _, rest = content.echo(ask.nonce, ask.method, ask.target, ask.body, 300).partition(b"\n")
    return json.dumps({**json.loads(line), **said}).encode() + b"\n" + rest


async def seen(ask: Ask, data: bytes) -> tuple[Answer, list[str]]:
    """What a client makes of these bytes and the end of the connection."""
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    answer = await read(reader, ask.method)
    return answer, judge(ask, answer)


CHUNKED = content.echo(ASK.nonce, "POST", ASK.target, ASK.body, 300)
SPLIT = b"5\r\n" + CHUNKED[:5] + b"\r\n"
TOLD = {"Transfer_Encoding": "chunked", "Content_Length": ""}
PROBLEM = b'{"status":502,"instance":"1-7-0"}'


@pytest.mark.parametrize(
    ("data", "end"),
    [
        (reply(ASK), End.WHOLE),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" + reply(ASK), End.WHOLE),
        (reply(ASK)[:-1], End.CUT),
        (reply(ASK)[:60], End.CUT),
        (b"", End.NONE),
        (reply(ASK, SPLIT, **TOLD), End.CUT),
        (reply(ASK, b"%x\r\n%b\r\n0\r\n\r\n" % (len(CHUNKED), CHUNKED), **TOLD), End.WHOLE),
        (reply(ASK, Content_Length=""), End.WHOLE),
    ],
)
async def test_a_right_answer_is_right_whole_or_visibly_cut(data: bytes, end: End) -> None:
    answer, wrong = await seen(ASK, data)
    assert (answer.end, wrong) == (end, [])


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (reply(ASK, nonce="1-6-0"), "wrong answer"),
        (reply(ASK, nonce=content.POISON), "wrong answer"),
        (reply(ASK, X_Request_Id="1-6-0"), "wrong answer"),
        (reply(ASK, echo(ASK, nonce="1-6-0")), "wrong answer"),
        (reply(ASK, echo(ASK, method="PUT")), "altered"),
        (reply(ASK, echo(ASK, target="/other")), "altered"),
        (reply(ASK, CHUNKED[:-1] + b"~"), "altered"),
        (reply(ASK, CHUNKED + b"~"), "altered"),
        (reply(ASK, b"x" * 20 + b"\n"), "altered"),
        (reply(ASK, CHUNKED[:-1]), "shortened"),
        (reply(ASK, CHUNKED[:5]), "shortened"),
        (reply(ASK, SPLIT + b"0\r\n\r\n", **TOLD), "shortened"),
        (reply(ASK, CHUNKED[:-1], Content_Length=""), "shortened"),
        (reply(ASK, echo(ASK, digest=content.digest(b""), length=0)), "upload"),
        (reply(ASK, SPLIT + b"zz\r\n", **TOLD), "framing"),
        (reply(ASK, b"5\r\nabcdefgh", **TOLD), "framing"),
        (b"HTTP/1.1 2x OK\r\n\r\n", "framing"),
        (b"SSH-2.0\r\n\r\n", "framing"),
        (reply(ASK, PROBLEM, Proxy_Status="p", X_Request_Id="1-6-0"), "wrong answer"),
        (reply(ASK, PROBLEM, Proxy_Status="p"), "internal"),
    ],
)
async def test_a_wrong_answer_is_reported(data: bytes, kind: str) -> None:
    _, wrong = await seen(ASK, data)
    assert kind in {what.partition(":")[0] for what in wrong}


async def test_silence_is_reported() -> None:
    assert judge(ASK, Answer(End.SILENT)) == ["hang: nothing comes, and the connection stays open"]


FEED = b"".join(content.event("1-5-0", number) for number in range(1, 5))
ERROR = b"event: error\ndata: {}\n\n"


@pytest.mark.parametrize(
    ("body", "end", "kind"),
    [
        (FEED, End.WHOLE, ""),
        (b": ping\n\n" + FEED, End.WHOLE, ""),
        (FEED[:-3], End.CUT, ""),
        (FEED + ERROR, End.CUT, ""),
        (FEED + ERROR, End.WHOLE, "shortened"),
        (content.event("1-5-0", 1), End.WHOLE, "shortened"),
        (content.event("1-5-0", 2), End.CUT, "altered"),
        (content.event("1-6-0", 1), End.CUT, "altered"),
        (FEED + content.event("1-5-0", 4), End.CUT, "altered"),
    ],
)
def test_a_stream_goes_on_without_gap_or_repetition(body: bytes, end: End, kind: str) -> None:
    wrong = judge_events(EVENTS, Answer(end, 200, body=body), 0, 4)
    assert {what.partition(":")[0] for what in wrong} == ({kind} if kind else set())


def test_a_tunnel_gives_back_what_was_sent() -> None:
    tunnel = Ask("1-4-0", "1-4-0", Kind.TUNNEL, "/tunnel", size=100)
    back = b"1-4-0\n" + tunnel.body
    assert judge_tunnel(tunnel, back) == judge_tunnel(tunnel, back[:50]) == []
    assert judge_tunnel(tunnel, back[:50] + b"~") != []


# The command


def test_ten_minutes_unless_told_otherwise() -> None:
    assert (arguments([]).seed, arguments([]).seconds) == (1, 600)
    assert arguments(["--seed", "7", "--seconds", "60"]).seed == 7


async def test_a_client_reports_what_an_upstream_that_lies_says() -> None:
    """A client on the wire, against a server that answers as somebody else."""

    async def lie(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply(GET, nonce="1-6-0"))
        writer.close()

    book = Book()
    async with await asyncio.start_server(lie, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await Client(Session(8, (GET,)), 1, Door(port), book).run()
    (known,) = book.records
    assert known.wrong == ("wrong answer: it is that of '1-6-0'",)


def test_a_stream_has_as_many_events_wherever_it_is_asked_for() -> None:
    assert len({stream(1, "n", server, nth).events for server in range(4) for nth in range(9)}) == 1


def test_a_reply_that_nobody_asked_for_comes_with_the_end_of_the_one_before() -> None:
    """Behind a pause it could not be told from the answer to the next request."""
    seen = set()
    for number in range(2000):
        drawn = fate(1, f"n{number}", 0, 0, "/all")
        parts = writes(Arrival("a", f"n{number}", "GET", "/all/x", {}, drawn, b""))
        last, _, unasked = parts[-1].rpartition(b"HTTP/1.1 200 OK\r\n")
        surplus = content.POISON.encode() in unasked and drawn.end is not Fated.BROKEN
        assert surplus is (drawn.end is Fated.SURPLUS)
        if surplus:
            assert last
            seen.add(len(parts))
    assert len(seen) > 2
