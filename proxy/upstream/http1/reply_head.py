"""Heads of replies, read strictly as they come (RFC 9112 4, 5, 6.3).

``upstream/http1/fast_reply_head`` reads the usual ones faster; this reads all.
"""

import math
import re
from typing import Final, NamedTuple

from proxy.http.fields import RawHeaders
from proxy.http.framing import BODILESS, CHUNKED, UNTIL_CLOSE, content_length, keeps_alive
from proxy.http.grammar import VCHAR, Malformed, members, shown
from proxy.http.keep_alive import announced
from proxy.policy.idle_limit import usable
from proxy.upstream.http1.field_section import FieldLines

_STATUS: Final = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: ([%b]*))?" % VCHAR)
_START: Final = b"HTTP/1."


class ReplyHead(NamedTuple):
    """A head, and what it says about what follows."""

    code: int
    reason: bytes
    fields: RawHeaders
    version: tuple[int, int]
    length: int
    """Bytes of the body that follows, or how else it ends: CHUNKED, UNTIL_CLOSE."""
    declared: int | None
    """What Content-Length says, also where no body follows."""
    closes: bool
    """Whether the connection takes no other request after it."""
    usable: float = math.inf
    """Seconds for which the connection may be idle, and then be used again."""


class ReplyHeadParser:
    """Reads one head after the other."""

    __slots__ = ("_bodiless", "_line", "_lines", "_status")

    def __init__(self, *, bodiless: bool) -> None:
        """``bodiless`` where the request was a HEAD."""
        self._bodiless = bodiless
        self._line = bytearray()
        """The status line, as long as its end is still to come."""
        self._status: re.Match[bytes] | None = None
        self._lines = FieldLines()

    def feed(self, data: bytes) -> tuple[ReplyHead | None, int]:
        """The head where it is whole now, and how much of ``data`` belongs to it.

        Raises Malformed.
        """
        start = 0
        if self._status is None:
            end = data.find(b"\n")
            line = self._line
            line += data if end < 0 else data[:end]
            if line[: len(_START)] != _START[: len(line)]:
                raise Malformed(f"no status line of HTTP/1.1: {bytes(line[:40])!r}")
            if end < 0:
                return None, len(data)
            self._line = bytearray()
            self._status = _STATUS.fullmatch(bytes(line).removesuffix(b"\r"))
            if self._status is None:
                raise Malformed(f"a status line that is malformed: {bytes(line[:80])!r}")
            start = end + 1
        start = self._lines.feed(data, start)
        if not self._lines.done:
            return None, start
        status, lines = self._status, self._lines
        self._status = None
        self._lines = FieldLines()
        return self._read(status, lines.fields), start

    def _read(self, status: re.Match[bytes], fields: RawHeaders) -> ReplyHead:
        version = (1, 0) if status[1] == b"0" else (1, 1)  # RFC 9110 2.5: a later one is as ours
        code = int(status[2])
        codings: list[bytes] = []
        lengths: list[bytes] = []
        options: list[bytes] = []
        idle = math.inf
        for name, value in fields:
            size = len(name)
            if size == 10:
                low = name.lower()  # house: one pass
                if low == b"connection":
                    options += members(value.lower())
                elif low == b"keep-alive":
                    idle = min(idle, usable(announced(value)))
            elif size == 14 and name.lower() == b"content-length":  # house: one pass
                lengths += value.split(b",")  # house: one that is empty is malformed
            elif size == 17 and name.lower() == b"transfer-encoding":  # house: one pass
                codings += members(value.lower()) or [b""]
        closes = not keeps_alive(options, version)
        if code < 200:
            return ReplyHead(code, status[3] or b"", fields, version, 0, None, closes)
        declared = _length(lengths)
        if codings:
            _check_codings(codings, lengths)
            length = CHUNKED
            closes = closes or version == (1, 0)  # RFC 9112 6.1: its framing may be wrong
        else:
            length = UNTIL_CLOSE if declared is None else declared
        if self._bodiless or code in BODILESS:
            length = 0
        closes = closes or length == UNTIL_CLOSE
        return ReplyHead(code, status[3] or b"", fields, version, length, declared, closes, idle)


def _length(values: list[bytes]) -> int | None:
    """What Content-Length says; equal ones are one (RFC 9110 8.6). Raises Malformed."""
    found = {value.strip(b" \t") for value in values}
    if not found:
        return None
    lengths = {content_length(value): value for value in sorted(found)}
    if None in lengths:
        wrong = lengths[None]
        what = "2^63 bytes or more" if wrong.isdigit() else "no number of bytes"
        raise Malformed(f"Content-Length is {shown(wrong)!r}, which is {what}")
    if len(lengths) > 1:
        said = shown(b", ".join(sorted(found))).decode()
        raise Malformed(f"Content-Length was sent with different values: {said}")
    return lengths.popitem()[0]


def _check_codings(codings: list[bytes], lengths: list[bytes]) -> None:
    """Only chunked, once, and without a length (RFC 9112 6.1, 6.3). Raises Malformed."""
    if codings.count(b"chunked") == len(codings) > 1:
        raise Malformed(
            "Transfer-Encoding: chunked was sent twice: the API sets the field itself and its "
            "server adds it; leave it to the server"
        )
    if codings != [b"chunked"]:
        said = shown(b", ".join(codings)).decode("latin-1")
        raise Malformed(f"transfer coding {said!r}: only chunked is understood")
    if lengths:
        raise Malformed(
            "Transfer-Encoding and Content-Length were both sent: the API may set only one of them"
        )
