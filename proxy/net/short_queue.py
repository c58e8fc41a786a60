"""A queue that is nearly always empty."""

from typing import TypeVar

T = TypeVar("T")


class ShortQueue(list[T]):
    """A list where aiohttp expects a deque: an empty deque holds 64 places, 600 bytes.

    There are two on each exchange, thousands of which may be waiting for a slow API.
    """

    __slots__ = ()

    def popleft(self) -> T:
        """The oldest. Slow on long queues, which these never are."""
        return self.pop(0)
