"""The link that records and replays."""

import logging
import random
from collections.abc import Callable, Sequence

import pytest

from proxy.core.errors import ConnectFailed, NotRecorded
from proxy.core.exchange import Exchange, Handler
from proxy.core.recording import Answer, Question
from proxy.core.recording_mode import RecordingMode
from proxy.core.reply import Ending, Reply
from proxy.core.scope import Scope
from proxy.core.shared import Shared
from proxy.http.fields import RawHeaders, has
from proxy.middleware.recording import recording
from proxy.run.scopes import scope_of
from tests.support.loop import JumpingLoop, Script, get, post, reply
from tests.support.proxy import parsed

EVENTS: RawHeaders = [(b"Content-Type", b"text/event-stream")]
TABLES = '[[upstreams]]\nname = "a"\nservers = ["http://a"]\n[[routes]]\nupstream = "a"\n'


class Kept:
    """A recording in memory."""

    redact: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.added: list[tuple[Question, Answer]] = []
        self.fails: OSError | ValueError | None = None

    def add(self, question: Question, answer: Answer) -> None:
        if isinstance(self.fails, OSError):
            raise self.fails
        self.added.append((question, answer))

    def questions(self) -> list[Question]:
        return [question for question, _ in self.added]

    def count(self, key: str) -> int:
        return sum(question.key == key for question, _ in self.added)

    def answer(self, key: str, number: int) -> Answer:
        if self.fails is not None:
            raise self.fails
        return [answer for question, answer in self.added if question.key == key][number]


def scope(mode: RecordingMode | None) -> Scope:
    shared = Shared(random.Random(1))
    shared.recording_mode = mode
    return scope_of(parsed(TABLES).routes[0], shared)


def linked(inner: Handler, mode: RecordingMode | None) -> Handler:
    handler = recording.link(scope(mode), inner)
    assert handler is not None
    return handler


class Pieces:
    """A body that comes in pieces, and may break."""

    buffered: None = None

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = iter(pieces)
        self.ending: Ending | None = None

    async def read(self) -> bytes:
        return next(self._pieces, b"")

    def close(self, ending: Ending) -> None:
        self.ending = ending


async def read(found: Reply, most: int = 99) -> list[bytes]:
    pieces: list[bytes] = []
    while most > len(pieces) and (data := await found.read()):
        pieces.append(data)
    return pieces


def in_pieces(*pieces: bytes, headers: RawHeaders = ()) -> Reply:
    return Reply(200, headers, Pieces(*pieces), reason=b"OK", length=None)


def test_there_is_no_link_without_a_deck() -> None:
    assert recording.link(scope(None), Script()) is None


async def test_a_reply_is_recorded_when_it_has_ended(jumping: JumpingLoop) -> None:
    kept = Kept()
    answer = in_pieces(b"one", b"two", headers=[(b"Content-Length", b"6"), (b"X-A", b"1")])
    answer.trailers = lambda: [(b"X-Sum", b"6")]
    handle = linked(Script(answer), RecordingMode(kept))
    found = await handle(post("/a", b"body"))
    assert await read(found, 2) == [b"one", b"two"]
    assert not kept.added
    assert await found.read() == b""
    [(question, recorded)] = kept.added
    assert (question.method, question.target, question.body) == ("POST", b"/a", b"body")
    assert recorded.fields == [(b"X-A", b"1")]
    assert recorded.body == b"onetwo"
    assert [size for _, size in recorded.pieces] == [3, 3]
    assert recorded.trailers == [(b"X-Sum", b"6")]
    assert recorded.ended
    found.close(Ending.COMPLETE)
    assert len(kept.added) == 1


@pytest.mark.parametrize(
    ("headers", "pieces", "recorded"),
    [((), (b"one",), False), (EVENTS, (), False), (EVENTS, (b"data: 1\n\n",), True)],
)
async def test_what_is_left_is_recorded_of_streams_of_events_only(
    jumping: JumpingLoop, headers: RawHeaders, pieces: Sequence[bytes], recorded: bool
) -> None:
    kept = Kept()
    answer = in_pieces(*pieces, headers=headers)
    found = await linked(Script(answer), RecordingMode(kept))(get())
    await read(found, len(pieces))
    found.close(Ending.ABANDONED)
    assert answer.closed
    assert [each.ended for _, each in kept.added] == [False] * recorded


async def test_clients_ask_for_no_compression_unless_they_may(jumping: JumpingLoop) -> None:
    for compressed in (False, True):
        script = Script(reply())
        handle = linked(script, RecordingMode(Kept(), compressed=compressed))
        await handle(get("/", [(b"Accept-Encoding", b"gzip")]))
        assert has(script.exchanges[0].headers, b"accept-encoding") is compressed


async def test_what_a_reply_repeats_of_a_request_or_of_its_own_cookie_is_hidden(
    jumping: JumpingLoop,
) -> None:
    key, cookie = b"k" * 20, b"c" * 20
    fields = [(b"Set-Cookie", b"sid=%b; Path=/" % cookie)]
    kept = Kept()
    handler = linked(
        Script(reply(200, fields, b"/a?api_key=%b|%b" % (key, cookie))), RecordingMode(kept)
    )
    assert await read(await handler(get("/a?api_key=" + key.decode()))) == [
        b"/a?api_key=%b|%b" % (key, cookie)
    ]
    [(question, answer)] = kept.added
    assert question.target == b"/a?api_key=***"
    assert answer.body == b"/a?api_key=%b|%b" % (b"*" * 20, b"*" * 20)


async def test_what_cannot_be_recorded_goes_through_and_is_told(
    jumping: JumpingLoop, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(recording, "MOST", 4)
    kept = Kept()
    found = await linked(Script(in_pieces(b"long", b"er")), RecordingMode(kept))(get("/long?a=b"))
    assert await read(found) == [b"long", b"er"]
    assert "GET /long?a=b is not recorded: its reply is longer than" in caplog.text
    found = await linked(Script(reply(body=b"ok")), RecordingMode(kept))(post("/up", b"longer"))
    assert await read(found) == [b"ok"]
    assert "POST /up is not recorded: its body is long" in caplog.text
    with pytest.raises(ConnectFailed):
        await linked(Script(ConnectFailed()), RecordingMode(kept))(get("/down?api_key=x"))
    assert "GET /down?*** is not recorded: the API did not answer" in caplog.text
    kept.fails = OSError(28, "No space left on device")
    await read(await linked(Script(reply(body=b"ok")), RecordingMode(kept))(get("/full")))
    assert "GET /full is not recorded: [Errno 28] No space left on device" in caplog.text
    assert not kept.added


async def test_a_coding_that_cannot_be_searched_is_told(
    jumping: JumpingLoop, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Kept()
    answer = reply(200, [(b"Content-Encoding", b"br")], b"\x01\x02")
    await read(await linked(Script(answer), RecordingMode(kept))(get()))
    assert "secrets in its compressed body are not found" in caplog.text
    assert kept.added[0][1].body == b"\x01\x02"


@pytest.mark.parametrize("coding", [b"none", b"", b"gzip, identity"])
async def test_a_body_without_a_coding_is_searched(
    jumping: JumpingLoop, caplog: pytest.LogCaptureFixture, coding: bytes
) -> None:
    answer = reply(200, [(b"Content-Encoding", coding)], b"x")
    await read(await linked(Script(answer), RecordingMode(Kept()))(get()))
    assert "are not found" not in caplog.text


async def recorded(ask: Callable[[], Exchange], *bodies: bytes) -> Kept:
    kept = Kept()
    handle = linked(Script(*(reply(200, (), body) for body in bodies)), RecordingMode(kept))
    for _ in bodies:
        await read(await handle(ask()))
    return kept


async def test_answers_come_in_order_and_the_last_one_again(jumping: JumpingLoop) -> None:
    kept = await recorded(get, b"one", b"two")
    handle = linked(Script(), RecordingMode(kept, replays=True))
    seen = [await read(await handle(get())) for _ in range(4)]
    assert seen == [[b"one"], [b"two"], [b"two"], [b"two"]]


async def test_bodies_tell_requests_apart(jumping: JumpingLoop) -> None:
    kept = await recorded(lambda: post("/", b"a"), b"of a")
    handle = linked(Script(), RecordingMode(kept, replays=True))
    assert await read(await handle(post("/", b"a"))) == [b"of a"]
    with pytest.raises(NotRecorded, match="POST / is not in the recording; the nearest"):
        await handle(post("/", b"b"))


async def test_all_routes_replay_one_recording(jumping: JumpingLoop) -> None:
    kept = await recorded(get, b"one", b"two")
    of_route = scope(RecordingMode(kept, replays=True))
    first, second = (recording.link(of_route, Script()) for _ in range(2))
    assert first is not None
    assert second is not None
    assert await read(await first(get())) == [b"one"]
    assert await read(await second(get())) == [b"two"]


async def test_a_damaged_recording_is_an_answer_too(jumping: JumpingLoop) -> None:
    kept = await recorded(get, b"one")
    kept.fails = ValueError("status: 1 is no status of a reply")
    with pytest.raises(NotRecorded, match="damaged: status: 1"):
        await linked(Script(), RecordingMode(kept, replays=True))(get())


async def test_a_reply_takes_its_time_when_paced(jumping: JumpingLoop) -> None:
    kept = Kept()
    of_recording = scope(RecordingMode(kept))
    of_recording.shared.clock = jumping.time
    handle = recording.link(of_recording, Script((7, reply(body=b"late"))))
    assert handle is not None
    await read(await handle(get()))
    of_replay = scope(RecordingMode(kept, replays=True, paced=True))
    of_replay.shared.clock = jumping.time
    handle = recording.link(of_replay, Script())
    assert handle is not None
    began = jumping.time()
    await handle(get())
    assert jumping.time() == began + 7
