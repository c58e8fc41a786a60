"""The body of a reply on its way into the store."""

import contextlib
from typing import Any

import pytest

from proxy.core.errors import ReplyBroken
from proxy.core.reply import Reply
from tests.support.caching import Caching, fresh
from tests.support.loop import JumpingLoop, get, reply
from tests.support.pieces import Pieces, body, streaming

LIFE = (b"Cache-Control", b"max-age=60")


async def stores(source: Reply, **options: Any) -> bool:
    """Whether a reply is there again when it has been read."""
    caching = Caching(source, fresh(60, b"second"), **options)
    with contextlib.suppress(ReplyBroken):
        await body(await caching.cache.handle(get()))
    return (await caching.ask()).body != b"second"


def coming(*pieces: bytes, error: Exception | None = None, length: int | None = None) -> Reply:
    source = streaming(Pieces(*pieces, error=error), [LIFE])
    source.length = length
    return source


async def test_a_body_is_stored_while_it_is_read(jumping: JumpingLoop) -> None:
    assert await stores(coming(b"one", b"two"))
    assert await stores(coming(b"one", b"two", length=6))


@pytest.mark.parametrize("length", [None, 9])
async def test_what_breaks_is_not_stored(jumping: JumpingLoop, length: int | None) -> None:
    assert not await stores(coming(b"one", b"two", error=ReplyBroken("cut"), length=length))


async def test_what_is_shorter_than_it_says_is_not_stored(jumping: JumpingLoop) -> None:
    assert not await stores(coming(b"one", b"two", length=7))


async def test_what_becomes_too_long_is_not_stored(jumping: JumpingLoop) -> None:
    assert not await stores(coming(b"one", b"two"), max_object=5)
    assert await stores(coming(b"one", b"two"), max_object=6)
    assert not await stores(reply(200, [LIFE], b"onetwo"), max_object=5)


async def test_what_has_trailers_is_not_stored(jumping: JumpingLoop) -> None:
    source = coming(b"one")
    source.trailers = lambda: [(b"Digest", b"x")]
    assert not await stores(source)
    whole = reply(200, [LIFE], b"one")
    whole.trailers = lambda: [(b"Digest", b"x")]
    assert not await stores(whole)


EVENTS = (b"Content-Type", b"text/event-stream")


@pytest.mark.parametrize(
    ("last", "stored"), [(b"data: 2\n\n", True), (b"event: error\ndata: busy\n\n", False)]
)
@pytest.mark.parametrize("whole", [False, True])
async def test_a_stream_that_ends_in_a_failure_is_not_stored(
    jumping: JumpingLoop, last: bytes, *, stored: bool, whole: bool
) -> None:
    pieces = [b"data: 1\n\n", b"data: long\n\n" * 2000, last[:9], last[9:]]
    fields = [LIFE, EVENTS]
    source = reply(200, fields, b"".join(pieces)) if whole else streaming(Pieces(*pieces), fields)
    assert await stores(source) is stored
