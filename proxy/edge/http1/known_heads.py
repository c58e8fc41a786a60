"""What is known of request heads that were read, for those that come after them.

See ``fast_request_head``, which fills and uses it.
"""

from typing import Final, NamedTuple, TypeAlias

from proxy.edge.http1.request_lines import AGENT, DECIDING, LENGTH, NAMED
from proxy.http.bounded_cache import BoundedCache
from proxy.http.fields import Fields, RawHeaders
from proxy.http.head_template import HeadTemplate, TemplateFields

NUMBER: Final = 1024
"""Shapes, layouts, first lines and heads that are kept at a time."""
ROOM: Final = 2 << 20
"""Bytes for each of the four: clients choose what is kept."""
_RECENT: Final = 4
"""Templates that are tried for a head before it is read line by line."""


class Shape(NamedTuple):
    """What the deciding lines, the client and the listener make of a request."""

    host: str
    client: str
    scheme: str
    stay: tuple[int, ...]
    """Those of the deciding lines that go upstream where they stand, by their number."""
    fields: RawHeaders
    """What is said behind the client's own fields: who asked, and through whom."""
    lines: bytes


class Layout:
    """Where the lines stand in heads whose lines are of the same kinds."""

    __slots__ = ("_kinds", "_passed", "agent", "deciding", "length", "named")

    def __init__(self, kinds: tuple[int, ...]) -> None:
        self._kinds = kinds
        self._passed: dict[tuple[int, ...], list[bool]] = {}
        self.deciding = [kind == DECIDING for kind in kinds]
        """For each line: whether it decides."""
        self.named = [number for number, kind in enumerate(kinds) if kind == NAMED]
        """Numbers of the lines that name the request."""
        agents = [number for number, kind in enumerate(kinds) if kind == AGENT]
        self.agent = agents[-1] if agents else -1
        """The number of the last one that is User-Agent; -1 where there is none."""
        self.length = kinds.index(LENGTH) if LENGTH in kinds else -1
        """The number of that with the length of the body."""

    def passed(self, stay: tuple[int, ...]) -> list[bool]:
        """Of each line whether it goes upstream; ``stay``: the deciding ones that do."""
        known = self._passed.get(stay)
        if known is None:
            known = [kind not in (DECIDING, LENGTH) for kind in self._kinds]
            deciding = [number for number, decides in enumerate(self.deciding) if decides]
            for number in stay:
                known[deciding[number]] = True
            if not self._passed:  # nearly always there is one
                self._passed[stay] = known
        return known


class KnownHead(NamedTuple):
    """A head that was read."""

    template: HeadTemplate
    kinds: list[int]
    """Those of the lines that differ."""
    raw: Fields
    """The fields as they came."""
    fields: TemplateFields
    """As they go upstream."""
    agent: int
    """The number of User-Agent in ``raw``; -1 where there is none."""
    length: int
    """Bytes of the body."""
    shape: Shape


Alike: TypeAlias = tuple[str, str, tuple[int, ...], bytes]
"""Sender, scheme, kinds of the lines, deciding lines: what heads have in common of one template."""


class KnownHeads(BoundedCache[Alike, KnownHead]):
    """Heads that were read line by line."""

    __slots__ = ("recent",)

    def __init__(self) -> None:
        self.recent: dict[tuple[str, str], list[KnownHead]] = {}
        """The last ones of each sender and scheme, the newest first."""
        super().__init__(NUMBER, ROOM)

    def keep(self, key: Alike, known: KnownHead, size: int) -> None:
        """Keep a head, in the place of the one like it, which holds about ``size`` bytes."""
        before = self.get(key)
        if known is not before:
            self.remember(key, known, size)
        if key in self:
            recent = [each for each in self.recent.get(key[:2], ()) if each is not before]
            self.recent[key[:2]] = [known, *recent][:_RECENT]

    def clear(self) -> None:
        """Forget everything."""
        super().clear()
        self.recent.clear()
