"""Streams that wait for their client to come back."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from proxy.core.errors import ReplyBroken
from proxy.core.exchange import Exchange
from proxy.core.reply import Ending, Reply
from proxy.http.fields import RawHeaders
from proxy.middleware.resume.resume import resume_key
from tests.support.events import EVENTS, ME, Feed, back, come, event, lost, rest, resuming, stream
from tests.support.loop import JumpingLoop, get, post, reply
from tests.support.samples import told


async def test_a_client_that_comes_back_misses_nothing(jumping: JumpingLoop) -> None:
    source = Feed()
    resume, streams, script = resuming(stream(source, reason=b"Fine", version=(1, 0)))
    await lost(resume, source, event(1), event(2))
    source.push(event(3))
    await asyncio.sleep(9)
    exchange = back(b"1")
    answer = await resume.handle(exchange)
    assert (answer.status, answer.headers, answer.reason) == (200, EVENTS, b"Fine")
    assert (answer.version, answer.length, answer.buffered) == ((1, 0), None, None)
    assert exchange.record.first_byte_at == jumping.time()
    assert await come(answer, event(2) + event(3))
    source.push(event(4))
    assert await answer.read() == event(4)
    source.push(b"")
    assert await rest(answer) == b""
    assert source.ending is Ending.COMPLETE
    answer.close(Ending.COMPLETE)
    assert told(streams) == {"resumable_streams": 0, "resumable_streams_waiting": 0}
    assert script.sends == 1


async def test_each_absence_has_its_own_time(jumping: JumpingLoop) -> None:
    source = Feed()
    resume, streams, _ = resuming(stream(source))
    await lost(resume, source, event(1))
    for _ in range(3):
        await asyncio.sleep(8)
        answer = await resume.handle(back(b"1"))
        await asyncio.sleep(30)
        assert source.ending is None
        answer.close(Ending.ABANDONED)
    await asyncio.sleep(9.9)
    assert (source.ending, told(streams)["resumable_streams_waiting"]) == (None, 1)
    await asyncio.sleep(0.2)
    assert source.ending is Ending.ABANDONED
    assert told(streams) == {"resumable_streams": 0, "resumable_streams_waiting": 0}


@pytest.mark.parametrize("seen", [(), (b"data: a\n\n",), (b"id: 1\ndata: half\n",), (b"id\n\n",)])
async def test_without_an_id_there_is_nothing_to_come_back_to(
    jumping: JumpingLoop, seen: tuple[bytes, ...]
) -> None:
    source = Feed()
    resume, streams, _ = resuming(stream(source))
    await lost(resume, source, *seen)
    assert (source.ending, told(streams)["resumable_streams"]) == (Ending.ABANDONED, 0)


@pytest.mark.parametrize(
    ("end", "ending"), [(b"", Ending.COMPLETE), (ReplyBroken("cut"), Ending.BROKEN)]
)
async def test_an_end_meanwhile_is_told_as_what_it_was(
    jumping: JumpingLoop, end: Any, ending: Ending
) -> None:
    source = Feed()
    resume, streams, script = resuming(stream(source), reply(204))
    await lost(resume, source, event(1))
    source.push(event(2))
    source.push(end)
    await asyncio.sleep(5)
    assert source.ending is ending  # its connection and its place are free again
    answer = await resume.handle(back(b"1"))
    assert await answer.read() == event(2)
    if isinstance(end, Exception):
        with pytest.raises(ReplyBroken):
            await answer.read()
    else:
        assert await answer.read() == b""
    answer.close(ending)
    assert told(streams)["resumable_streams"] == 0
    assert (await resume.handle(back(b"2"))).status == 204  # the end has been told
    assert script.sends == 2


async def test_what_was_held_before_is_part_of_it(jumping: JumpingLoop) -> None:
    source = Feed()
    answer = stream(source)
    answer.put_back(event(1), complete=False)
    resume, _, _ = resuming(answer)
    first = await resume.handle(get(headers=ME))
    assert await first.read() == event(1)
    first.close(Ending.ABANDONED)
    source.push(event(2))
    assert await (await resume.handle(back(b"1"))).read() == event(2)


@pytest.mark.parametrize("later", [[b"\nid: 2\r\n\r\n"], [b"\n", b"id: 2\r\n\r\n"]])
async def test_a_line_end_that_came_in_two_halves_is_one(
    jumping: JumpingLoop, later: list[bytes]
) -> None:
    source = Feed()
    resume, _, _ = resuming(stream(source))
    await lost(resume, source, b"id: 1\r\n\r")
    answer = await resume.handle(back(b"1"))
    for piece in later:
        source.push(piece)
    assert await answer.read() == b"id: 2\r\n\r\n"
    source.push(b"\n")
    assert await answer.read() == b"\n"


SOMEBODY_ELSE: list[Exchange] = [
    back(b"1", ((b"Authorization", b"Bearer you"),)),
    back(b"1", ()),
    back(b"1", (*ME, (b"Cookie", b"a=b"))),
    back(b"1", (*ME, (b"X-Tenant", b"2"))),
    back(b"1", target=b"/other"),
    back(b"1", host="other"),
    back(b"1", scheme="https"),
    back(b"9"),
    back(b""),
    back(b"1", (*ME, (b"Last-Event-ID", b"1"))),
    back(b"1", method="POST"),
]


@pytest.mark.parametrize("exchange", SOMEBODY_ELSE)
async def test_a_stream_is_only_for_who_asked_for_it(
    jumping: JumpingLoop, exchange: Exchange
) -> None:
    source = Feed()
    resume, streams, script = resuming(stream(source), reply(204))
    await lost(resume, source, event(1))
    assert (await resume.handle(exchange)).status == 204
    assert script.exchanges[1] is exchange
    assert told(streams)["resumable_streams_waiting"] == 1


@pytest.mark.parametrize(
    ("headers", "client", "known"),
    [
        (ME, "10.0.0.1", True),
        (ME, "10.0.0.2", True),
        ((), "10.0.0.1", True),
        ((), "10.0.0.2", False),
        ((), "", False),
        (((b"Cookie", b" "),), "10.0.0.2", False),
        (((b"cookie", b"a=b"),), "10.0.0.2", True),
        ((*ME, (b"X-Request-ID", b"2"), (b"cf-ray", b"2")), "10.0.0.1", True),
    ],
)
def test_who_shows_no_credentials_is_known_by_address(
    headers: RawHeaders, client: str, known: bool
) -> None:
    passing = {b"X-Request-ID", b"cf-ray"}
    before = get(headers=[field for field in headers if field[0] not in passing])
    after = get(headers=headers)
    before.client, after.client = "10.0.0.1", client
    key = resume_key(after)
    assert (key is not None and key == resume_key(before)) is known


def test_where_rules_change_requests_the_address_always_counts() -> None:
    keys = set()
    for client in ("10.0.0.1", "10.0.0.2"):
        exchange = get(headers=ME)
        exchange.client = client
        keys.add(resume_key(exchange, by_address=True))
    assert len(keys) == 2


async def test_the_newer_client_takes_over_from_one_that_is_thought_to_be_there(
    jumping: JumpingLoop,
) -> None:
    source = Feed()
    resume, streams, _ = resuming(stream(source))
    older = await resume.handle(get(headers=ME))
    source.push(event(1))
    assert await older.read() == event(1)
    waiting = asyncio.ensure_future(older.read())
    await asyncio.sleep(1)
    newer = await resume.handle(back(b"1"))
    with pytest.raises(ConnectionResetError):
        await waiting
    older.close(Ending.ABANDONED)
    assert told(streams) == {"resumable_streams": 1, "resumable_streams_waiting": 0}
    source.push(event(2))
    assert await newer.read() == event(2)


async def test_a_client_without_chunks_is_not_shown_a_clean_end(jumping: JumpingLoop) -> None:
    resume, _, _ = resuming(stream(Feed(event(1))))
    exchange = get(headers=ME)
    exchange.version = (1, 0)
    older = await resume.handle(exchange)
    assert await older.read() == event(1)
    assert (await resume.handle(back(b"1"))).status == 200
    with pytest.raises(ReplyBroken):
        await older.read()


async def test_two_clients_do_not_take_one_stream_from_each_other_for_ever(
    jumping: JumpingLoop,
) -> None:
    resume, _, script = resuming(stream(Feed(event(1))), reply(204))
    first = await resume.handle(get(headers=ME))
    assert await first.read() == event(1)
    second = await resume.handle(back(b"1"))
    assert second.status == 200
    assert (await resume.handle(back(b"1"))).status == 204
    await asyncio.sleep(10)
    assert (await resume.handle(back(b"1"))).status == 200
    assert script.sends == 2


async def test_a_stream_that_waits_is_taken_before_one_that_is_read(jumping: JumpingLoop) -> None:
    """Two tabs that are sent the same events."""
    here, away = Feed(event(1)), Feed()
    resume, _, _ = resuming(stream(here), stream(away))
    reading = await resume.handle(get(headers=ME))
    assert await reading.read() == event(1)
    await lost(resume, away, event(1))
    answer = await resume.handle(back(b"1"))
    away.push(event(2))
    assert await answer.read() == event(2)
    here.push(event(3))
    assert await reading.read() == event(3)


async def test_when_no_time_is_left_for_the_whole_none_is_left_for_the_stream(
    jumping: JumpingLoop,
) -> None:
    source = Feed(event(1))
    resume, streams, _ = resuming(stream(source))
    answer = await resume.handle(get(headers=ME))
    assert await answer.read() == event(1)
    answer.close(Ending.BROKEN)
    assert (source.ending, told(streams)["resumable_streams"]) == (Ending.BROKEN, 0)


OTHERS: list[tuple[Exchange, Callable[[], Reply]]] = [
    (get(headers=ME), lambda: stream(Feed(), status=201)),
    (get(headers=ME), lambda: stream(Feed(), ((b"Content-Type", b"text/plain"),))),
    (get(headers=ME), lambda: stream(Feed(), (*EVENTS, (b"Content-Encoding", b"gzip")))),
    (get(headers=ME), lambda: reply(200, EVENTS, event(1))),
    (get(), lambda: stream(Feed())),  # on a unix socket: an address is not known
    (post(headers=ME), lambda: stream(Feed())),
    (get(headers=ME, method="HEAD"), lambda: stream(Feed())),
]


@pytest.mark.parametrize(("exchange", "answer"), OTHERS)
async def test_other_replies_pass_as_they_are(
    jumping: JumpingLoop, exchange: Exchange, answer: Callable[[], Reply]
) -> None:
    given = answer()
    resume, streams, _ = resuming(given)
    assert await resume.handle(exchange) is given
    assert told(streams)["resumable_streams"] == 0
