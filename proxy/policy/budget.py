"""How many retries and copies there may be, as a share of the requests."""

import math
from typing import Final

from proxy.policy.window import Window

_FIRST: Final = 1.0
"""What there is to begin with."""


class Budget:
    """Retries are at most a share of the requests, and may be a few at any load."""

    __slots__ = (
        "_floor",
        "_promised",
        "_requests",
        "_share",
        "_spent",
        "_spent_of_floor",
        "refused",
    )

    def __init__(self, percent: float, min_per_second: float, window: float) -> None:
        """``percent`` of the requests of the last ``window`` seconds."""
        self._share = percent / 100
        self._floor = float(math.ceil(min_per_second * window - 1e-9))
        self._requests = Window(window)
        self._spent = self._spent_of_floor = Window(window)
        if self._floor and not math.isclose(self._floor, min_per_second * window):
            # Half a retry in ten seconds is one in twenty: in its own window the floor is whole.
            self._spent_of_floor = Window(self._floor / min_per_second)
        self._promised = 0
        self.refused = 0

    def request(self, now: float) -> None:
        """A first try is made."""
        self._requests.add(now)

    def spend(self, now: float) -> bool:
        """Take one retry, where there is one."""
        if self.available(now) < 1:
            self.refused += 1
            return False
        self._spent.add(now)
        if self._spent_of_floor is not self._spent:
            self._spent_of_floor.add(now)
        return True

    def promise(self) -> None:
        """Lay one aside for an attempt that is ended for another; ``redeem`` has to follow.

        Many may be ended in the same moment, before the first of them has taken its retry.
        """
        self._promised += 1

    def redeem(self) -> None:
        """It has ended, and takes its retry now if it still wants one."""
        self._promised -= 1

    def available(self, now: float) -> float:
        """Retries that are left."""
        of_floor = self._floor - self._spent_of_floor.total(now)
        of_share = self._share * self._requests.total(now) - self._spent.total(now)
        return max(0.0, max(of_floor, of_share) - self._promised)

    def requests(self, now: float) -> float:
        """First tries in the window."""
        return self._requests.total(now)

    def spent(self, now: float) -> float:
        """Retries in the window."""
        return self._spent.total(now)


class DepositBudget:
    """Every request earns a part of one extra, up to a few.

    Unlike ``Budget`` it does not forget: an API that is asked once a second can afford one extra in
    twenty requests too. Over any time there are at most ``percent`` of the requests, and ``most``.
    """

    __slots__ = ("_most", "_saved", "_share")

    def __init__(self, percent: float, most: float = 10.0) -> None:
        self._share = percent / 100
        self._most = most
        self._saved = _FIRST if percent else 0.0

    def deposit(self) -> None:
        """A request is made."""
        self._saved = min(self._saved + self._share, self._most)

    def withdraw(self, full: float = 0.0) -> bool:
        """Take one extra, if there is one.

        ``full``: only if so much has been saved, as a share of the most that can be.
        """
        if self._saved < max(1.0, full * self._most):
            return False
        self._saved -= 1
        return True
