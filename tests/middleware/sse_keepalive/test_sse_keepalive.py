"""What is said in a stream of events while its upstream says nothing, and when it breaks."""

from typing import Any

import pytest

from proxy.core.errors import ConnectFailed, ProxyError, ReplyBroken, ReplyStalled
from proxy.core.exchange import Exchange
from proxy.core.reply import Ending, Reply
from proxy.middleware.sse_keepalive.keepalive_body import HEARTBEAT
from proxy.middleware.sse_keepalive.sse_keepalive import SseKeepAlive, without_coding
from tests.support.events import Feed, stream
from tests.support.loop import JumpingLoop, KeptBody, Script, get, loop_clock, reply

ACCEPT = (b"Accept", b"text/event-stream")
FAILED = b"event: error\n\n"


def keepalive(script: Script, *, heartbeat: float = 0.0, sends: bool = True) -> SseKeepAlive:
    def error_event(failed: ProxyError | Reply, request_id: str) -> bytes:
        said.append((failed, request_id))
        return FAILED

    said: list[tuple[Any, str]] = []
    return SseKeepAlive(
        script,
        heartbeat=heartbeat,
        sends_error_event=sends,
        error_event=error_event,
        clock=loop_clock(),
    )


def asks(*fields: tuple[bytes, bytes]) -> Exchange:
    return get(headers=(ACCEPT, *fields))


async def test_a_silent_stream_gets_comments(jumping: JumpingLoop) -> None:
    source = Feed(b"data: 1\n\n")
    answer = await keepalive(Script(stream(source)), heartbeat=5).handle(get())
    began = jumping.time()
    assert [await answer.read() for _ in range(3)] == [b"data: 1\n\n", HEARTBEAT, HEARTBEAT]
    assert jumping.time() - began == 10
    source.push(b"")
    assert await answer.read() == b""


async def test_a_range_of_a_stream_gets_nothing(jumping: JumpingLoop) -> None:
    answer = stream(Feed(b"data: 1\n\n"), status=206)
    assert await keepalive(Script(answer), heartbeat=5).handle(get()) is answer


async def test_no_comment_comes_within_an_event(jumping: JumpingLoop) -> None:
    source = Feed(b"data: 1\n")
    answer = await keepalive(Script(stream(source)), heartbeat=5, sends=False).handle(get())
    assert await answer.read() == b"data: 1\n"
    jumping.call_later(60, source.push, b"\n")
    assert await answer.read() == b"\n"
    assert await answer.read() == HEARTBEAT


async def test_a_stream_is_opened_before_there_is_an_answer(jumping: JumpingLoop) -> None:
    script = Script((12, stream(Feed(b"data: 1\n\n", b""))))
    exchange = asks((b"Accept-Encoding", b"gzip"))
    answer = await keepalive(script, heartbeat=5).handle(exchange)
    assert (answer.status, jumping.time()) == (200, exchange.started_at + 5)
    assert [await answer.read() for _ in range(2)] == [HEARTBEAT, b"data: 1\n\n"]
    assert (b"Accept-Encoding", b"identity") in script.exchanges[0].headers


ELSEWHERE = (b"Origin", b"https://page.test")


@pytest.mark.parametrize(
    ("fields", "cors", "early"),
    [
        ([ELSEWHERE], False, False),
        ([(b"Origin", b"null")], False, False),
        ([ELSEWHERE, (b"Sec-Fetch-Site", b"same-site")], False, False),
        ([ELSEWHERE, (b"Sec-Fetch-Site", b"same-origin")], False, True),
        ([(b"Origin", b"http://Proxy.test")], False, True),
        ([(b"Origin", b"https://proxy.test")], False, False),
        ([ELSEWHERE], True, True),
    ],
)
async def test_a_page_of_another_origin_waits_for_the_head_that_lets_it_read(
    jumping: JumpingLoop, fields: list[tuple[bytes, bytes]], cors: bool, early: bool
) -> None:
    """Without ``[cors]`` the API allows it, and nothing can be added to a head that is out."""
    allowed = (b"Access-Control-Allow-Origin", b"https://page.test")
    answer = stream(
        Feed(b"data: 1\n\n"), headers=((b"Content-Type", b"text/event-stream"), allowed)
    )
    exchange = asks(*fields)
    exchange.host = "proxy.test"
    exchange.error_fields = [(b"Vary", b"Origin")] if cors else []  # as ``[cors]`` does
    reply = await keepalive(Script((12, answer)), heartbeat=5).handle(exchange)
    assert jumping.time() - exchange.started_at == (5 if early else 12)
    assert (allowed in reply.headers) is not early
    beats = [HEARTBEAT] if early else []
    assert [await reply.read() for _ in range(len(beats) + 2)] == [
        *beats,
        b"data: 1\n\n",
        HEARTBEAT,
    ]


@pytest.mark.parametrize(
    "outcome", [(12, ConnectFailed("refused")), (12, reply(404))], ids=["error", "404"]
)
async def test_an_opened_stream_says_what_came_instead(jumping: JumpingLoop, outcome: Any) -> None:
    answer = await keepalive(Script(outcome), heartbeat=5, sends=False).handle(asks())
    assert [await answer.read() for _ in range(2)] == [HEARTBEAT, FAILED]
    with pytest.raises(ProxyError):
        await answer.read()


async def test_a_stream_that_breaks_ends_with_an_error_event(jumping: JumpingLoop) -> None:
    source = Feed(b"data: 1\n\ndata: ha", ReplyBroken("cut"))
    answer = await keepalive(Script(stream(source))).handle(get())
    # Half an event is kept back: the error event would be taken for the rest of it.
    assert [await answer.read() for _ in range(2)] == [b"data: 1\n\n", FAILED]
    with pytest.raises(ReplyBroken):
        await answer.read()


@pytest.mark.parametrize(
    ("total", "before", "head"), [(30, 1.0, 0.0), (2, 0.2, 0.0), (2, 0.2, 60.0)]
)
@pytest.mark.parametrize("heartbeat", [0.0, 40.0])
async def test_a_stream_that_runs_out_of_time_still_gets_its_error_event(
    jumping: JumpingLoop, heartbeat: float, total: float, before: float, head: float
) -> None:
    exchange = get()
    exchange.deadline = exchange.started_at + total
    exchange.began(exchange.started_at - head)  # a client that took long for its head
    answer = await keepalive(Script(stream(Feed())), heartbeat=heartbeat).handle(exchange)
    assert await answer.read() == FAILED
    assert jumping.time() == pytest.approx(exchange.deadline - before, abs=0.01)
    with pytest.raises(ReplyStalled):
        await answer.read()


@pytest.mark.parametrize(
    "other",
    [
        reply(200, body=b"data: 1\n\n"),
        stream(Feed(), length=8),
        stream(Feed(), headers=((b"Content-Type", b"text/plain"),)),
    ],
    ids=["not held as a stream", "of a known length", "not of events"],
)
async def test_other_replies_pass_as_they_are(jumping: JumpingLoop, other: Reply) -> None:
    assert await keepalive(Script(other), heartbeat=5).handle(get()) is other


async def test_a_client_that_leaves_early_cancels_the_request(jumping: JumpingLoop) -> None:
    late = Feed()
    script = Script((12, stream(late)))
    answer = await keepalive(script, heartbeat=5).handle(asks())
    answer.close(Ending.ABANDONED)
    await jumping.create_task(_wait(jumping, 60))
    assert late.reads == 0


class AskedFor(KeptBody):
    """A body whose client waits until it is asked for it, or has left."""

    def __init__(self, loop: JumpingLoop, *, gone: bool = False) -> None:
        super().__init__(b"x")
        self.asked_at: list[float] = []
        self._loop = loop
        self._gone = gone

    def proceed(self) -> None:
        """Remember when."""
        if self._gone:
            raise ConnectionResetError("client gone")
        self.asked_at.append(self._loop.time())


@pytest.mark.parametrize(("seconds", "asked"), [(4, []), (12, [5])])
async def test_the_body_is_asked_for_before_a_stream_is_opened_early(
    jumping: JumpingLoop, seconds: float, asked: list[float]
) -> None:
    exchange = asks()
    exchange.body = body = AskedFor(jumping)
    answer = await keepalive(Script((seconds, stream(Feed()))), heartbeat=5).handle(exchange)
    assert answer.status == 200
    assert [at - exchange.started_at for at in body.asked_at] == asked


async def test_a_client_that_left_before_its_body_was_asked_for_ends_the_request(
    jumping: JumpingLoop,
) -> None:
    late = Feed()
    exchange = asks()
    exchange.body = AskedFor(jumping, gone=True)
    with pytest.raises(ConnectionResetError):
        await keepalive(Script((12, stream(late))), heartbeat=5).handle(exchange)
    await jumping.create_task(_wait(jumping, 60))
    assert late.reads == 0


@pytest.mark.parametrize(("slot", "value"), [("upgrade", b"foo"), ("login", True)])
async def test_what_needs_the_head_of_the_upstream_is_not_opened_early(
    jumping: JumpingLoop, slot: str, value: object
) -> None:
    exchange = asks((b"Accept-Encoding", b"gzip"))
    setattr(exchange, slot, value)
    script = Script((12, late := reply(401)))
    assert await keepalive(script, heartbeat=5).handle(exchange) is late
    assert (b"Accept-Encoding", b"gzip") in script.exchanges[0].headers


async def _wait(loop: JumpingLoop, seconds: float) -> None:
    done = loop.create_future()
    loop.call_later(seconds, done.set_result, None)
    await done


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ([], []),
        ([(b"Accept-Encoding", b"gzip")], [(b"Accept-Encoding", b"identity")]),
        (
            [(b"accept-encoding", b"gzip"), (b"A", b"1"), (b"Accept-Encoding", b"br")],
            [(b"accept-encoding", b"identity"), (b"A", b"1")],
        ),
    ],
)
def test_no_coding_is_asked_for_where_one_was(
    fields: list[tuple[bytes, bytes]], sent: list[tuple[bytes, bytes]]
) -> None:
    assert list(without_coding(fields)) == sent
