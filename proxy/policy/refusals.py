"""Which refusals of an API are about how much it is asked.

Most are: then fewer at a time are refused less. But an API may refuse a share of all requests for
reasons of its own, such as clients that are over their quota, and a lower limit would only cost
answers. To tell the two apart, what is refused while the limit falls is compared with what is
refused at a third of it. Is that about the same share, it has nothing to do with the limit.

An API that works on so many at a time and refuses the rest refuses far less at a third: nothing,
or, where it sustains even less than that, clearly a smaller share or more than half of all.
"""

from typing import Final

_TOO_MANY: Final = 0.1
"""Share above which an API has too much to do. Fewer are about quotas, or about one client: an API
with plenty of room refuses a few percent too."""
_MORE: Final = 1.5
"""So many times the share that no limit changes may be refused beside it: a share varies."""
_LASTING: Final = 1 / 64
"""What each outcome takes of the weight of those before it."""
_LONG: Final = 1 / 512
_ENOUGH: Final = 200
_SELDOM: Final = 3200
"""Outcomes at the lower limits that say what is refused there, at first and at the most; ..."""
_BEFORE: Final = 100
"""... and while the limit fell."""
_THIRD: Final = 3
_GROWN: Final = 1.3
_SAME: Final = 0.8
"""Share of what was refused before that counts as about the same."""
_MOST: Final = 0.5
"""An API that refuses more than half is not left alone with that."""


class Refusals:
    """Of one API."""

    __slots__ = (
        "_before",
        "_before_refused",
        "_began",
        "_enough",
        "_far",
        "_far_refused",
        "_least",
        "_long",
        "_lowest",
        "_outcomes",
        "_refused",
        "_returns",
        "own",
    )

    def __init__(self, least: int) -> None:
        """``least``: the lowest limit."""
        self._least = least
        self._outcomes = self._refused = 0.0
        """Both by weight."""
        self.own = 0.0
        """Share that the API refuses whatever the limit is."""
        self._long = 0.0
        self._began = self._lowest = 0.0
        """The limit from which it was lowered, 0 while it is not, and the lowest one since."""
        self._before = self._before_refused = 0
        """Outcomes while it fell, and refusals among them."""
        self._far = self._far_refused = 0
        """The same at a third of it or less."""
        self._returns = 0.0
        self._enough = _ENOUGH

    def count(self, level: float, *, refused: bool) -> None:
        """A request has ended, at this limit."""
        self._outcomes += 1.0 - self._outcomes * _LASTING
        self._refused += refused - self._refused * _LASTING
        if self.own:
            self._long += (refused - self._long) * _LONG
            self.own = min(self.own, self._long)
        if not self._began:
            return
        self._lowest = min(self._lowest, level)
        if self._is_far(level):
            self._far += 1
            self._far_refused += refused
            if self._far >= self._enough:
                self._compare(level)
        elif level > _GROWN * self._lowest and self._refused <= _TOO_MANY * self._outcomes:
            self._began = 0.0  # it has grown again, and fewer are refused
        else:
            self._before += 1
            self._before_refused += refused

    def _is_far(self, level: float) -> bool:
        return level <= max(self._began / _THIRD, self._least)

    def _compare(self, level: float) -> None:
        share = self._far_refused / self._far
        self._far = self._far_refused = 0
        if not _TOO_MANY < share <= _MOST:
            return
        if self._before < _BEFORE:  # it fell so fast that too little was seen
            self._returns = self._lowest = self._began
        elif share >= _SAME * self._before_refused / self._before:
            self.own = self._long = share
            self._returns, self._began = self._began, 0.0
            self._enough = _ENOUGH
        else:
            self.own = 0.0
            self._enough = min(2 * self._enough, _SELDOM)  # it may be so for good
            self._begin(level)

    def _begin(self, level: float) -> None:
        self._began = self._lowest = level
        self._before = self._before_refused = self._far = self._far_refused = 0

    def too_many(self, level: float) -> bool:
        """Whether the limit should be lowered. Not at a third of it, until that has been seen."""
        if self._refused <= (_TOO_MANY + _MORE * self.own) * self._outcomes:
            return False
        if not self._began:
            return True
        return not self._is_far(level) or self._refused > _MOST * self._outcomes

    def lowered(self, level: float) -> bool:
        """The limit is lowered from ``level`` since too many were refused: whether that begins."""
        if self._began:
            return False
        self._begin(level)
        return True

    def returns(self) -> float:
        """The limit to go back to, once: that it was lowered has changed nothing. 0 for none."""
        found, self._returns = self._returns, 0.0
        return found
