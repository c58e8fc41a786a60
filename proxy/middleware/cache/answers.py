"""Replies that are made from stored ones (RFC 9111 4, RFC 9110 13 and 14)."""

import asyncio
import logging
import re
import secrets
from collections.abc import Sequence
from typing import Final

from proxy.core.clock import Clock, monotonic
from proxy.core.errors import ReplyBroken
from proxy.core.reply import Ending, NoMoreBytes, Reply
from proxy.core.stored import Entry, StoreFailed
from proxy.http.conditional import not_modified, range_applies
from proxy.http.fields import Fields, RawHeaders, values, without
from proxy.http.ranges import byte_ranges, content_range, last_boundary, part_head, unsatisfied
from proxy.middleware.cache.asked import Asked
from proxy.middleware.cache.shown import Shown, shown_now, status_field
from proxy.middleware.cache.validating import without_all

log = logging.getLogger(__name__)

_OF_CONTENT: Final = re.compile(
    rb"(?i)content-(?!location\Z|security-policy)|(?:repr-|unencoded-)?digest\Z"
)
"""What describes a body, and has no place in a 304 (RFC 9110 15.4.5): that repeats all the rest of
the fields of a 200. Without those of CORS a script would be refused the 304 that it asked for.
"""
_OF_ENTRY: Final = frozenset({b"age", b"cache-status", b"etag", b"last-modified"})
"""What an answer says of what is stored, whatever the 304 says that confirms it."""
_IN_416: Final = re.compile(rb"(?i)(?:date|etag|vary)\Z|access-control-")
"""What a 416 repeats."""
_OF_WHOLE: Final = frozenset(
    {b"content-range", b"content-length", b"content-digest", b"content-md5"}
)
"""What is said of all the bytes of a body (RFC 9530 2), and would be wrong of a part."""
_OK: Final = 200
_NOTHING: Final = NoMoreBytes()


class StoredBody:
    """Some of the body of an entry: literal bytes, and parts from one position to another."""

    __slots__ = ("_at", "_entry", "_first", "_number", "_pieces")

    buffered: None = None

    def __init__(
        self, entry: Entry, pieces: Sequence[bytes | tuple[int, int]], *, first: bool = True
    ) -> None:
        """Each piece: bytes, or first position and the one behind the last.

        ``first``: whether nothing is sent before the first bytes are here (`begun`).
        """
        self._entry = entry
        self._pieces = pieces
        self._first = first
        self._number = 0
        self._at = 0

    async def read(self) -> bytes:
        """The next bytes, ``b""`` at the end. Raises ReplyBroken where the store has lost it."""
        literal = b""
        while self._number < len(self._pieces):
            piece = self._pieces[self._number]
            if isinstance(piece, bytes):
                self._number += 1
                literal += piece
                continue
            start, end = piece
            position = start + self._at
            if position >= end:
                self._number += 1
                self._at = 0
                continue
            data = (await self._stored(position))[: end - position]
            self._at += len(data)
            return literal + data
        return literal

    async def _stored(self, position: int) -> bytes:
        first, self._first = self._first, False
        try:
            if data := await self._entry.read(position, first=first):
                return data
            why = "it is shorter than it was"
        except StoreFailed as error:
            why = str(error)
        if not first:
            log.warning(
                "cache: a client was cut, since the rest of a stored reply is lost: %s", why
            )
        raise ReplyBroken(f"the rest of a stored reply is lost: {why}")

    def close(self, ending: Ending) -> None:
        """Nothing is held."""


class PacedBody:
    """A stored stream of events at the pace at which it came."""

    __slots__ = ("_began", "_clock", "_next", "_pieces")

    buffered: None = None

    def __init__(self, entry: Entry, clock: Clock) -> None:
        self._clock = clock
        pace = entry.meta.pace
        ends = [position for position, _ in pace[1:]] + [entry.size]
        self._pieces = [
            (moment, StoredBody(entry, ((position, end),), first=False))
            for (position, moment), end in zip(pace, ends, strict=True)
        ]
        self._next = 0
        self._began: float | None = None

    async def read(self) -> bytes:
        """The next bytes, as long after the first look as they came after the head."""
        if self._began is None:
            self._began = self._clock()
        while self._next < len(self._pieces):
            moment, body = self._pieces[self._next]
            await asyncio.sleep(max(0.0, self._began + moment - self._clock()))
            if data := await body.read():
                return data
            self._next += 1
        return b""

    def close(self, ending: Ending) -> None:
        """Nothing is held."""


def fresh_answer(
    asked: Asked, entry: Entry, now: float, clock: Clock, *, as_shown: bool = False
) -> Reply:
    """The same for a fresh entry; Cache-Status has nothing special to say, the record has it.

    ``as_shown``: whether what its last answer was made of has not changed since.
    """
    shown = entry.shown
    if not as_shown or type(shown) is not Shown:
        age = entry.meta.freshness.age(now)
        shown = entry.shown = shown_now(entry, int(age), now - age % 1)
    asked.exchange.record.cache = shown.words
    whole = entry.whole
    if (
        whole is None
        or entry.meta.pace
        or asked.conditional
        or asked.ranged
        or asked.exchange.method == "HEAD"
    ):
        return answer(asked, entry, now, shown.words, clock)
    meta = entry.meta
    return Reply(
        meta.status,
        shown.fields,
        _NOTHING,
        meta.reason,
        entry.size,
        whole=whole,
        encoded=shown.encoded,
    )


def answer(asked: Asked, entry: Entry, now: float, words: str, clock: Clock = monotonic) -> Reply:
    """The reply to this request from a stored one. ``words``: the parameters of Cache-Status."""
    meta = entry.meta
    own: Fields = [(b"Age", b"%d" % meta.freshness.age(now)), status_field(words)]
    request = asked.exchange.headers
    if meta.status == _OK:
        received = meta.freshness.received_at
        if asked.conditional and not_modified(request, meta.fields, received):
            kept = [field for field in meta.fields if not _OF_CONTENT.match(field[0])]
            return Reply(
                304, [*kept, *own], NoMoreBytes(), reason=b"Not Modified", length=None, whole=b""
            )
        if asked.ranged and asked.exchange.method == "GET" and range_applies(request, meta.fields):
            ranges = byte_ranges(values(request, b"range"), entry.size)
            if ranges is not None:
                return _part(entry, ranges, own)
    fields = [*meta.fields, *own]
    if asked.exchange.method == "HEAD":
        return Reply(
            meta.status,
            fields,
            NoMoreBytes(),
            reason=meta.reason,
            length=entry.size,
            whole=b"",
        )
    if meta.pace:
        return Reply(meta.status, fields, PacedBody(entry, clock), reason=meta.reason, length=None)
    if (whole := entry.whole) is not None:
        return Reply(
            meta.status,
            fields,
            NoMoreBytes(),
            reason=meta.reason,
            length=entry.size,
            whole=whole,
        )
    body = StoredBody(entry, ((0, entry.size),))
    return Reply(meta.status, fields, body, reason=meta.reason, length=entry.size)


def body_size(answer: Reply, entry: Entry) -> int:
    """Bytes of the body of an answer from an entry, which may have none of it, or some."""
    if answer.buffered is not None:
        return len(answer.buffered)
    return entry.size if answer.length is None else answer.length


def with_own(answer: Reply, of_304: RawHeaders) -> Reply:
    """The answer, with what a 304 says to the client that asked.

    Most of it is what the entry says now. But some is not stored: what speaks to one client, and
    all of a 304 that ends the storing, such as its no-store.
    """
    own = [
        field
        for field in of_304
        if field[0].lower() not in _OF_ENTRY and not _OF_CONTENT.match(field[0])
    ]
    answer.headers = own + without_all(answer.headers, frozenset(name.lower() for name, _ in own))
    return answer


async def begun(answer: Reply, entry: Entry) -> bool:
    """Read the first bytes of an answer from an entry; whether the store has them in time.

    Without them its head must not be sent: its client would be cut, and can be given another one.
    """
    if answer.buffered is not None:
        return True
    try:
        if entry.meta.pace:
            await entry.read(0, first=True)
        else:
            answer.put_back(await answer.read(), complete=False)
    except (ReplyBroken, StoreFailed):
        return False
    return True


def _part(entry: Entry, ranges: list[tuple[int, int]], own: Fields) -> Reply:
    meta, size = entry.meta, entry.size
    fields = [field for field in meta.fields if field[0].lower() not in _OF_WHOLE]
    if not ranges:
        # Nothing of the reply is in it: whoever keeps it must not keep it for the reply.
        fields = [field for field in fields if _IN_416.match(field[0])]
        fields += [(b"Content-Range", unsatisfied(size)), *own]
        return Reply(
            416, fields, NoMoreBytes(), reason=b"Range Not Satisfiable", length=0, whole=b""
        )
    if len(ranges) == 1:
        start, last = ranges[0]
        fields += [(b"Content-Range", content_range(start, last, size)), *own]
        pieces: list[bytes | tuple[int, int]] = [(start, last + 1)]
        length = last + 1 - start
    else:
        boundary = secrets.token_hex(12).encode()
        kinds = values(fields, b"content-type")
        kind = kinds[0] if kinds else None
        fields = without(fields, b"content-type")
        fields += [(b"Content-Type", b"multipart/byteranges; boundary=" + boundary), *own]
        pieces = []
        for number, (start, last) in enumerate(ranges):
            where = content_range(start, last, size)
            pieces += [
                part_head(boundary, kind, where, is_first=number == 0),
                (start, last + 1),
            ]
        pieces.append(last_boundary(boundary))
        length = sum(len(p) if isinstance(p, bytes) else p[1] - p[0] for p in pieces)
    body = StoredBody(entry, pieces)
    return Reply(206, fields, body, reason=b"Partial Content", length=length)
