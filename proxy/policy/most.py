"""Who has the most of something, without looking through everybody."""

from collections import OrderedDict
from collections.abc import Hashable, Mapping


class Most:
    """Numbers by key; the key with the largest is known at any time."""

    __slots__ = ("_keys", "_number", "largest")

    def __init__(self, numbers: Mapping[Hashable, int] | None = None) -> None:
        """``numbers``: those to begin with, of keys that have some."""
        self._number: dict[Hashable, int] = {}
        self._keys: dict[int, OrderedDict[Hashable, None]] = {}
        """Keys by their number, those that came to it first in front."""
        self.largest = 0
        for key, number in (numbers or {}).items():
            self._set(key, 0, number)

    def number(self, key: Hashable) -> int:
        """The number of this key."""
        return self._number.get(key, 0)

    def key(self) -> Hashable:
        """A key with the largest number; there must be one."""
        return next(iter(self._keys[self.largest]))

    def more(self, key: Hashable) -> None:
        """Count one more for this key."""
        self._set(key, self.number(key), 1)

    def less(self, key: Hashable) -> None:
        """Count one less for a key that has some."""
        self._set(key, self.number(key), -1)

    def _set(self, key: Hashable, before: int, change: int) -> None:
        now = before + change
        if before:
            keys = self._keys[before]
            del keys[key]
            if not keys:
                del self._keys[before]
        if now:
            self._number[key] = now
            self._keys.setdefault(now, OrderedDict())[key] = None
        else:
            del self._number[key]
        if now > self.largest or (before == self.largest and before not in self._keys):
            self.largest = now
