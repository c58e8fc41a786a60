"""Streams of server-sent events, as far as a proxy looks at them (WHATWG HTML 9.2)."""

import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from typing import Final

from proxy.http.bounded_cache import Memo
from proxy.http.codings import applied
from proxy.http.fields import RawHeaders, media_type, values

EVENT_STREAM: Final = b"text/event-stream"
"""The media type of a stream of events."""

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_KNOWN: Final = 64
"""Bytes of a line that tell what it is: no name of an event that means anything here is longer."""
_PING: Final = b"ping"
_BLANK: Final = (b"\n\n", b"\n\r", b"\n\r\n", b"\r\r")
"""A line's end, and an empty line behind it. What follows a CR may still be its LF: an empty line
more, which means nothing."""
_SEAM: Final = 2
_NUL: Final = b"\0"
_ID: Final = re.compile(rb"[\r\n]id(?::\x20?([^\r\n]*))?(?=[\r\n])")
_EMPTY_LINE: Final = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\r|\n)")


class SseScanner:
    """Tells events from comments and pings, and knows where one event ends and the next begins.

    Each byte is looked at once, in however many pieces a stream comes.
    """

    __slots__ = ("_after_cr", "_begun", "_first", "_name", "_open", "_seam")

    def __init__(self) -> None:
        self._open = b""
        """The start of the line that has not ended."""
        self._after_cr = False
        self._begun = False
        """Whether the event being read has a line already."""
        self._name = b""
        self._first = True
        self._seam = b""
        """The last bytes: an event's end may come in two pieces."""

    def last_end(self, data: bytes) -> int:
        """Where the last event that ends in ``data`` does; 0: none ends. It is to be fed next."""
        seam = self._seam
        joined = seam + data
        self._seam = joined[-_SEAM:]
        ends = [joined.rfind(blank) + len(blank) for blank in _BLANK if blank in joined]
        return max(max(ends, default=0) - len(seam), 0)

    @property
    def between(self) -> bool:
        """Whether what comes next begins an event, so that something may be said before it."""
        return not self._begun and not self._open

    def feed(self, data: bytes) -> bool:
        """Whether ``data`` holds anything of an event's data: no comment, no event called ping."""
        if self._after_cr and data[:1] == b"\n":
            data = data[1:]
            self._after_cr = False
        if not data:
            return False
        self._after_cr = data[-1:] == b"\r"
        *whole, last = _LINE_END.split(data)
        meant = False
        for line in whole:
            meant |= self._take(self._open + line)
            self._open = b""
        self._open = (self._open + last)[:_KNOWN]
        text = self._open.removeprefix(BOM_UTF8) if self._first else self._open
        return meant or (text.startswith(b"data:") and self._name != _PING)

    def _take(self, line: bytes) -> bool:
        """A line that has ended. Whether it is data."""
        if self._first:
            line = line.removeprefix(BOM_UTF8)
            self._first = False
        if not line:
            self._begun = False
            self._name = b""
            return False
        if line[:1] == b":":
            return False
        self._begun = True
        field, _, value = line.partition(b":")
        if field == b"event":
            self._name = value.removeprefix(b" ")
        return field == b"data" and self._name != _PING


def of_events(fields: RawHeaders) -> bool:
    """Whether a body with these fields is a stream of events, compressed or not."""
    return any(media_type(value) == EVENT_STREAM for value in values(fields, b"content-type"))


def _content(name: bytes) -> bytes:
    """The name in lower case where it says of what kind a body is, else nothing."""
    low = name.lower()
    return low if low in (b"content-encoding", b"content-type") else b""


_CONTENT: Final = Memo(_content, 2048)
_CODED: Final = Memo(lambda value: bool(applied(value)), 64)
_OF_EVENTS: Final = Memo(lambda kind: media_type(kind) == EVENT_STREAM, 512)


def streams_events(fields: RawHeaders) -> bool:
    """Whether a body with these fields is a stream of events that can be read as it is."""
    found = False
    for name, value in fields:
        if meaning := _CONTENT[name]:
            if meaning == b"content-type":
                found = _OF_EVENTS[value]
            elif _CODED[value]:
                return False
    return found


def ids(data: bytes, start: int = 0) -> Iterator[tuple[bytes, int]]:
    """The id of each whole event that sets one, and where that event ends.

    Lines count from the first line break on: what stands before it may be half a line. An id that
    is empty takes back the one before; one with NUL in it is none.
    """
    found = _ID.search(data, start)
    while found is not None:
        blank = _EMPTY_LINE.search(data, found.end())
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
    rest = data.removeprefix(BOM_UTF8)
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
