"""The chunked transfer coding: put on a body, and taken off one that comes in any pieces.

RFC 9112 7.1. What is refused here is what two readers would take for two different bodies: sizes
in any other form than hexadecimal digits, line breaks that are not CRLF, data that is longer than
its size, extensions that are none. Work and memory are linear in what came, and what is kept is
bounded.
"""

import re
from enum import IntEnum
from typing import Final

from proxy.http.fields import FORBIDDEN, Fields, read_fields
from proxy.http.framing import CRLF
from proxy.http.grammar import QUOTABLE, TCHAR, Malformed, TooLarge

CHUNK: Final = b"%x\r\n%b\r\n"
"""A chunk: wants the length of its data, and the data. A format, since each chunk passes it."""
LAST_CHUNK: Final = b"0\r\n\r\n"
"""The end of a chunked body without trailers; with them see ``http/trailers``."""

LONGEST_LINE: Final = 4096
"""Bytes of a chunk's size with its extensions. Nobody uses extensions; without a limit they could
be a body of their own that counts for nothing."""

_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})\r\n")
_EXTENDED: Final = re.compile(
    rb"""([0-9A-Fa-f]{1,16})
    (?>(?:[ \t]*+;[ \t]*+[%b]++ (?:[ \t]*+=[ \t]*+ (?:[%b]++ | "%b" ) )? )*)\r\n"""
    % (TCHAR, TCHAR, QUOTABLE),
    re.VERBOSE,
)
_PADDED: Final = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]++\r\n")
_SIZE_BEGINS: Final = re.compile(rb"[0-9A-Fa-f]{1,16}(?:\r?\Z|[ \t;])")
_MORE_DIGITS: Final = re.compile(rb"[0-9A-Fa-f]{17}")
_LARGEST: Final = (1 << 63) - 1


def chunked_body(data: bytes, end: bytes = LAST_CHUNK) -> bytes:
    """A whole body in one chunk; ``end``: its last chunk, with its trailers."""
    return CHUNK % (len(data), data) + end if data else end


def _wrong_size(line: bytes | bytearray) -> Malformed:
    if _MORE_DIGITS.match(line):
        return Malformed("a chunk size has more than 16 digits")
    return Malformed("a chunk size is not a hexadecimal number")


class _Expects(IntEnum):
    SIZE = 0
    DATA = 1
    BREAK = 2
    TRAILER = 3


def _whole_chunks(data: bytes, at: int, pieces: list[bytes]) -> int:
    """Take the chunks that are whole in ``data`` from ``at`` on; where the next one begins.

    They are most of what comes, and a peer can make them a byte each.
    """
    while (found := _SIZE.match(data, at) or _EXTENDED.match(data, at)) is not None:
        start = found.end()
        stop = start + int(found[1], 16)
        if stop == start or start - at > LONGEST_LINE or data[stop : stop + 2] != CRLF:
            break
        pieces.append(data[start:stop])
        at = stop + 2
    return at


class Chunked:
    """One chunked body, from its first size to the empty line behind its trailer."""

    __slots__ = ("_expects", "_left", "_limit", "_line", "_padded", "_size", "before", "trailers")

    def __init__(self, limit: int, *, padded: bool = False) -> None:
        """``limit``: bytes of the trailer section; over it TooLarge.

        ``padded``: blanks behind a size are passed over, which some old servers send.
        """
        self._limit = limit
        self._padded = padded
        self.before = b""
        """Once something is malformed: the data that came before it in the same piece."""
        self._expects = _Expects.SIZE
        self._left = 0
        self._line = bytearray()
        self._size = 0
        self.trailers: Fields = []
        """The fields behind the last chunk, as they came."""

    @property
    def within(self) -> bool:
        """Whether the last piece ended within a chunk, its size and line break included."""
        return bool(self._left or self._line) or self._expects is _Expects.BREAK

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """The data in ``data``, and what follows the end of the body; None while that has not come.

        Raises Malformed as soon as nothing can follow that would make it right, TooLarge.
        """
        pieces: list[bytes] = []
        try:
            return self._feed(data, pieces)
        except Malformed:
            self.before = b"".join(pieces)
            raise

    def _feed(self, data: bytes, pieces: list[bytes]) -> tuple[bytes, bytes | None]:
        at, end = 0, len(data)
        while at < end:
            if self._left:
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._expects = _Expects.BREAK
                continue
            if self._expects is _Expects.SIZE and not self._line:
                whole = _whole_chunks(data, at, pieces)
                if whole > at:
                    at = whole
                    continue
            stop = data.find(b"\n", at) + 1
            if not stop:
                self._hold(data[at:])
                break
            line = data[at:stop]
            at = stop
            if self._line:
                line = bytes(self._line) + line
                self._line.clear()
            if self._ends(line):
                return b"".join(pieces), data[at:]
        return (pieces[0] if len(pieces) == 1 else b"".join(pieces)), None

    def _ends(self, line: bytes) -> bool:
        """Take a whole line; whether it was the last one."""
        expects = self._expects
        if expects is _Expects.BREAK:
            if line != CRLF:
                raise Malformed("a chunk's data goes on behind its size")
            self._expects = _Expects.SIZE
        elif expects is _Expects.SIZE:
            if len(line) > LONGEST_LINE:
                raise Malformed(f"the line of a chunk size has more than {LONGEST_LINE} bytes")
            found = _SIZE.fullmatch(line) or _EXTENDED.fullmatch(line)
            if found is None and self._padded:
                found = _PADDED.fullmatch(line)
            if found is None:
                raise _wrong_size(line)
            if (size := int(found[1], 16)) > _LARGEST:
                raise Malformed("a chunk size is 2^63 bytes or more")
            self._left = size
            self._expects = _Expects.DATA if size else _Expects.TRAILER
        elif line == CRLF:
            return True
        else:
            self._count(len(line))
            self.trailers += read_fields(line)
        return False

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > self._limit:
            raise TooLarge(f"trailers of over {self._limit} bytes")

    def _hold(self, piece: bytes) -> None:
        """Keep part of a line, unless no whole one can come of it."""
        line = self._line
        broken = piece.find(b"\r", 0, -1) >= 0 or line[-1:] == b"\r"
        if broken or FORBIDDEN.search(piece):
            raise Malformed("a control character in the framing of a chunk")
        line += piece
        expects = self._expects
        if expects is _Expects.BREAK:
            if line != b"\r":
                raise Malformed("a chunk's data goes on behind its size")
        elif expects is _Expects.SIZE:
            if len(line) > LONGEST_LINE:
                raise Malformed(f"the line of a chunk size has more than {LONGEST_LINE} bytes")
            if not _SIZE_BEGINS.match(bytes(line[:20])):
                raise _wrong_size(line)
        elif self._size + len(line) > self._limit:
            raise TooLarge(f"trailers of over {self._limit} bytes")
        elif line[0] in b" \t:":
            raise Malformed("a trailer without a name")
