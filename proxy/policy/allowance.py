"""A share of the requests, saved up."""

from typing import Final

_FIRST: Final = 1.0
"""What there is to begin with."""


class Allowance:
    """Every request earns a part of one extra, up to a few.

    Unlike ``Budget`` it does not forget: an API that is asked once a second can afford one extra in
    twenty requests too. Over any time there are at most ``percent`` of the requests, and ``most``.
    """

    __slots__ = ("_most", "_saved", "_share", "refused")

    def __init__(self, percent: float, most: float = 10.0) -> None:
        self._share = percent / 100
        self._most = most
        self._saved = _FIRST if percent else 0.0
        self.refused = 0

    def earn(self) -> None:
        """A request is made."""
        self._saved = min(self._saved + self._share, self._most)

    def spend(self) -> bool:
        """Take one extra, where there is one."""
        if self._saved < 1:
            self.refused += 1
            return False
        self._saved -= 1
        return True
