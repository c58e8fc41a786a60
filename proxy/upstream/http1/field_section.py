"""Field lines of a reply as they come (RFC 9112 5), with the leniencies that the RFC allows.

Whatever cannot become a field line any more is refused at once, not at its line break: a peer that
stops there would be waited for in vain. All work is linear in the bytes that come, however they are
cut into pieces.
"""

import re
from typing import Final

from proxy.http.fields import FIELD_LINE, Fields
from proxy.http.grammar import CONTROL, TCHAR, Malformed, shown

_NAME: Final = re.compile(rb"[%b]*" % TCHAR)
_BLANK: Final = b" \t"


class FieldLines:
    """Reads field lines up to the empty one that ends them.

    A line may end with LF alone (RFC 9112 2.2), and go on after a line break (5.2).
    """

    __slots__ = ("_kept", "_named", "done", "fields")

    def __init__(self) -> None:
        self._kept = bytearray()
        """The start of a line whose end is still to come."""
        self._named = False
        """Whether that start has its colon."""
        self.done = False
        self.fields: Fields = []

    def feed(self, data: bytes, start: int = 0) -> int:
        """Read on from ``start``; returns the position behind what was read. Raises Malformed."""
        while not self.done:
            end = data.find(b"\n", start)
            if end < 0:
                if start < len(data):
                    self._begin(data[start:])
                return len(data)
            line = data[start:end]
            if self._kept:
                line = bytes(self._kept + line)
                self._kept.clear()
            self._named = False
            start = end + 1
            self._take(line)
        return start

    def _begin(self, piece: bytes) -> None:
        """Keep the start of a line, or more of it, where it may still become one."""
        kept = self._kept
        if kept.endswith(b"\r"):
            raise Malformed("a CR that no LF follows")
        value = 0
        if not self._named:
            value = self._name(piece, bool(kept))
        if self._named:
            bad = CONTROL.search(piece, value)
            if bad is not None and not (bad[0] == b"\r" and bad.end() == len(piece)):
                raise Malformed(f"control character {bad[0]!r} in a field")
        kept += piece

    def _name(self, piece: bytes, begun: bool) -> int:
        """Look at a name; the position of the value where it begins in ``piece``."""
        end = _NAME.match(piece).end()  # type: ignore[union-attr]
        if end == len(piece):
            return end
        found = piece[end : end + 1]
        if found == b":" and (begun or end):
            self._named = True
            return end + 1
        if begun or end:
            name = bytes(self._kept) + piece[: end + 1]
            raise Malformed(f"field name {shown(name)!r}")
        if found in _BLANK and self.fields:
            self._named = True
        elif piece != b"\r":
            raise Malformed(f"a field line that begins with {found!r}")
        return end

    def _take(self, line: bytes) -> None:
        line = line.removesuffix(b"\r")
        if not line:
            self.done = True
        elif (found := FIELD_LINE.fullmatch(line)) is not None:
            self.fields.append((found[1], found[2].strip(_BLANK)))
        else:
            self._unusual(line)

    def _unusual(self, line: bytes) -> None:
        """A line that goes on with the one before (RFC 9112 5.2), or that is none at all."""
        if bad := CONTROL.search(line):
            raise Malformed(f"control character {bad[0]!r} in a field")
        more = line.strip(_BLANK)
        if line[:1] not in _BLANK:
            name, colon, _ = line.partition(b":")
            raise Malformed(
                f"field name {shown(name)!r}"
                if colon
                else f"a line without a colon: {shown(line)!r}"
            )
        if not more:  # some take it for the end of the head, others for nothing
            raise Malformed("a line of blanks among the fields")
        if not self.fields:  # some take the line away with its predecessor
            raise Malformed("a field line that begins with a blank")
        name, value = self.fields[-1]
        self.fields[-1] = (name, b"%b %b" % (value, more))
