"""Which of the replies that are under way at the same time stays stored."""

from collections import OrderedDict
from typing import Final

from proxy.core.stored import Meta
from proxy.http.conditional import first
from proxy.http.date import date_of

_MOST: Final = 10_000
"""Keys whose last change is known."""


class Changes:
    """What has become of keys, for replies that were asked for before; of this process.

    The moments are numbers that grow with each change.
    """

    __slots__ = ("_invalid", "_stored", "now")

    def __init__(self) -> None:
        self.now = 0
        """The moment of the last change."""
        self._invalid = _Last()
        self._stored = _Last()

    def invalidated(self, key: bytes) -> None:
        """What is stored under it, or on its way there, is no longer right."""
        self.now += 1
        self._invalid.note(key, self.now)

    def stored(self, key: bytes) -> None:
        """A reply is stored under it."""
        self.now += 1
        self._stored.note(key, self.now)

    def is_invalid(self, key: bytes, since: int) -> bool:
        """Whether a reply that was asked for at this moment is; also where that is forgotten."""
        return self._invalid.of(key) > since

    def may_have_stored(self, key: bytes, since: int) -> bool:
        """Whether a reply may have been stored after this moment."""
        return self._stored.of(key) > since

    def mark(self, key: bytes) -> bytes:
        """Another one after each time that the key was made invalid."""
        return b"%d;" % self._invalid.moments.get(key, 0)


class _Last:
    """The last moment of each key; of keys that are forgotten the latest."""

    __slots__ = ("_forgotten", "moments")

    def __init__(self) -> None:
        self.moments: OrderedDict[bytes, int] = OrderedDict()
        self._forgotten = 0

    def note(self, key: bytes, moment: int) -> None:
        self.moments[key] = moment
        self.moments.move_to_end(key)
        if len(self.moments) > _MOST:
            self._forgotten = self.moments.popitem(last=False)[1]

    def of(self, key: bytes) -> int:
        return self.moments.get(key, self._forgotten)


def is_newer(stored: Meta, found: Meta, asked_at: float) -> bool:
    """Whether a stored reply is kept, not the one ``found``, which was asked for at ``asked_at``.

    By their dates (RFC 9111 4); of one second, by when they came. One that was there before and may
    not be used without asking gives way in any case: the clocks of servers differ.
    """
    old, new = stored.freshness, found.freshness
    made, came = _made(stored), old.received_at
    if came >= asked_at:
        return (made, came) > (_made(found), new.received_at)
    is_fresh = not old.always_validate and old.remaining(new.received_at) > 0
    return is_fresh and made > _made(found)


def _made(meta: Meta) -> float:
    """Its Date, in seconds since 1970; when it came where it has none."""
    value = first(meta.fields, b"date")
    made = None if value is None else date_of(value)
    return meta.freshness.received_at if made is None else made
