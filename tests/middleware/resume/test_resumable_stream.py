"""No client can take the places of others for streams that wait, whatever it varies."""

import asyncio
from typing import Any

import pytest

from proxy.core.exchange import Exchange
from proxy.core.reply import Ending
from proxy.middleware.resume.resumable_stream import ResumableStream
from tests.support.events import Feed, event, resuming, stream
from tests.support.loop import JumpingLoop, get
from tests.support.samples import told


def asked(client: str, number: int = 0, wanted: bytes = b"") -> Exchange:
    headers = [(b"Cookie", b"%d" % number)]
    if wanted:
        headers.append((b"Last-Event-ID", wanted))
    exchange = get(headers=headers)
    exchange.client = client
    return exchange


async def left(resume: Any, source: Feed, exchange: Exchange) -> None:
    """Read an event, then go away."""
    source.push(event(1))
    answer = await resume.handle(exchange)
    await answer.read()
    answer.close(Ending.ABANDONED)


async def test_who_varies_what_he_says_has_his_own_streams_dropped(jumping: JumpingLoop) -> None:
    sources = [Feed() for _ in range(30)]
    resume, streams, _ = resuming(*map(stream, sources), most=10)
    for number in range(3):
        await left(resume, sources[number], asked(f"10.0.0.{number}"))
    for number in range(3, 30):
        await left(resume, sources[number], asked("10.9.9.9", number))
    assert told(streams)["resumable_streams_waiting"] == 10
    assert [source.ending for source in sources[:3]] == [None] * 3
    assert [source.ending for source in sources[-7:]] == [None] * 7


async def test_one_client_alone_may_have_them_all(jumping: JumpingLoop) -> None:
    sources = [Feed() for _ in range(10)]
    resume, streams, _ = resuming(*map(stream, sources), most=10)
    for number, source in enumerate(sources):
        await left(resume, source, asked("10.0.0.1", number))
    assert told(streams)["resumable_streams_waiting"] == 10


async def test_a_look_up_looks_at_a_few_streams_only(
    jumping: JumpingLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[bytes] = []
    rewind = ResumableStream.rewind

    def counted(self: ResumableStream, wanted: bytes) -> bool:
        looked.append(wanted)
        return rewind(self, wanted)

    monkeypatch.setattr(ResumableStream, "rewind", counted)
    sources = [Feed() for _ in range(101)]
    resume, streams, _ = resuming(*map(stream, sources))
    answers = []
    for source in sources[:100]:
        source.push(event(1))
        answers.append(await resume.handle(asked("10.0.0.1")))
    await asyncio.sleep(1)
    assert told(streams) == {"resumable_streams": 100, "resumable_streams_waiting": 0}
    await resume.handle(asked("10.0.0.1", wanted=b"none"))
    assert len(looked) <= 16
