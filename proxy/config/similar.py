"""The word that was meant by one that is mistyped.

What differs by more than a slip of the keyboard is another word: to suggest the nearest one then
says something wrong about what is written. Words that mean the same are in ``foreign``.
"""

import re
from collections.abc import Iterable
from typing import Final

_SIGNS: Final = re.compile(r"[^a-z0-9]+")
_SHORT, _LONG = 3, 6
"""Letters of words from which on one slip is allowed, and two."""
_SLIPS: Final = 2
_LONGEST: Final = 100
"""Letters of a word that is looked at: no option is longer."""


def suggestion(word: str, known: Iterable[str], *, parts: bool = True) -> str:
    """Name the known word that was mistyped, as the end of a sentence.

    ``parts``: a word that is a part of one known word, as ``round`` of ``round_robin``, means that.
    Without it, of words that are not expected here, one slip less is allowed.
    """
    known = sorted(known)
    low = word.lower()
    same = plain(low)
    close = [each for each in known if same and plain(each) == same]
    if not close:
        far = [(_distance(low, each.lower()), each) for each in known]
        less = 0 if parts else 1
        close = [each for slips, each in sorted(far) if slips <= _allowed(low, each) - less]
    if not close and parts:
        mine = _parts(low)
        close = [each for each in known if mine and mine <= _parts(each.lower())]
        close = close if len(close) == 1 else []
    return f", did you mean {close[0]!r}?" if close else ""


def plain(word: str) -> str:
    """Letters and digits of a word, which are spelled in many ways."""
    return _SIGNS.sub("", word.lower())


def _parts(word: str) -> set[str]:
    return set(_SIGNS.split(word)) - {""}


def _allowed(word: str, other: str) -> int:
    """Slips of the keyboard beyond which another word is meant."""
    shorter, longer = sorted((len(word), len(other)))
    return 0 if longer < _SHORT else 1 if shorter < _LONG else 2


def _distance(one: str, other: str) -> int:
    """Letters that are too many, missing, wrong, or swapped with the next one."""
    if abs(len(one) - len(other)) > _SLIPS or len(one) > _LONGEST:
        return _SLIPS + 1
    above, row = list[int](), list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, above, row = above, row, [i]
        for j, its in enumerate(other, 1):
            least = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (letter != its))
            if i > 1 and j > 1 and letter == other[j - 2] and its == one[i - 2]:
                least = min(least, before[j - 2] + 1)
            row.append(least)
    return row[-1]
