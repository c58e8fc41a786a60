"""A head, and a body that nobody has read yet."""

from typing import Any

import pytest

from proxy.core.reply import Ending, Reply
from proxy.http.fields import Encoded, encode
from tests.support.loop import Canned


class Slow(Canned):
    """A body that is still to come."""

    buffered = None


async def rest(reply: Reply) -> list[bytes]:
    chunks = []
    while chunk := await reply.read():
        chunks.append(chunk)
    return chunks


async def test_what_was_read_can_be_taken_back() -> None:
    reply = Reply(200, (), Slow(b"cd"))
    reply.put_back(b"ab", complete=False)
    assert reply.buffered is None
    assert await rest(reply) == [b"ab", b"cd"]


async def test_what_is_taken_back_is_not_all_even_where_the_rest_is_here() -> None:
    reply = Reply(200, (), Canned(b"cd"))
    reply.put_back(b"ab", complete=False)
    assert reply.buffered is None


async def test_what_is_taken_back_of_a_body_that_was_all_there_is_followed_by_the_rest() -> None:
    reply = Reply(200, (), Slow(b"cd"), whole=b"ab")
    assert await reply.read() == b"ab"
    reply.put_back(b"ab", complete=False)
    assert await rest(reply) == [b"ab", b"cd"]


class Spliced(Slow):
    """A body that the kernel may move."""

    def splice(self, sink: object) -> bool:
        """It does."""
        return True


async def test_a_body_is_moved_by_the_kernel_only_where_nothing_of_it_is_here() -> None:
    sink: Any = object()
    reply = Reply(200, (), Spliced(b"cd"))
    assert reply.splice(sink)
    reply.put_back(b"ab", complete=False)
    assert not reply.splice(sink)
    reply = Reply(200, (), Spliced(b""), whole=b"ab")
    assert not reply.splice(sink)
    await reply.read()
    assert not reply.splice(sink)


async def test_a_body_that_was_read_to_its_end_is_all_there() -> None:
    reply = Reply(200, (), Slow(b""))
    reply.put_back(b"abcd", complete=True)
    assert reply.buffered == reply.buffered == b"abcd"
    assert await rest(reply) == [b"abcd"]


def test_another_reply_may_show_the_same_head_and_trailers() -> None:
    fields = [(b"A", b"b")]
    first = Reply(201, fields, Slow(b"ab"), reason=b"Made", length=2, version=(1, 0))
    first.encoded = Encoded(fields, b"A: b\r\n")
    first.until_close = True
    first.trailers = lambda: [(b"X", b"1")]
    shown = first.with_body(Canned(b""), None, b"whole")
    head = (shown.status, shown.reason, shown.headers, shown.encoded, shown.version)
    assert head == (201, b"Made", fields, first.encoded, (1, 0))
    assert (shown.length, shown.buffered, shown.until_close) == (None, b"whole", True)
    first.trailers = lambda: [(b"X", b"2")]  # kept, before the connection is at its next reply
    assert shown.last_trailers() == [(b"X", b"2")]
    first.trailers = None
    assert first.with_body(Canned(b""), 0).trailers is None


@pytest.mark.parametrize("known", [True, False])
def test_lines_that_are_known_stay_so_with_a_field_more(known: bool) -> None:
    """Clients that share a reply have the same fields, so none of them is changed in place."""
    fields, named = [(b"A", b"b"), (b"X-Id", b"1")], [(b"X-Id", b"1")]
    reply = Reply(200, fields, Canned(b""))
    before = reply.encoded = Encoded(fields if known else [], b"A: b\r\nX-Id: 1\r\n", True, named)
    reply.add((b"C", b"d"))
    assert reply.headers == [*fields, (b"C", b"d")]
    assert len(fields) == 2
    if not known:
        assert reply.encoded is before
        return
    assert reply.encoded.fields is reply.headers
    assert reply.encoded.lines == encode(reply.headers, None)
    assert (reply.encoded.dated, reply.encoded.ids) == (True, named)


def test_listeners_are_told_once_and_before_the_connection_is_free() -> None:
    source = Canned(b"")
    reply = Reply(200, (), source)
    heard: list[tuple[Ending, Ending | None]] = []
    for _ in range(2):
        reply.on_close(lambda _, ending: heard.append((ending, source.ending)))
    reply.close(Ending.BROKEN)
    reply.close(Ending.COMPLETE)
    assert heard == [(Ending.BROKEN, None)] * 2
    assert source.ending is Ending.BROKEN


def test_a_listener_that_fails_does_not_keep_the_connection() -> None:
    source = Canned(b"")
    reply = Reply(200, (), source)

    def fails(_: Reply, ending: Ending) -> None:
        raise LookupError(ending)

    reply.on_close(fails)
    with pytest.raises(LookupError):
        reply.close(Ending.COMPLETE)
    assert source.ending is Ending.COMPLETE
