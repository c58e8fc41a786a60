"""What clients have sent, and what became of it."""

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


class Book:
    """All requests that were sent, and what became of them."""

    def __init__(self) -> None:
        self.asks: dict[str, Ask] = {}
        """By X-Request-Id, from before the first byte is sent."""
        self.records: list[Record] = []
        self.connections = 0
        self.ends: Counter[str] = Counter()

    def add(self, ask: Ask, answer: Answer, wrong: list[str]) -> None:
        """A request has ended."""
        taken, answer.body = len(answer.body), b""
        self.records.append(Record(ask, answer, taken, tuple(wrong)))
        what = answer.end.value
        self.ends[f"{what} {answer.status}" if answer.end is End.WHOLE else what] += 1
