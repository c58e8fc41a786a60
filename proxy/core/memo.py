"""What was found out about things that mostly come again."""

from collections.abc import Callable
from typing import Final, TypeVar

V = TypeVar("V")

_LONGEST: Final = 512
"""Bytes of a key that is remembered."""


class Memo(dict[bytes, V]):
    """Remembers what ``make`` made of each key.

    Peers choose the keys, so it is bounded: when it is full it starts again, and what comes all
    the time is soon back.
    """

    __slots__ = ("_limit", "_make")

    def __init__(self, make: Callable[[bytes], V], limit: int) -> None:
        """``limit``: keys at a time."""
        super().__init__()
        self._make = make
        self._limit = limit

    def __missing__(self, key: bytes) -> V:
        value = self._make(key)
        if len(key) <= _LONGEST:
            if len(self) >= self._limit:
                self.clear()
            self[key] = value
        return value
