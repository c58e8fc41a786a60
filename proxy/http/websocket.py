"""Where frames of a WebSocket end, and the frame that ends it (RFC 6455 5)."""

import os
from typing import Final

_CLOSE: Final = 8
_GOING_AWAY: Final = b"\x03\xe9"  # 1001
_LONG: Final = {126: 2, 127: 8}
"""Bytes of the length that follow, by what stands in its place."""


class Frames:
    """Follows the frames of one direction without keeping them."""

    __slots__ = ("_head", "_left", "closed")

    def __init__(self) -> None:
        self._head = b""
        self._left = 0
        self.closed = False
        """Whether a close frame has passed."""

    @property
    def whole(self) -> bool:
        """Whether no frame is under way."""
        return not self._left and not self._head

    def feed(self, data: bytes) -> None:
        """These bytes pass."""
        at, end = 0, len(data)
        while at < end:
            if self._left:
                step = min(self._left, end - at)
                self._left -= step
                at += step
                continue
            held = len(self._head)
            head = self._head + data[at : at + 14 - held]
            size = _size(head)
            if len(head) < size:
                self._head = head
                return
            if head[0] & 15 == _CLOSE:
                self.closed = True
            self._left = _length(head)
            self._head = b""
            at += size - held


def _size(head: bytes) -> int:
    """Bytes of a frame's header, of which at least one is here."""
    if len(head) == 1:
        return 2
    return 2 + _LONG.get(head[1] & 127, 0) + (4 if head[1] & 128 else 0)


def _length(head: bytes) -> int:
    short = head[1] & 127
    return int.from_bytes(head[2 : 2 + _LONG[short]], "big") if short in _LONG else short


def going_away(*, masked: bool) -> bytes:
    """A close frame that says 1001; ``masked`` as a client has to."""
    if not masked:
        return b"\x88\x02" + _GOING_AWAY
    mask = os.urandom(4)
    return b"\x88\x82" + mask + bytes(a ^ b for a, b in zip(_GOING_AWAY, mask, strict=False))
