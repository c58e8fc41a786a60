"""When a reply is good enough to be shown."""

import asyncio
from typing import Any

import pytest

from proxy.core.duration import Duration
from proxy.core.errors import ReplyBroken, ReplyStalled
from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Ending, Reply
from proxy.core.stream_options import StreamOptions
from proxy.middleware.commit import HELD, Commit, link
from tests.support.loop import JumpingLoop, Script, get, post, reply
from tests.support.proxy import parsed
from tests.support.scope import upstream_scope


class Pause:
    """So many seconds from now on, whoever stops waiting for it meanwhile."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: float | None = None

    async def over(self) -> None:
        loop = asyncio.get_running_loop()
        if self._until is None:
            self._until = loop.time() + self._seconds
        await asyncio.sleep(self._until - loop.time())


class Source:
    """A body that comes piece by piece; a number is a pause in seconds."""

    buffered = None

    def __init__(self, *steps: Any) -> None:
        self._steps = list(steps)
        self.ending: Ending | None = None
        self.reads = 0

    async def read(self) -> bytes:
        self.reads += 1
        while self._steps:
            step = self._steps[0]
            if isinstance(step, Pause):
                await step.over()
            del self._steps[0]
            if isinstance(step, Exception):
                raise step
            if isinstance(step, bytes):
                return step
            if not isinstance(step, Pause):
                await asyncio.sleep(step)
        return b""

    def close(self, ending: Ending) -> None:
        self.ending = ending


def commit(source: Source, text: str = "body:8B", status: int = 200, **reply: Any) -> Handler:
    """A gate before one reply."""
    answer = Reply(status, (), source, **reply)
    return Commit(Script(answer), StreamOptions(commit=text), always).handle


def always(_: Exchange) -> bool:
    """Something may follow whatever breaks."""
    return True


async def rest(answer: Reply) -> list[bytes]:
    return [chunk async for chunk in _chunks(answer)]


async def _chunks(answer: Reply) -> Any:
    while chunk := await answer.read():
        yield chunk


async def test_a_small_body_is_held_whole(jumping: JumpingLoop) -> None:
    source = Source(b"ab", 4, b"cd")
    start = jumping.time()
    answer = await commit(source, length=4)(get())
    assert jumping.time() == start + 4
    assert answer.buffered == b"abcd"
    assert source.ending is None
    assert await rest(answer) == [b"abcd"]
    answer.close(Ending.COMPLETE)
    assert source.ending is Ending.COMPLETE


@pytest.mark.parametrize("error", [ReplyBroken(), ReplyStalled()])
@pytest.mark.parametrize("before", [(), (b"abc",)])
async def test_what_breaks_while_it_is_held_was_never_shown(
    jumping: JumpingLoop, error: Exception, before: tuple[bytes, ...]
) -> None:
    source = Source(*before, error)
    with pytest.raises(type(error)):
        await commit(source, length=4)(get())
    assert source.ending is Ending.BROKEN


@pytest.mark.parametrize(
    ("text", "length"),
    [("first_chunk", 4), ("first_chunk", None), ("body:3B", 4), ("body:64KiB", None)],
)
async def test_other_bodies_are_held_for_their_first_chunk(
    jumping: JumpingLoop, text: str, length: int | None
) -> None:
    source = Source(3, b"ab", 60, b"cd")
    start = jumping.time()
    answer = await commit(source, text, length=length)(get())
    assert (jumping.time() - start, source.reads) == (3, 1)
    assert answer.buffered is None
    assert await rest(answer) == [b"ab", b"cd"]


async def test_what_breaks_before_its_first_chunk_was_never_shown(jumping: JumpingLoop) -> None:
    source = Source(ReplyBroken())
    with pytest.raises(ReplyBroken):
        await commit(source, "first_chunk")(get())
    assert source.ending is Ending.BROKEN


async def test_what_breaks_after_its_first_chunk_breaks_for_the_client(
    jumping: JumpingLoop,
) -> None:
    answer = await commit(Source(b"ab", ReplyBroken()), "first_chunk")(get())
    assert await answer.read() == b"ab"
    with pytest.raises(ReplyBroken):
        await answer.read()


async def test_an_empty_body_of_unknown_length_is_shown_as_such(jumping: JumpingLoop) -> None:
    answer = await commit(Source(), "first_chunk")(get())
    assert await rest(answer) == []


@pytest.mark.parametrize(
    ("method", "status", "length"),
    [("HEAD", 200, 4), ("GET", 204, None), ("GET", 304, 4), ("GET", 200, 0)],
)
async def test_without_a_body_there_is_nothing_to_wait_for(
    jumping: JumpingLoop, method: str, status: int, length: int | None
) -> None:
    source = Source()
    answer = await commit(source, status=status, length=length)(get(method=method))
    assert (answer.length, source.reads) == (length, 0)


async def test_what_is_here_already_is_not_read_again(jumping: JumpingLoop) -> None:
    answer = reply(200, body=b"abc")
    assert await Commit(Script(answer), StreamOptions()).handle(get()) is answer
    assert answer.buffered == b"abc"


async def test_a_client_that_leaves_ends_the_waiting(jumping: JumpingLoop) -> None:
    source = Source(b"ab", 60)
    task = asyncio.ensure_future(commit(source, length=4)(get()))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.ending is Ending.ABANDONED


@pytest.mark.parametrize(("length", "first"), [(4, b"ab"), (None, b"ab"), (400, b"ab")])
async def test_nothing_is_held_for_longer_than_the_wait(
    jumping: JumpingLoop, length: int | None, first: bytes
) -> None:
    source = Source(7, b"ab", 60, b"cd")
    start = jumping.time()
    answer = await commit(source, "body:8B", length=length)(get())
    assert jumping.time() == start + 5
    assert answer.buffered is None


async def test_what_came_while_it_was_held_comes_first(jumping: JumpingLoop) -> None:
    source = Source(b"ab", Pause(20), b"cd")
    start = jumping.time()
    answer = await commit(source, length=4)(get())
    assert jumping.time() == start + 5
    assert await rest(answer) == [b"ab", b"cd"]
    assert jumping.time() == start + 20


async def test_without_a_wait_it_is_held_for_as_long_as_it_takes(jumping: JumpingLoop) -> None:
    start = jumping.time()
    reply = Reply(200, (), Source(3600, b"ab"))
    options = StreamOptions(commit="first_chunk", commit_wait=Duration(0))
    await Commit(Script(reply), options).handle(get())
    assert jumping.time() == start + 3600


@pytest.mark.parametrize(
    ("retry", "text", "held"),
    [
        ("retry = false\n", "headers", False),
        ("retry = false\n", "first_chunk", True),
        ("retry = false\n", "body:1KiB", True),
        ("retry = false\n", "auto", False),
        ("", "auto", True),
        ('retry.on = ["503"]\n', "auto", False),
        ('retry.on = ["503"]\n', "body:1KiB", True),
        ('retry.on = ["reset"]\n', "auto", True),
        ("retry.attempts = 1\n", "auto", False),
        ("", "headers", False),
    ],
)
def test_what_holds_nothing_is_not_in_the_chain(retry: str, text: str, held: bool) -> None:
    config = parsed(
        f'{retry}[stream]\ncommit = "{text}"\n[[upstreams]]\nname = "a"\nservers = ["http://a"]'
    )
    assert (link(upstream_scope(config), Script()) is not None) is held


@pytest.mark.parametrize(
    ("length", "held"), [(2, True), (64 << 10, True), ((64 << 10) + 1, False), (None, False)]
)
async def test_auto_holds_what_is_known_to_be_small(
    jumping: JumpingLoop, length: int | None, held: bool
) -> None:
    source = Source(b"a", b"b")
    reply = Reply(200, [], source, length=length)
    await Commit(Script(reply), StreamOptions(), always).handle(get())
    assert source.reads == (3 if held else 0)
    assert (reply.buffered is not None) is held


@pytest.mark.parametrize(
    "field",
    [(b"Content-Type", b"text/event-stream; charset=utf-8"), (b"Incremental", b"?1")],
)
@pytest.mark.parametrize("commit", ["auto", "body:8B"])
async def test_auto_holds_nothing_whose_parts_are_wanted_at_once(
    jumping: JumpingLoop, field: tuple[bytes, bytes], commit: str
) -> None:
    """Whoever writes a size has asked for it."""
    source = Source(b"a", b"b")
    reply = Reply(200, [field], source, length=2)
    await Commit(Script(reply), StreamOptions(commit=commit), always).handle(get())
    assert source.reads == (0 if commit == "auto" else 3)


@pytest.mark.parametrize(
    ("exchange", "held"),
    [
        (get(), True),
        (post(headers=[(b"Idempotency-Key", b"a")]), True),
        (post(), False),
        (post(headers=[(b"Idempotency-Key", b"a")], resendable=False), False),
        (get(method="PROPFIND"), False),
    ],
    ids=["get", "keyed", "post", "gone", "other"],
)
@pytest.mark.parametrize("commit", ["auto", "body:64KiB"])
async def test_auto_holds_replies_only_to_what_may_be_sent_again(
    jumping: JumpingLoop, exchange: Exchange, commit: str, *, held: bool
) -> None:
    config = parsed(
        f'[stream]\ncommit = "{commit}"\n[[upstreams]]\nname = "a"\nservers = ["http://a"]'
    )
    scope = upstream_scope(config)
    link(scope, Script())
    assert scope.hold is not None
    source = Source(b"a", b"b")
    await scope.hold(exchange, Reply(201, [], source, length=2))
    assert source.reads == (3 if held or commit != "auto" else 0)


async def test_beyond_a_total_replies_are_shown_as_they_come(
    jumping: JumpingLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.middleware.commit.MOST_HELD", 100)
    first = asyncio.ensure_future(commit(Source(b"a" * 60, 3, b"b" * 30), "auto", length=90)(get()))
    await asyncio.sleep(1)
    source, start = Source(b"c" * 60, 3, b"d" * 60), jumping.time()
    shown = await commit(source, "auto", length=120)(get())
    assert (jumping.time() - start, shown.buffered, source.reads) == (0, None, 1)
    assert await rest(shown) == [b"c" * 60, b"d" * 60]
    assert (await first).buffered == b"a" * 60 + b"b" * 30
    # What was held before takes no room any more, whether it was shown or broke.
    with pytest.raises(ReplyBroken):
        await commit(Source(b"e" * 60, 1, ReplyBroken()), "auto", length=120)(get())
    assert (await commit(Source(b"f" * 60, 1, b"g" * 30), "auto", length=90)(get())).buffered


async def test_who_leaves_while_a_reply_is_held_gives_the_room_back(jumping: JumpingLoop) -> None:
    before = HELD.bytes
    held = asyncio.ensure_future(commit(Source(b"ab", 9, b"cd"), "auto", length=4)(get()))
    await asyncio.sleep(1)
    assert HELD.bytes == before + 2
    held.cancel()
    with pytest.raises(asyncio.CancelledError):
        await held
    assert HELD.bytes == before
