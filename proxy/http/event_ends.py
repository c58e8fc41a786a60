"""Whether a stream of events came to the end that its API means, by the words of known APIs.

A server whose work fails after it has sent its head can only say so in an event, and end the stream
as usual. One in front of it may end a stream as usual that was cut. Those who keep streams, to send
them again, must not keep these.
"""

import re
from typing import Final, TypeAlias

_LINE: Final = 512
"""Bytes of a line that are looked at; what a long one goes on to say does not matter."""
_ENDS: Final = re.compile(rb"\r\n|\n|\r")
_BOM: Final = b"\xef\xbb\xbf"
_TYPE: Final = re.compile(rb'\{\s*"type"\s*:\s*"([\w.]+)"')
_CHUNK: Final = re.compile(rb'"object"\s*:\s*"(?:chat\.completion\.chunk|text_completion)"')
_ERROR: Final = re.compile(rb'\{\s*"error"\s*:\s*(?:\{|"[^"])')
_DONE: Final = b"[DONE]"
_FAILED: Final = frozenset({b"error", b"response.failed"})
_LAST: Final[dict[bytes, frozenset[bytes]]] = {
    b"message_start": frozenset({b"message_stop"}),
    b"response.created": frozenset({b"response.completed", b"response.incomplete"}),
}
"""How streams of models begin (Anthropic, OpenAI's responses), and how those end."""

_Event: TypeAlias = tuple[bytes, bytes]
"""Its name, and the beginning of its data."""


class EventEnd:
    """Hears a stream of events, and says at its end whether that was the one that was meant."""

    __slots__ = ("_before", "_data", "_last", "_name", "_rest", "_started", "_wanted")

    def __init__(self) -> None:
        self._rest = b""
        self._started = False
        self._name = self._data = b""
        self._last: _Event = (b"", b"")
        self._before: _Event = (b"", b"")
        self._wanted: frozenset[bytes] = frozenset()
        """The events one of which has to be the last one."""

    def hear(self, data: bytes) -> None:
        """The next bytes. Linear in what comes, in whatever pieces."""
        text = self._rest + data
        if not self._started and len(text) >= len(_BOM):
            self._started = True
            text = text.removeprefix(_BOM)
        held = b"\r" if text.endswith(b"\r") else b""  # the first half of a line break, maybe
        *lines, rest = _ENDS.split(text[: len(text) - len(held)])
        for line in lines:
            self._take(line)
        self._rest = rest[:_LINE] + held

    def is_good(self) -> bool:
        """When all has come. True for a stream of an API that is not known here."""
        for line in (self._rest.rstrip(b"\r"), b""):
            self._take(line)
        last = self._last
        if last[1] == _DONE:
            return not _has_failed(self._before)
        return not _has_failed(last) and (not self._wanted or _word(last) in self._wanted)

    def _take(self, line: bytes) -> None:
        if line[:6] == b"event:":
            self._name = line[6:_LINE].strip(b" ")
        elif line[:5] == b"data:" and not self._data:
            self._data = line[5:_LINE].lstrip(b" ")
        elif not line and (self._name or self._data):
            event = (self._name, self._data)
            self._name = self._data = b""
            self._before, self._last = self._last, event
            if not self._wanted:
                known = frozenset({_DONE}) if _CHUNK.search(event[1]) else None
                self._wanted = known or _LAST.get(_word(event), frozenset())


def ends_well(stream: bytes) -> bool:
    """The same of a stream that is here already."""
    end = EventEnd()
    end.hear(stream)
    return end.is_good()


def _word(event: _Event) -> bytes:
    """What kind of event it is."""
    found = _TYPE.match(event[1])
    return event[0] or (b"" if found is None else found[1])


def _has_failed(event: _Event) -> bool:
    found = _TYPE.match(event[1])
    said = {event[0], b"" if found is None else found[1]}
    return not said.isdisjoint(_FAILED) or _ERROR.match(event[1]) is not None
