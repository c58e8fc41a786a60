"""Whether a stream of events came to the end that its API means, by the words of known APIs.

A server whose work fails after it has sent its head can only say so in an event, and end the stream
as usual. One in front of it may end a stream as usual that was cut. Those who keep streams, to send
them again, must not keep these. And a server may cut a stream of which all has come.
"""

import re
from codecs import BOM_UTF8
from typing import Final, TypeAlias

_LINE: Final = 2 << 10
"""Bytes of a line, and of an event's data, that are looked at."""
_ENDS: Final = re.compile(rb"\r\n|\n|\r")
_TYPE: Final = re.compile(
    rb'"type"\s*:\s*"(error|message_(?:start|stop)|response\.(?:created|completed|incomplete|failed))"'
)
_CHUNK: Final = re.compile(rb'"object"\s*:\s*"(?:chat\.completion\.chunk|text_completion)"')
_NOTHING: Final = rb'null|false|""|\[\s*\]|\{\s*\}'
_ERROR: Final = re.compile(
    rb'\A\{\s*"error"\s*:\s*(?!%b|\s)|[{,]\s*"error"\s*:\s*\{(?!\s*\})' % _NOTHING
)
"""An error as the first thing that is said, or an object of one anywhere."""
_DONE: Final = b"[DONE]"
_FAILED: Final = frozenset({b"error", b"response.failed"})
_OVER: Final = frozenset({_DONE, b"response.failed"})
"""Events behind which nothing comes, whatever the stream began with."""
_LAST: Final[dict[bytes, frozenset[bytes]]] = {
    b"message_start": frozenset({b"message_stop"}),
    b"response.created": frozenset({b"response.completed", b"response.incomplete"}),
}
"""How streams of models begin (Anthropic, OpenAI's responses), and how those end."""
_ENDINGS: Final = _OVER.union(*_LAST.values())
"""Types that say so themselves, also where the beginning of the stream was not seen."""

_Event: TypeAlias = tuple[bytes, bytes]
"""Its name, and the beginning of its data."""


class EventEnd:
    """Hears a stream of events, and says at its end whether that was the one that was meant."""

    __slots__ = ("_before", "_data", "_last", "_name", "_rest", "_split", "_started", "_wanted")

    def __init__(self) -> None:
        self._rest = b""
        self._split = False
        """Whether the last byte was the first half of a line break, maybe."""
        self._started = False
        self._name = self._data = b""
        self._last: _Event = (b"", b"")
        self._before: _Event = (b"", b"")
        self._wanted: frozenset[bytes] = frozenset()
        """The events one of which has to be the last one, but for ``[DONE]``."""

    def hear(self, data: bytes) -> None:
        """The next bytes. Linear in what comes, in whatever pieces."""
        if self._split and data:
            data, self._split = data.removeprefix(b"\n"), False
        if not data:
            return
        self._split = data.endswith(b"\r")
        first, *lines = _ENDS.split(data)
        self._rest += first[: max(0, _LINE - len(self._rest))]
        for line in lines:
            self._take(self._rest)
            self._rest = line[:_LINE]

    def is_good(self) -> bool:
        """When all has come. True for a stream of an API that is not known here."""
        last, before = self._last, self._before
        rest = (self._name, self._data)
        if self._rest or rest != (b"", b""):  # the last event has not ended: only this one may
            self._take(self._rest)
            if self._data.strip() != _DONE:
                return not self._wanted and not _has_failed((self._name, self._data))
            last, before = (b"", _DONE), self._last
        if _has_failed(last) or _has_failed(before):
            return False
        if not self._wanted or _word(last) in self._wanted:
            return True
        return _word(last) == _DONE and _word(before) in self._wanted

    def is_over(self) -> bool:
        """Whether nothing is to come any more: the last event has come, its empty line included."""
        if self._rest or self._name or self._data:
            return False
        word, found = _word(self._last), _TYPE.search(self._last[1])
        return word in self._wanted or word in _OVER or (found is not None and found[1] in _ENDINGS)

    def has_failed(self) -> bool:
        """Whether the last event that has come says that the work has failed."""
        return _has_failed(self._last)

    def _take(self, line: bytes) -> None:
        if not self._started:
            self._started = True
            line = line.removeprefix(BOM_UTF8)
        if line[:6] == b"event:":
            self._name = line[6:].strip(b" \t")
        elif line[:5] == b"data:":
            self._data += line[5:].strip(b" ")[: max(0, _LINE - len(self._data))]
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
    name, data = event
    if data.strip() == _DONE:
        return _DONE
    found = _TYPE.search(data)
    return name or (b"" if found is None else found[1])


def _has_failed(event: _Event) -> bool:
    name, data = event
    found = _TYPE.search(data)
    said = {name, b"" if found is None else found[1]}
    return not said.isdisjoint(_FAILED) or _ERROR.search(data) is not None
