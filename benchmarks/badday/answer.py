"""What a client takes for an answer, and what it says of it."""

import zlib
from enum import Enum
from typing import Final

ID: Final = "X-Badday-Id"
SUM: Final = "X-Badday-Sum"
"""Length and CRC-32 of the body that was sent, as ``total`` writes them."""
_END: Final = b"\r\n\r\n"


class Outcome(Enum):
    """What became of a request."""

    WHOLE = "whole"
    """2xx, and the very body that was sent to this request."""
    PASSED = "503 passed on"
    """An endpoint's own refusal, whole. A POST that got it nobody may run again."""
    STATUS = "status"
    """Any other whole answer."""
    FALSE = "passed off as whole"
    """2xx and a clean end, but not the body that was sent."""
    CUT = "cut"
    """The connection ended inside the body: the client knows."""
    NO_HEAD = "no answer"
    """The connection ended before there was a status."""
    GARBLED = "garbled"
    LATE = "late"
    """The client gave up."""
    REFUSED = "refused"
    """No connection to the proxy."""


def total(body: bytes) -> str:
    """Length and checksum."""
    return f"{len(body)}-{zlib.crc32(body):08x}"


class Answer:
    """Reads one answer, as it comes, to the request ``name``."""

    __slots__ = ("_body", "_fields", "_head", "_length", "_name", "reusable", "status")

    def __init__(self, name: str) -> None:
        self._name = name
        self._head: bytes | None = b""
        self._fields: dict[str, str] = {}
        self._body = b""
        self._length: int | None = None
        self.status = 0
        self.reusable = False
        """Whether the connection may be asked again; settled with the outcome."""

    def feed(self, data: bytes) -> Outcome | None:
        """More bytes. None as long as the answer is not whole."""
        try:
            if self._head is not None:
                data = self._read_head(self._head + data)
                if self._head is not None:
                    return None
            self._body += data
            body = self._framed()
        except ValueError:
            return Outcome.GARBLED
        if body is None:
            return None
        self.reusable = "close" not in self._fields.get("connection", "").lower()
        return self._judged(body)

    def ended(self, *, clean: bool) -> Outcome:
        """The connection is over: closed where ``clean``, else reset."""
        if self._head is not None:
            return Outcome.NO_HEAD
        if clean and self._length is None and not self._chunked:
            return self._judged(self._body)
        return Outcome.CUT

    @property
    def _chunked(self) -> bool:
        return "transfer-encoding" in self._fields

    def _read_head(self, data: bytes) -> bytes:
        while True:
            head, end, rest = data.partition(_END)
            if not end:
                self._head = data
                return b""
            first, *lines = head.decode("latin-1").split("\r\n")
            self.status = int(first.partition(" ")[2][:3])
            if self.status >= 200:
                break
            data = rest
        pairs = (line.partition(":") for line in lines)
        self._fields = {name.lower(): value.strip() for name, _, value in pairs}
        self._head = None
        if not self._chunked and "content-length" in self._fields:
            self._length = int(self._fields["content-length"])
        return rest

    def _framed(self) -> bytes | None:
        if self._chunked:
            return dechunked(self._body)
        if self._length is None or len(self._body) < self._length:
            return None
        if len(self._body) > self._length:
            raise ValueError("more than was announced")
        return self._body

    def _judged(self, body: bytes) -> Outcome:
        same = self._fields.get(SUM.lower()) == total(body)
        if not 200 <= self.status < 300:
            return Outcome.PASSED if same else Outcome.STATUS
        mine = body.startswith(b'{"id": "%b"' % self._name.encode())
        return Outcome.WHOLE if mine and same else Outcome.FALSE


def dechunked(data: bytes) -> bytes | None:
    """A chunked body without trailers; None as long as it is not whole. Raises ValueError."""
    parts: list[bytes] = []
    while True:
        line, end, data = data.partition(b"\r\n")
        if not end:
            return None
        size = int(line.partition(b";")[0], 16)
        if len(data) < size + 2:
            return None
        if data[size : size + 2] != b"\r\n":
            raise ValueError("a chunk that does not end where it should")
        if not size:
            return b"".join(parts)
        parts.append(data[:size])
        data = data[size + 2 :]
