"""Heads that come again but for some of their lines.

A peer sends nearly the same head each time: of twenty lines two or three differ, and always the
same ones. A template knows what stays, and where lines differ; whoever has read one such head line
by line has to read only those of the next. Where they differ is found out by comparing heads
(`HeadTemplate.widened`), so a template is made anew a few times at the most.
"""

from collections.abc import Callable, Collection, Container, Sequence
from typing import Any, Final, TypeAlias

from proxy.http.fields import LOWER, Fields, Found, RawHeaders
from proxy.http.framing import CRLF
from proxy.http.request_id import ID_FIELDS

Line: TypeAlias = tuple[int, tuple[bytes, bytes], bytes]
"""What kind of line it is, as its reader tells them apart; its field; the line as it goes on."""

_LOOKS: Final = 16
"""Sets of names whose places are kept; who looks for some is told by the configuration."""


class HeadTemplate:
    """The lines of a head behind its first one."""

    __slots__ = ("_ending", "_lines", "_parts", "varying")

    def __init__(self, lines: Sequence[bytes], varying: Collection[int] = ()) -> None:
        """``lines`` without their breaks; ``varying``: the numbers of those that differ."""
        self._lines = lines
        self.varying = sorted(varying)
        """The numbers of the lines that differ."""
        starts = [0, *(number + 1 for number in self.varying)]
        ends = [*self.varying, len(lines)]
        *self._parts, self._ending = [
            b"".join([line + CRLF for line in lines[start:end]])
            for start, end in zip(starts, ends, strict=True)
        ]

    def differing(self, data: bytes, start: int, end: int) -> list[bytes] | None:
        """The lines that stand where lines differ; None where anything else differs.

        The lines are those from ``start`` to ``end``, the break of the last one included.
        """
        found = []
        for part in self._parts:
            if not data.startswith(part, start):
                return None
            start += len(part)
            until = data.find(CRLF, start, end)
            if until < 0:
                return None
            found.append(data[start:until])
            start = until + 2
        return found if data[start:end] == self._ending else None

    def widened(self, lines: Sequence[bytes]) -> "HeadTemplate":
        """One that these lines fit too, which are as many; this one where they fit already."""
        known = self._lines
        differ = {number for number, line in enumerate(lines) if line != known[number]}
        if differ.issubset(self.varying):
            return self
        return HeadTemplate(lines, differ.union(self.varying))


class TemplateFields:
    """What goes on of a head that fits a template."""

    __slots__ = ("_differ", "_found", "_lines", "_named", "_once", "_places", "fields", "lines")

    def __init__(
        self,
        read: Sequence[Line],
        passed: Sequence[bool],
        varying: Collection[int],
        behind: Fields,
        behind_lines: bytes,
    ) -> None:
        """``read``: the lines of the head that the template was made of; ``passed``: of each
        whether it goes on. ``behind``: the fields that are said behind those, and their lines."""
        self.fields: Fields = []
        """Those of the head that the template was made of."""
        self._lines = [b""]
        """What stands before and behind each line that differs, and an empty place for it."""
        self._places: list[int] = []
        """The number in ``fields`` of each that differs; -1 where it does not go on."""
        for number, (_, field, line) in enumerate(read):
            if number in varying:
                self._places.append(len(self.fields) if passed[number] else -1)
                self._lines += (b"", b"")
            elif passed[number]:
                self._lines[-1] += line
            if passed[number]:
                self.fields.append(field)
        self.fields += behind
        self._lines[-1] += behind_lines
        self.lines = b"".join(self._lines)
        """Their lines, where none differs."""
        self._named = [(place, self.fields[place][0]) for place in self._places if place >= 0]
        """Where a field differs, and what it was called in that head."""
        self._differ = {place for place, _ in self._named}
        self._found: dict[Container[bytes], tuple[int, ...] | None] = {}
        self._once: dict[Container[bytes], Any] = {}

    def with_lines(self, read: Sequence[Line]) -> tuple[Fields, list[bytes]]:
        """The fields, and the parts of their lines, of a head in which these lines differ."""
        fields, lines = self.fields.copy(), self._lines.copy()
        at = 1
        for place, (_, field, line) in zip(self._places, read, strict=True):
            if place >= 0:
                fields[place] = field
                lines[at] = line
            at += 2
        return fields, lines

    def places(self, fields: RawHeaders, names: Container[bytes]) -> tuple[int, ...] | None:
        """Where those with these names stand, which are in lower case, see ``http/fields.placed``.

        ``fields``: what ``with_lines`` gave, or the ``fields`` of this head. Some of ``ID_FIELDS``
        may have been added behind them. None where it has to be looked for in them.
        """
        for place, name in self._named:
            if fields[place][0] != name:
                return None
        if names not in self._found:
            if len(self._found) >= _LOOKS:
                self._found.clear()
            self._found[names] = self._look(names)
        return self._found[names]

    def once(
        self, fields: RawHeaders, names: Container[bytes], look: Callable[..., Found], *given: str
    ) -> Found | None:
        """What ``look`` finds in ``fields``, see ``http/fields.once``: once for all heads that fit.

        None where a field that differs is one of those with these names.
        """
        for place, name in self._named:
            if fields[place][0] != name:
                return None
        if names not in self._once:
            if len(self._once) >= _LOOKS:
                self._once.clear()
            places = self._look(names)
            differ = places is None or not self._differ.isdisjoint(places)
            self._once[names] = None if differ else look(fields, *given)
        found: Found | None = self._once[names]
        return found

    def _look(self, names: Container[bytes]) -> tuple[int, ...] | None:
        if any(name in names for name in ID_FIELDS):
            return None
        return tuple([n for n, (name, _) in enumerate(self.fields) if LOWER[name] in names])
