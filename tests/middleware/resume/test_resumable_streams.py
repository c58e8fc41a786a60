"""What is kept of a stream, for how many clients, and until when."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core.errors import ReplyBroken
from proxy.core.reply import Ending
from proxy.middleware.resume.resume import link
from tests.support.events import ME, Feed, back, come, event, lost, rest, resuming, stream
from tests.support.loop import JumpingLoop, Script, get, reply
from tests.support.proxy import parsed
from tests.support.samples import told
from tests.support.scope import upstream_scope


async def test_a_slow_client_stops_the_upstream(jumping: JumpingLoop) -> None:
    source = Feed(*(event(i, b"x" * 100) for i in range(100)))
    resume, _, _ = resuming(stream(source), window=1000)
    answer = await resume.handle(get(headers=ME))
    await asyncio.sleep(60)
    paused = source.reads
    assert paused == 6
    for i in range(100):  # and goes on as the client does
        assert await answer.read() == event(i, b"x" * 100)
        await asyncio.sleep(1)
        assert source.reads <= i + 1 + paused


async def test_nothing_is_dropped_while_nobody_is_there(jumping: JumpingLoop) -> None:
    source = Feed(*(event(i, b"x" * 100) for i in range(100)))
    resume, _, script = resuming(stream(source), reply(204), window=1000)
    answer = await resume.handle(get(headers=ME))
    for _ in range(50):
        await answer.read()
    answer.close(Ending.ABANDONED)
    await asyncio.sleep(5)
    assert source.reads == 56
    assert (await resume.handle(back(b"3"))).status == 204  # long gone: the upstream is asked
    again = await resume.handle(back(b"45"))
    assert await come(again, b"".join(event(i, b"x" * 100) for i in range(46, 100)))
    assert script.sends == 2


async def test_the_longest_waiting_stream_gives_way(jumping: JumpingLoop) -> None:
    sources = [Feed() for _ in range(3)]
    resume, streams, _ = resuming(*map(stream, sources), most=2)
    for number, source in enumerate(sources):
        await lost(resume, source, event(1), headers=((b"Cookie", b"%d" % number),))
    assert [source.ending for source in sources] == [Ending.ABANDONED, None, None]
    assert told(streams) == {"resumable_streams": 2, "resumable_streams_waiting": 2}


async def test_one_client_cannot_have_everybodys_places(jumping: JumpingLoop) -> None:
    sources = [Feed() for _ in range(10)]
    resume, streams, _ = resuming(*map(stream, sources))
    for source in sources:
        await lost(resume, source, event(1))
    assert [source.ending for source in sources] == [Ending.ABANDONED] * 2 + [None] * 8
    assert told(streams) == {"resumable_streams": 8, "resumable_streams_waiting": 8}


async def test_at_the_end_nothing_is_left(jumping: JumpingLoop) -> None:
    sources = [Feed() for _ in range(3)]
    resume, streams, _ = resuming(*map(stream, sources))
    await lost(resume, sources[0], event(1))
    reading = await resume.handle(get(headers=ME))
    streams.retire()
    assert [source.ending for source in sources] == [Ending.ABANDONED, None, None]
    last = await lost(resume, sources[2], event(1))  # leaves while the proxy is being drained
    assert sources[2].ending is Ending.ABANDONED
    assert last.closed
    await streams.close()
    assert sources[1].ending is Ending.ABANDONED
    with pytest.raises(ReplyBroken):
        await reading.read()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_who_comes_back_again_and_again_has_no_more_kept(jumping: JumpingLoop) -> None:
    source = Feed()
    resume, streams, script = resuming(stream(source), reply(204), window=1000)
    await lost(resume, source, event(0))
    for i in range(20):
        answer = await resume.handle(back(b"%d" % i))
        source.push(event(i + 1, b"x" * 500))
        assert await answer.read() == event(i + 1, b"x" * 500)
        answer.close(Ending.ABANDONED)
    assert (await resume.handle(back(b"10"))).status == 204  # dropped long ago
    again = await resume.handle(back(b"19"))
    assert await come(again, event(20, b"x" * 500))
    assert script.sends == 2
    await streams.close()


async def test_an_id_that_nobody_has_read_makes_room_for_what_follows(jumping: JumpingLoop) -> None:
    source = Feed()
    resume, streams, _ = resuming(stream(source), window=1000)
    await lost(resume, source, event(0))
    source.push(event(1, b"x" * 2000))
    await asyncio.sleep(1)
    answer = await resume.handle(back(b"1"))
    source.push(event(2))
    async with asyncio.timeout(5):
        assert await answer.read() == event(2)
    await streams.close()


@settings(deadline=None)
@given(
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.lists(st.integers(1, 30), min_size=1, max_size=60),
    st.integers(1, 40),
    st.data(),
)
def test_what_came_before_and_what_comes_after_is_the_whole(
    newline: bytes, cuts: list[int], reads: int, data: st.DataObject
) -> None:
    events = [b"id: %d\ndata: x\n: y\n\n".replace(b"\n", newline) % i for i in range(25)]
    whole = b"".join(events)
    pieces, at = [], 0
    for size in cuts:
        pieces.append(whole[at : at + size])
        at += size
    pieces = [piece for piece in (*pieces, whole[at:], b"") if piece] + [b""]

    async def run() -> None:
        source = Feed(*pieces)
        resume, streams, _ = resuming(stream(source), window=1 << 16)
        answer = await resume.handle(get(headers=ME))
        seen = b"".join([await answer.read() for _ in range(min(reads, len(pieces) - 1))])
        answer.close(Ending.ABANDONED)
        ends = [len(b"".join(events[: i + 1])) for i in range(25)]
        blank = len(seen) + seen.endswith(newline + b"\r")  # half of CRLF is the end of a line
        known = [i for i, end in enumerate(ends) if end <= blank]
        if known:
            last = data.draw(st.sampled_from(known))
            again = await resume.handle(back(b"%d" % last))
            assert await rest(again) == whole[ends[last] :]
            again.close(Ending.COMPLETE)
        assert told(streams) == {"resumable_streams": 0, "resumable_streams_waiting": 0}
        await streams.close()

    loop = JumpingLoop()
    try:
        loop.run_until_complete(run())
    finally:
        loop.close()


@pytest.mark.parametrize(
    ("rules", "sends"), [("", 1), ("request_headers = { remove = ['A'] }\n", 2)]
)
async def test_a_route_with_rules_for_requests_tells_clients_apart_by_address(
    jumping: JumpingLoop, rules: str, sends: int
) -> None:
    """A rule may have taken away what told them apart."""
    script = Script(stream(Feed(event(1))), reply(204))
    config = parsed(
        '[stream]\nresume = "10s"\n[[upstreams]]\nname = "a"\nservers = ["http://a"]\n'
        f'[[routes]]\nupstream = "a"\n{rules}'
    )
    handler = link(upstream_scope(config), script)
    assert handler is not None
    answer = await handler(get(headers=ME))
    assert await answer.read() == event(1)
    answer.close(Ending.ABANDONED)
    again = await handler(back(b"1", client="10.9.9.9"))
    assert (script.sends, again.status) == (sends, 200 if sends == 1 else 204)
    again.close(Ending.ABANDONED)
