"""What clients have sent, and what became of it."""

import asyncio
from collections import Counter
from dataclasses import dataclass

from benchmarks.chaos.answer import Answer, End
from benchmarks.chaos.plan import Ask


@dataclass(frozen=True, slots=True)
class Record:
    """What became of one request."""

    ask: Ask
    answer: Answer
    """Without its body."""
    taken: int
    """Bytes of the body."""
    wrong: tuple[str, ...]
    began: float = 0.0
    """On the loop's clock."""
    ended: float = 0.0
    first: bool = False
    """Whether it was the first on its connection."""


class Book:
    """All requests that were sent, and what became of them."""

    def __init__(self) -> None:
        self.asks: dict[str, Ask] = {}
        """By X-Request-Id, from before the first byte is sent."""
        self.records: list[Record] = []
        self._began: dict[str, tuple[float, bool]] = {}
        self.connections = 0
        self.ends: Counter[str] = Counter()

    def begin(self, ask: Ask, *, first: bool) -> None:
        """A request is sent next; ``first``: on its connection."""
        self.asks[ask.name] = ask
        self._began[ask.name] = (asyncio.get_running_loop().time(), first)

    def add(self, ask: Ask, answer: Answer, wrong: list[str]) -> None:
        """A request has ended."""
        taken, answer.body = len(answer.body), b""
        now = asyncio.get_running_loop().time()
        began, first = self._began.get(ask.name, (now, False))
        self.records.append(Record(ask, answer, taken, tuple(wrong), began, now, first))
        what = answer.end.value
        self.ends[f"{what} {answer.status}" if answer.end is End.WHOLE else what] += 1
