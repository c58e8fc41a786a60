"""Finds the values of members of JSON by their names, in raw bytes.

What is not hidden stays as it was written, so nothing is parsed and written anew. A body need not
be whole, nor JSON alone: it may be a stream of events, or JSON within a string of JSON, where each
quote has a backslash before it (1, 3 or 7 of them, by how deep it is).
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

_DEPTHS: Final = (0, 1, 3, 7)
"""Backslashes before a quote."""
_QUOTE: Final = re.compile(rb'(?<!\\)(\\*+)"')
_TOKEN: Final = re.compile(
    rb'(?:[\s,:]|\\+[nrt]|true|false|null)+|(?P<number>-?\d[\d.eE+-]*)|(?P<quote>\\{0,7}")|[\[{]|[\]}]'
)
_COLON: Final = re.compile(rb"\s*:")


class Scalar(NamedTuple):
    """A text without its quotes, or a number."""

    start: int
    end: int
    is_number: bool
    is_named: bool
    """Whether it is called as a secret is: a text by the name right before it, a number also in a
    list of that name. False: what such a list or object holds besides, which may be anything."""


class Member(NamedTuple):
    """The value of a member."""

    start: int
    end: int
    quote: bytes
    """What texts begin and end with there."""
    scalars: list[Scalar]
    """All texts and numbers in it that are not empty, names excepted."""
    whole: bool
    """False where the end is missing, or what follows is no JSON."""


class Members:
    """Finds the members of some names."""

    __slots__ = ("_name", "_named")

    def __init__(self, names: Iterable[bytes]) -> None:
        """``names``: with underlines, which find dashes too."""
        either = b"|".join(re.escape(name).replace(b"_", b"[-_]") for name in sorted(names))
        self._name = re.compile(rb"(?i)(?:%b)" % either)
        self._named = re.compile(rb'(?i)(\\{0,7})"(?:%b)\1"\s*:\s*' % either)

    def find(self, body: bytes) -> Iterator[Member]:
        """Those that have a text or a number in their value, from the first to the last."""
        at = 0
        while found := self._named.search(body, at):
            at = found.end()
            if len(found[1]) in _DEPTHS:
                member = _value(body, at, found[1] + b'"', self._name)
                at = member.end
                if member.scalars:
                    yield member


def _value(body: bytes, start: int, quote: bytes, secret: re.Pattern[bytes]) -> Member:
    """The value that begins there. ``secret``: names of secrets."""
    scalars: list[Scalar] = []
    at, depth = start, 0
    named = direct = True  # what comes next has a secret's name; right before it
    around: list[bool] = []  # ``named`` of the lists and objects that are open
    while token := _TOKEN.match(body, at):
        at = token.end()
        if token["number"]:
            scalars.append(Scalar(token.start(), at, is_number=True, is_named=named))
        elif token["quote"]:
            if token["quote"] != quote:
                at = token.start()
                break
            end = _end_of_text(body, at, len(quote) - 1)
            text = Scalar(at, end, is_number=False, is_named=named and direct)
            at = min(end + len(quote), len(body))
            if depth and _COLON.match(body, at):
                named = secret.fullmatch(body, text.start, end) is not None
                direct = True
            elif end > text.start:
                scalars.append(text)
        elif token[0] in (b"[", b"{"):
            depth += 1
            around.append(named)
            named, direct = named and token[0] == b"[", False
        elif token[0] in (b"]", b"}"):
            depth -= 1
            named, direct = bool(around) and around.pop(), False
        if depth <= 0:
            return Member(start, at, quote, scalars, whole=depth == 0)
    return Member(start, at, quote, scalars, whole=False)


def _end_of_text(body: bytes, start: int, backslashes: int) -> int:
    """Where a text ends whose quotes have so many backslashes.

    One within it has more: each step inwards doubles them and adds one. Where a quote has less, the
    text around it ends.
    """
    for found in _QUOTE.finditer(body, start):
        count = len(found[1])
        if count < backslashes or (count - backslashes) % (2 * backslashes + 2) == 0:
            return max(start, found.end() - 1 - min(count, backslashes))
    return len(body)
