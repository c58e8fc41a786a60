"""How many connections there may be to one server, and who waits for one."""

from collections.abc import Callable, Hashable


class Permits:
    """One for each connection that there may be; who has waited for longest is given the next one.

    Several servers may be waited for at a time: ``wait`` at each of them. A permit that is set
    aside for somebody is nobody else's, until ``take`` or ``forgo``.
    """

    __slots__ = ("_free", "_set_aside", "_waiting")

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._set_aside: set[Hashable] = set()
        """For whom."""
        self._waiting: dict[Hashable, Callable[[Permits], bool]] = {}
        """Who waits, the longest first, and how they are told; false where nobody hears it."""

    @property
    def full(self) -> bool:
        """Whether one of them has to be released before there is another one."""
        return self._free <= 0

    def set_aside(self, who: Hashable) -> bool:
        """Keep one for ``who``, who may have one already. Whether there was one."""
        if who in self._set_aside:
            return True
        if self._free <= 0:
            return False
        self._free -= 1
        self._set_aside.add(who)
        return True

    def take(self, who: Hashable) -> None:
        """``who`` uses what is set aside for it; ``release`` has to follow."""
        self._set_aside.remove(who)

    def forgo(self, who: Hashable) -> None:
        """What is set aside for ``who``, if anything, may go to others."""
        if who in self._set_aside:
            self._set_aside.remove(who)
            self.release()

    def release(self) -> None:
        """One is not used any more: it is set aside for who has waited for longest."""
        while self._waiting:
            who = next(iter(self._waiting))
            if self._waiting.pop(who)(self):
                self._set_aside.add(who)
                return
        self._free += 1

    def wait(self, who: Hashable, told: Callable[["Permits"], bool]) -> None:
        """Tell ``who`` when one is set aside for it."""
        self._waiting[who] = told

    def leave(self, who: Hashable) -> None:
        """``who`` waits no more."""
        self._waiting.pop(who, None)
