"""HTTP/1.1 read the way a test needs it: nothing interpreted that need not be."""

import re
from typing import Final, Literal, TypeAlias

Framing: TypeAlias = Literal["none", "length", "chunked", "close"]

_LENGTH: Final = re.compile(rb"content-length:[ \t]*(\d+)[ \t]*", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"transfer-encoding:(?:.*,)?[ \t]*chunked[ \t]*", re.IGNORECASE)


class Head:
    """The bytes up to and including the empty line, and views of them."""

    __slots__ = ("raw",)

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    @property
    def first(self) -> bytes:
        """The request line or the status line."""
        return self.raw.split(b"\r\n", 1)[0]

    @property
    def lines(self) -> list[bytes]:
        """Every field line as it came."""
        return self.raw.removesuffix(b"\r\n\r\n").split(b"\r\n")[1:]

    def values(self, name: str) -> list[bytes]:
        """What the lines of this name say, in any spelling, without the space around it."""
        wanted = name.lower().encode()
        pairs = (line.partition(b":") for line in self.lines)
        return [value.strip(b" \t") for key, _, value in pairs if key.lower() == wanted]

    def value(self, name: str) -> bytes | None:
        """The only value of this name. More than one fails the test."""
        values = self.values(name)
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None

    def names(self) -> list[bytes]:
        """The names, in order and spelling."""
        return [line.partition(b":")[0] for line in self.lines]

    def framing(self) -> tuple[Framing, int]:
        """How the body is delimited, and its length where that is known."""
        if any(_CHUNKED.fullmatch(line) for line in self.lines):
            return "chunked", 0
        for line in self.lines:
            if found := _LENGTH.fullmatch(line):
                return "length", int(found[1])
        return "none", 0


class Chunks:
    """Takes chunked framing apart as it arrives. Trailers and extensions are kept apart."""

    __slots__ = ("_left", "_state", "body", "broken", "done", "sizes", "trailers")

    def __init__(self) -> None:
        self.body = bytearray()
        self.sizes: list[int] = []
        self.trailers: list[bytes] = []
        self.done = False
        self.broken = False
        self._left = 0
        self._state = "size"

    def feed(self, data: bytearray) -> None:
        """Eat what can be eaten from the front of ``data``."""
        while data and not self.done and not self.broken:
            if self._state == "data":
                piece = data[: self._left]
                del data[: len(piece)]
                self.body += piece
                self._left -= len(piece)
                if not self._left:
                    self._state = "end"
                continue
            line, found, _ = data.partition(b"\r\n")
            if not found:
                return
            del data[: len(line) + 2]
            self._take(bytes(line))

    def _take(self, line: bytes) -> None:
        if self._state == "end":
            self.broken = line != b""
            self._state = "size"
        elif self._state == "trailers":
            self.done = line == b""
            if line:
                self.trailers.append(line)
        elif found := re.fullmatch(rb"([0-9a-fA-F]{1,16})(;.*)?", line):
            self._left = int(found[1], 16)
            self.sizes.append(self._left)
            self._state = "data" if self._left else "trailers"
        else:
            self.broken = True


def length(text: bytes, status: bytes = b"200 OK", fields: bytes = b"") -> bytes:
    """A reply with a Content-Length."""
    return b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s" % (status, fields, len(text), text)


def chunked(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """Chunked framing of these pieces."""
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + end


OK: Final = length(b"ok")
CHUNKED_HEAD: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def get(target: str = "/", fields: bytes = b"", host: bytes = b"proxy.test") -> bytes:
    """A plain GET."""
    return b"GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (target.encode(), host, fields)


def post(
    body: bytes = b"", target: str = "/", fields: bytes = b"", method: bytes = b"POST"
) -> bytes:
    """A request with a Content-Length."""
    return b"%s %s HTTP/1.1\r\nHost: proxy.test\r\nContent-Length: %d\r\n%s\r\n%s" % (
        method,
        target.encode(),
        len(body),
        fields,
        body,
    )
