"""Which of the addresses of a name are servers, as its answers come one after the other."""

from typing import Final

PATIENCE: Final = 10
"""Answers after which an address that none of them listed is forgotten."""


class Turns:
    """Tells a name that moves from one that shows a few of its many addresses in turn.

    An address that is listed no more is no server any more. One that comes back shows that the name
    takes turns (of several addresses: one alone that comes back is a failover that was undone);
    from then on those that were listed lately are servers too.
    """

    __slots__ = ("_listed", "_missed", "_turns")

    def __init__(self) -> None:
        self._listed: tuple[str, ...] = ()
        self._missed: dict[str, int] = {}
        """Answers in a row that did not list an address."""
        self._turns = False

    def heard(self, answer: tuple[str, ...]) -> None:
        """The name has been looked up; the answer is not empty and in a fixed order."""
        gone = [ip for ip in self._listed if ip not in answer]
        for ip in list(self._missed):
            if ip in answer:
                del self._missed[ip]
                self._turns = self._turns or len(answer) > 1
            elif self._missed[ip] >= PATIENCE:
                del self._missed[ip]
            else:
                self._missed[ip] += 1
        self._missed.update(dict.fromkeys(gone, 1))
        self._listed = answer

    def remembers(self, ip: str) -> bool:
        """Whether an address may come back, or is there."""
        return ip in self._listed or ip in self._missed

    @property
    def known(self) -> frozenset[str]:
        """The addresses to which connections may stay."""
        return frozenset((*self._listed, *self._missed) if self._turns else self._listed)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Those that are servers; ``""`` for the name itself, which has one or is not known yet."""
        if len(self._listed) > 1 and self._turns:
            return tuple(sorted({*self._listed, *self._missed}))
        return self._listed if len(self._listed) > 1 else ("",)
