"""Which refusals of an API are about how much it is asked.

Most are: then fewer at a time are refused less. But an API may refuse a share of all requests for
reasons of its own, such as clients that are over their quota, and a lower limit would only cost
answers. To tell the two apart, what is refused while the limit falls is compared with what is
refused at a third of it. Is that about the same share, it has nothing to do with the limit.

An API that works on so many at a time and refuses the rest refuses far less at a third: nothing,
or, where it sustains even less than that, clearly a smaller share or far more. Only what comes
while the limit is in use counts: where few ask, a lower one changes nothing anyway.
"""

from typing import Final

_TOO_MANY: Final = 0.1
"""Share above which an API has too much to do. Fewer are about quotas, or about one client: an API
with plenty of room refuses a few percent too."""
_MORE: Final = 1.5
"""So many times the share that no limit changes may be refused beside it: a share varies, ..."""
_MOST: Final = 0.5
"""... but never more than half of all."""
_OWN: Final = 0.33
"""An API that refuses more than this share has too much to do, whatever else it may have."""
_LASTING: Final = 1 / 64
"""What each outcome takes of the weight of those before it."""
_LONG: Final = 1 / 512
"""The same, of the share that no limit changes, ..."""
_FALLING: Final = 1 / 128
"""... and of what is seen while the limit falls: the last of it counts most."""
_BEFORE: Final = 100
"""Outcomes while it falls, and ..."""
_ENOUGH: Final = 200
_SELDOM: Final = 3200
"""... at a third, at first and at the most, that are enough to compare."""
_THIRD: Final = 3
_GROWN: Final = 1.3
_LEAST: Final = 0.8
_LARGEST: Final = 1.3
"""Times the share that was refused before, between which another counts as about the same."""


class Refusals:
    """How often one API refuses requests."""

    __slots__ = (
        "_before",
        "_before_refused",
        "_began",
        "_enough",
        "_far",
        "_far_refused",
        "_long",
        "_lowest",
        "_outcomes",
        "_refused",
        "_returns",
        "own",
    )

    def __init__(self) -> None:
        self._outcomes = self._refused = 0.0
        """Both by weight."""
        self.own = 0.0
        """Share that the API refuses whatever the limit is."""
        self._long = 0.0
        self._began = self._lowest = 0.0
        """The limit from which it was lowered, 0 while it is not, and the lowest one since."""
        self._before = 0
        self._before_refused = 0.0
        """Outcomes while it fell, and the share of refusals among the last of them."""
        self._far = self._far_refused = 0
        """Outcomes at a third of it or less, and refusals among them."""
        self._returns = 0.0
        self._enough = _ENOUGH

    @property
    def lowering(self) -> bool:
        """Whether the limit is lower for them, and has not grown again."""
        return self._began > 0

    def count(self, level: float, *, refused: bool, busy: bool) -> None:
        """A request has ended, at this limit; ``busy``: whether most permits were taken then."""
        self._outcomes += 1.0 - self._outcomes * _LASTING
        self._refused += refused - self._refused * _LASTING
        if self.own:
            self._long += (refused - self._long) * _LONG
            self.own = min(self.own, self._long)
        if not self._began:
            return
        self._lowest = min(self._lowest, level)
        if level > _GROWN * self._lowest and self._refused <= _TOO_MANY * self._outcomes:
            self._began = 0.0  # it has grown again, and fewer are refused
            self._enough = _ENOUGH
        elif not busy:
            return
        elif self._is_far(level):
            self._far += 1
            self._far_refused += refused
            if self._far >= self._enough:
                self._compare()
        else:
            self._before += 1
            self._before_refused += (refused - self._before_refused) * max(
                _FALLING, 1 / self._before
            )

    def _is_far(self, level: float) -> bool:
        return level <= self._began / _THIRD

    def _compare(self) -> None:
        share, before = self._far_refused / self._far, self._before_refused
        self._far = self._far_refused = 0
        if share <= _TOO_MANY:
            return
        if share <= _OWN and self._before < _BEFORE:  # it fell so fast that too little was seen
            self._returns = self._lowest = self._began
        elif share <= _OWN and _LEAST * before <= share <= _LARGEST * before:
            self.own = self._long = share
            self._returns, self._began = self._began, 0.0
            self._enough = _ENOUGH
        else:
            self.own = self._began = 0.0
            self._enough = min(2 * self._enough, _SELDOM)  # it may be so for good

    def too_many(self, level: float, *, busy: bool) -> bool:
        """Whether the limit should be lowered. Not at a third of it, until that has been seen."""
        most = min(_TOO_MANY + _MORE * self.own, _MOST)
        if self._refused <= most * self._outcomes:
            return False
        waits = self._began and busy and self._is_far(level)
        return not waits or self._refused > _OWN * self._outcomes

    def lowered(self, level: float) -> bool:
        """The limit is lowered from ``level`` since too many were refused: whether that begins."""
        if self._began:
            return False
        self._began = self._lowest = level
        self._before = self._far = self._far_refused = 0
        self._before_refused = self._returns = 0.0
        return True

    def returns(self, level: float) -> float:
        """The limit to go back to, once: that it was lowered has changed nothing. 0 for none."""
        found, self._returns = self._returns, 0.0
        return found if found > level else 0.0
