"""Around aiohttp's parser: the methods it does not know, and what its complaints mean."""

import re
from typing import Final

from aiohttp.http_exceptions import LineTooLong

from proxy.core.errors import (
    BadRequest,
    HeadTooLarge,
    ProxyError,
    TargetTooLong,
    UnsupportedCoding,
)

_COMMON: Final = (b"GET ", b"POST ", b"PUT ", b"HEAD ", b"DELETE ", b"PATCH ", b"OPTIONS ")
_PARSED: Final = frozenset(
    b"ACL BIND CHECKOUT CONNECT COPY DELETE GET HEAD LINK LOCK M-SEARCH MERGE MKACTIVITY "
    b"MKCALENDAR MKCOL MOVE NOTIFY OPTIONS PATCH POST PROPFIND PROPPATCH PURGE PUT QUERY REBIND "
    b"REPORT SEARCH SOURCE SUBSCRIBE TRACE UNBIND UNLINK UNLOCK UNSUBSCRIBE".split()
)
"""The methods that llhttp knows, RTSP's left out."""

_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}")
_STAND_IN: Final = b"POST"
"""Parsed in place of a method that llhttp refuses; any but CONNECT has the same framing."""


class MethodGate:
    """Lets methods through that aiohttp's parser does not know (``BREW``, RFC 9110 9.1).

    Only at the start of a head on a connection where nothing else is under way: a pipelined request
    with such a method is still refused.
    """

    __slots__ = ("held", "method")

    def __init__(self) -> None:
        self.held = b""
        """Part of a method that has come."""
        self.method = ""
        """The real method of the next request, empty where the parser's is right."""

    def admit(self, data: bytes) -> bytes:
        """The first bytes of a head, fit for the parser; ``b""`` while there is no whole method."""
        if not self.held and data.startswith(_COMMON):
            return data
        data = self.held + data
        self.held = b""
        line = data.lstrip(b"\r\n")
        if not line:  # RFC 9112 2.2: empty lines before a request are ignored
            return b""
        token = _TOKEN.match(line)
        if token is None:
            return data
        method = token[0]
        if token.end() == len(line) and len(line) < 32:
            self.held = data
            return b""
        if method in _PARSED or line[token.end() : token.end() + 1] != b" ":
            return data
        self.method = method.decode()
        return _STAND_IN + line[token.end() :]

    def take(self) -> str:
        """The real method, once."""
        method, self.method = self.method, ""
        return method


def parse_error(error: BaseException | None, message: str, line_limit: int) -> ProxyError:
    """What the parser's complaint is in our terms.

    One exception serves for request lines and fields; the limit it names tells them apart.
    """
    text = message.partition("\n")[0].rstrip(":")
    if isinstance(error, LineTooLong):
        return TargetTooLong(text) if error.args[1] == line_limit else HeadTooLarge(text)
    if "Too many headers" in text:
        return HeadTooLarge(text)
    if text.startswith("Request has invalid `Transfer-Encoding`"):
        return UnsupportedCoding(text)
    return BadRequest(text)
