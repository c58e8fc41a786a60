"""What was found out about things that mostly come again."""

from collections.abc import Callable
from typing import Final, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_LONGEST: Final = 512
"""Bytes of a key that is remembered."""
_OVERHEAD: Final = 256
"""Bytes that an entry takes beside what its key and value hold."""


class BoundedCache(dict[K, V]):
    """Entries that peers choose: bounded in number and in bytes.

    When one of the bounds is met it starts again; what comes all the time is soon back.
    """

    __slots__ = ("_entries", "_held", "_room")

    def __init__(self, entries: int, room: int) -> None:
        """``entries`` at a time, which take ``room`` bytes in all."""
        super().__init__()
        self._entries = entries
        self._room = room
        self._held = 0

    def remember(self, key: K, value: V, size: int) -> None:
        """Keep an entry whose key and value hold about ``size`` bytes; not one that is too big."""
        size += _OVERHEAD
        if size > self._room >> 4:  # a few of that kind would push all others out
            return
        if len(self) >= self._entries or self._held + size > self._room:
            self.clear()
        self._held += size
        self[key] = value

    def clear(self) -> None:
        """Forget everything."""
        super().clear()
        self._held = 0


class Memo(BoundedCache[bytes, V]):
    """Remembers what ``make`` made of each key."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[bytes], V], limit: int) -> None:
        """``limit``: keys at a time; fewer where they are long."""
        super().__init__(limit, limit * _OVERHEAD * 2)
        self._make = make

    def __missing__(self, key: bytes) -> V:
        value = self._make(key)
        if len(key) <= _LONGEST:
            self.remember(key, value, 4 * len(key))
        return value
