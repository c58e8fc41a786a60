"""The word that was meant by one that is mistyped.

What differs by more than a slip of the keyboard is another word: to suggest the nearest one then
says something wrong about what is written. Words that mean the same are in ``foreign``.
"""

import re
from collections.abc import Iterable
from itertools import takewhile
from typing import Final

_SIGNS: Final = re.compile(r"[^a-z0-9]+")
_SHORT, _LONG = 3, 6
"""Letters of words from which on one slip is allowed, and two."""
_SLIPS: Final = 2
_SEVERAL: Final = 2
"""Names that are suggested at most."""
_WHOLE: Final = {"avg": "average", "lvl": "level", "req": "request", "resp": "response"}
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
    close = [each for each in known if same and plain(each) == same][:1]
    mine = _parts(low)
    if not close and parts:
        close = [each for each in known if mine and mine == _parts(each.lower())][:1]
    if not close:
        less = 0 if parts else 1
        close = _nearest(low, known, less)
    if not close and parts:
        close = [each for each in known if mine and mine <= _parts(each.lower())]
        # One part alone may be of many names.
        close = close if len(close) <= min(len(mine), _SEVERAL) else []
    if not close and parts:
        close = [each for each in known if len(each) >= _LONG and _parts(each.lower()) <= mine]
        close = close if len(close) == 1 else []
    return f", did you mean {' or '.join(map(repr, close))}?" if close else ""


def _nearest(low: str, known: Iterable[str], less: int) -> list[str]:
    """Those with the fewest slips; of several, those that begin alike for longest."""
    far = [(_distance(low, each.lower()), each) for each in known]
    near = [(slips, each) for slips, each in far if slips <= _allowed(low, each) - less]
    least = min(near, default=(0, ""))[0]
    close = [each for slips, each in near if slips == least]
    alike = [_alike(low, each.lower()) for each in close]
    return [each for each, count in zip(close, alike, strict=True) if count == max(alike)]


def _alike(one: str, other: str) -> int:
    """Letters that two words begin with."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def plain(word: str) -> str:
    """Letters and digits of a word, which are spelled in many ways."""
    return _SIGNS.sub("", word.lower())


def _parts(word: str) -> set[str]:
    """The words of a name, each as one thing and written out."""
    return {_one(_WHOLE.get(each, each)) for each in _SIGNS.split(word) if each}


def _one(word: str) -> str:
    return f"{word[:-3]}y" if word.endswith("ies") else word.removesuffix("s")


def _allowed(word: str, other: str) -> int:
    """Slips of the keyboard beyond which another word is meant."""
    shorter, longer = sorted((len(word), len(other)))
    if longer < _SHORT:
        return 0
    # A long word that has lost one letter is still long.
    is_long = shorter >= _LONG or (longer == _LONG and shorter == _LONG - 1)
    return _SLIPS if is_long else 1


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
