"""Ids in a stream of events (WHATWG HTML 9.2.6): what a client has seen when it names one."""

import re
from collections.abc import Iterator
from typing import Final

_BOM: Final = b"\xef\xbb\xbf"
_NUL: Final = b"\0"
_ID: Final = re.compile(rb"[\r\n]id(?::\x20?([^\r\n]*))?(?=[\r\n])")
_BLANK: Final = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\r|\n)")


def ids(data: bytes, start: int = 0) -> Iterator[tuple[bytes, int]]:
    """The id of each whole event that sets one, and where that event ends.

    Lines count from the first line break on: what stands before it may be half a line. An id that
    is empty takes back the one before; one with NUL in it is none.
    """
    found = _ID.search(data, start)
    while found is not None:
        blank = _BLANK.search(data, found.end())
        if blank is None:
            return
        last = None
        while (
            found is not None and found.start() < blank.start()
        ):  # the last one of an event counts
            value = found[1] or b""
            if _NUL not in value:
                last = value
            found = _ID.search(data, found.end())
        if last is not None:
            yield last, blank.end()


def lined_up(data: bytes) -> tuple[bytes, int]:
    """A stream from its very start as ``ids`` wants it, and by how much that is longer."""
    rest = data.removeprefix(_BOM)
    return b"\n" + rest, 1 + len(rest) - len(data)


def after(data: bytes, wanted: bytes, *, whole: bool) -> int | None:
    """Where the first event with this id ends; ``whole``: the data is the stream from its start.

    The first one, where several have it: what is sent twice is better than what is not sent.
    """
    if not wanted or wanted not in data:  # most streams that are asked do not have it
        return None
    moved = 0
    if whole:
        data, moved = lined_up(data)
    hints = [data.find(prefix + wanted) for prefix in (b"\nid:", b"\nid: ", b"\rid:", b"\rid: ")]
    start = min([hint for hint in hints if hint >= 0], default=None)
    if start is None:
        return None
    for found, end in ids(data, start):
        if found == wanted:
            return end - moved
    return None
