"""Chunked bodies as they come (RFC 9112 7.1), read to the letter.

What cannot be part of one any more is refused at its first wrong byte. All work is linear in the
bytes that come, however they are cut into pieces.
"""

import re
from typing import Final

from proxy.core.field_lines import FieldLines, Malformed

_PLAIN: Final = re.compile(rb"([0-9a-fA-F]{1,15})\r\n")
_DIGITS: Final = re.compile(rb"[0-9a-fA-F]*")
_BLANKS: Final = re.compile(rb"[ \t]*")
_EXTENSION: Final = re.compile(rb"[\t -~\x80-\xff]*")
_LONGEST_LINE: Final = 4096
"""Bytes of a chunk's size and extensions; nobody has use for more."""
_LONGEST_TRAILERS: Final = 64 << 10
_MOST_DIGITS: Final = 16

_SIZE, _BEHIND_SIZE, _IN_EXTENSION, _SIZE_LF, _DATA, _DATA_CR, _DATA_LF, _TRAILERS = range(8)


class Chunks:
    """Takes chunked framing apart."""

    __slots__ = ("_digits", "_left", "_line", "_lines", "_seen", "_state")

    def __init__(self) -> None:
        self._state = _SIZE
        self._digits = b""
        self._line = 0
        """Bytes of the line of a size so far."""
        self._left = 0
        """Bytes of the chunk that are still to come."""
        self._lines: FieldLines | None = None
        self._seen = 0

    @property
    def done(self) -> bool:
        """Whether the body and its trailers are here as a whole."""
        return self._lines is not None and self._lines.done

    @property
    def trailers(self) -> list[tuple[bytes, bytes]]:
        """The fields behind the last chunk."""
        return [] if self._lines is None else self._lines.fields

    def feed(self, data: bytes, into: list[bytes]) -> int:
        """Put the data of chunks ``into``; returns the position behind what belongs to the body.

        Raises Malformed; what came before is in ``into`` then.
        """
        start, end = 0, len(data)
        while start < end and not self.done:
            state = self._state
            if state == _SIZE and not self._digits and (found := _PLAIN.match(data, start)):
                start = found.end()
                self._size(found[1])
            elif state == _DATA:
                piece = data[start : start + self._left]
                into.append(piece)
                start += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = _DATA_CR
                    if data.startswith(b"\r\n", start):
                        self._state = _SIZE
                        start += 2
            elif state == _TRAILERS:
                start = self._trailer(data, start)
            elif state in (_DATA_CR, _DATA_LF, _SIZE_LF):
                self._line_break(data[start : start + 1])
                start += 1
            else:
                start = self._size_line(data, start)
        return start

    def _size(self, digits: bytes) -> None:
        self._digits = b""
        self._line = 0
        self._left = int(digits, 16)
        self._state = _DATA
        if not self._left:
            self._state = _TRAILERS
            self._lines = FieldLines()

    def _size_line(self, data: bytes, start: int) -> int:
        """A size and what may stand behind it, piece by piece."""
        pattern = (_DIGITS, _BLANKS, _EXTENSION)[self._state]
        found = pattern.match(data, start)
        assert found is not None
        self._line += len(found[0])
        if self._line > _LONGEST_LINE:
            raise Malformed("the line of a chunk's size is too long")
        if self._state == _SIZE:
            self._digits += found[0]
            if len(self._digits) > _MOST_DIGITS:
                raise Malformed("a chunk size that is too long")
        start = found.end()
        if start == len(data):
            return start
        stop = data[start : start + 1]
        if self._state == _SIZE and not self._digits:
            raise Malformed(f"{stop!r} where a chunk's size should be")
        if stop == b"\r":
            self._state = _SIZE_LF
        elif stop == b";" and self._state != _IN_EXTENSION:
            self._state = _IN_EXTENSION
        elif stop in b" \t" and self._state == _SIZE:
            self._state = _BEHIND_SIZE
        else:
            raise Malformed(f"{stop!r} behind a chunk's size")
        return start + 1

    def _line_break(self, byte: bytes) -> None:
        if self._state == _DATA_CR:
            if byte != b"\r":
                raise Malformed(f"{byte!r} where a chunk should end")
            self._state = _DATA_LF
            return
        if byte != b"\n":
            raise Malformed("a CR in chunked framing that no LF follows")
        if self._state == _DATA_LF:
            self._state = _SIZE
        else:
            self._size(self._digits)

    def _trailer(self, data: bytes, start: int) -> int:
        assert self._lines is not None
        end = self._lines.feed(data, start)
        self._seen += end - start
        if self._seen > _LONGEST_TRAILERS:
            raise Malformed("the trailers are too long")
        return end
