"""Where one request ends and the next one begins."""

from typing import Final

HEAD_END: Final = b"\r\n\r\n"


class Boundary:
    """Knows whether the parser holds the start of another head.

    A request without a body and a chunked one end with an empty line; one with a Content-Length
    ends where its bytes have been counted. Part of a head never ends with an empty line.
    """

    __slots__ = ("_left", "_tail")

    def __init__(self) -> None:
        self._tail = HEAD_END
        self._left: float | None = None

    def clean(self) -> None:
        """What came was one whole head without a body, and nothing else."""
        self._tail = HEAD_END
        self._left = None

    def feed(self, data: bytes, arrived: int, length: int | None) -> None:
        """Note a segment in which so many heads ended, the last one announcing ``length`` bytes.

        ``length`` None: no body, or a chunked one.
        """
        joined = self._tail[-3:] + data
        if arrived:
            self._left = None
            if length is not None:
                # Where several heads ended, the last one's end is not found by looking for it.
                end = joined.find(HEAD_END) + len(HEAD_END)
                self._left = length - (len(joined) - end) if arrived == 1 else float("nan")
        elif self._left is not None:
            self._left -= len(data)
        if (
            self._left is not None
            and self._left < 0
            and not joined[int(self._left) :].strip(b"\r\n")
        ):
            self._left = 0  # an empty line behind a body, as old clients send it
        self._tail = joined[-4:] if len(joined) >= len(HEAD_END) else joined

    @property
    def crossed(self) -> bool | None:
        """Whether bytes of another head have come; None where it cannot be told."""
        left = self._left
        if left is None:
            return self._tail != HEAD_END
        if left != left:  # noqa: PLR0124  (not a number)
            return None
        return left < 0
