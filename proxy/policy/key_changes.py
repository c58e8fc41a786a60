"""What has become of keys and labels, for replies that were asked for before that."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

_MOST: Final = 10_000
"""Keys whose last change is known."""
_MOST_STORED: Final = 2_048
"""Keys of which it is known when a reply was stored: those asked for by what is under way count."""


class Changes:
    """What this process knows of it. The moments are numbers that grow with each change."""

    __slots__ = ("_forgotten", "_invalid", "_stored", "none_invalid", "now")

    def __init__(self) -> None:
        self.now = 0
        """The moment of the last change."""
        self.none_invalid = True
        """Whether nothing has ever been made invalid: all marks are the same then."""
        self._invalid = _Last()
        self._stored: dict[bytes, int] = {}
        self._forgotten = 0
        """The last moment at which a key was stored that is forgotten."""

    def invalidated(self, name: bytes) -> None:
        """What is stored under this key or with this label, or on its way there, is wrong."""
        self.now += 1
        self.none_invalid = False
        self._invalid.note(name, self.now)

    def stored(self, key: bytes) -> None:
        """A reply is stored under it, or one that is stored has another head."""
        known = self._stored
        if len(known) >= _MOST_STORED:  # all at once: one by one costs each reply that is stored
            known.clear()
            self._forgotten = self.now
        self.now = known[key] = self.now + 1

    def is_invalid(self, names: Iterable[bytes], since: int) -> bool:
        """Whether a reply with this key and these labels is, that was asked for at this moment.

        Also where that is forgotten.
        """
        if self._invalid.latest <= since:  # nothing is, as nearly always
            return False
        return any(self._invalid.of(name) > since for name in names)

    def may_have_stored(self, key: bytes, since: int) -> bool:
        """Whether a reply may have been stored after this moment. Also where that is forgotten."""
        return self._stored.get(key, self._forgotten) > since

    def mark(self, *names: bytes) -> bytes:
        """Another one after each time that one of these keys and labels was made invalid."""
        moments = self._invalid.moments
        return b"%d;" % max([moments.get(name, 0) for name in names])


class _Last:
    """The last moment of each key; of keys that are forgotten the latest."""

    __slots__ = ("_forgotten", "latest", "moments")

    def __init__(self) -> None:
        self.moments: OrderedDict[bytes, int] = OrderedDict()
        self._forgotten = 0
        self.latest = 0

    def note(self, key: bytes, moment: int) -> None:
        self.moments[key] = self.latest = moment
        self.moments.move_to_end(key)
        if len(self.moments) > _MOST:
            self.forget_oldest()

    def forget_oldest(self) -> None:
        self._forgotten = self.moments.popitem(last=False)[1]

    def of(self, key: bytes) -> int:
        return self.moments.get(key, self._forgotten)
