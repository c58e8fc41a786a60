"""What a line of the access log holds, and how bytes of clients become text in it."""

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

from proxy.core.exchange import Exchange
from proxy.core.record import Attempt
from proxy.http.bounded_cache import Memo
from proxy.http.fields import RawHeaders
from proxy.http.request_id import TRACE_ID

_UNSAFE: Final = re.compile(rb"[^\x21-\x7e]")
_UNPRINTABLE: Final = re.compile(rb"[^\x20-\x7e]")


class Line(msgspec.Struct, gc=False, omit_defaults=True):
    """The keys of a line, in the order in which they are written; a default is left out."""

    time: str
    method: str
    target: str
    route: str
    upstream: str
    endpoint: str
    status: int
    error: str | None
    attempts: int
    bytes_in: int
    bytes_out: int
    queue_ms: float
    connect_ms: float | None
    first_byte_ms: float | None
    total_ms: float
    request_id: str
    client: str
    host: str = ""
    user_agent: str = ""
    protocol: str = ""
    trace_id: str = ""
    cache: str = ""
    tries: list[dict[str, str | float]] | None = None
    coalesced: bool = False
    hedged: bool = False
    upstream_request_id: str = ""


def stamp(wall: float) -> str:
    """ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def named(fields: RawHeaders) -> tuple[str, str]:
    """User-Agent, and the trace id of traceparent (W3C Trace Context 3.2.2.3); empty for none."""
    agent = trace = ""
    for name, value in fields:
        size = len(name)  # one pass over the fields of every request
        if size == 10:
            if name.lower() == b"user-agent":  # house: one pass
                agent = _text(value)
        elif size == 11 and name.lower() == b"traceparent":  # house: one pass
            found = TRACE_ID.match(value)
            trace = "" if found is None else found[1].decode()
    return agent, trace


def named_by(exchange: Exchange) -> tuple[str, str]:
    """The same of a request, as its client sent it; without a look at all fields where known."""
    fields = exchange.headers if exchange.heard is None else exchange.heard
    known = exchange.encoded
    if known is None or known.agent is None or known.fields is not fields:
        return named(fields)
    # Whoever has put it there has looked at it.
    trace = known.trace[3:35].decode() if known.trace else exchange.request_id
    return AGENTS[known.agent], trace


def _text(value: bytes) -> str:
    """The value of a field, as text of one line."""
    if value.isascii() and (text := value.decode()).isprintable():
        return text
    return _UNPRINTABLE.sub(lambda found: b"%%%02X" % ord(found[0]), value).decode()


AGENTS: Final = Memo(_text, 512)
"""The text of each User-Agent."""


def tried(attempt: Attempt) -> dict[str, str | float]:
    """One of ``tries``."""
    return {
        "endpoint": attempt.endpoint,
        "outcome": attempt.outcome,
        "ms": round(attempt.seconds * 1000, 3),
    }


def escaped(target: bytes) -> str:
    """Text of one line, whatever a client sent."""
    if target.isascii() and (text := target.decode()).isprintable():
        return text
    return _UNSAFE.sub(lambda found: b"%%%02X" % ord(found[0]), target).decode()


def printable(text: str) -> str:
    """The same for text."""
    if text.isascii() and text.isprintable():
        return text
    return escaped(text.encode("utf-8", "surrogatepass"))


encode_lines: Final[Callable[[list[Line]], bytes]] = msgspec.json.Encoder().encode_lines


def written_as_text(fd: int) -> Callable[[list[Line]], bytes]:
    """What writes lines for people to read; in colours where ``fd`` is a terminal."""
    coloured = os.isatty(fd) and "NO_COLOR" not in os.environ
    colours = ("", "", "\33[32m", "\33[36m", "\33[33m", "\33[31m") if coloured else ("",) * 6
    end = "\33[0m" if coloured else ""

    def write(line: Line) -> str:
        colour = colours[min(line.status // 100, 5)]
        parts = [
            f"{line.time[11:-1]} {colour}{line.status}{end} {line.method} {line.target}",
            f"{line.total_ms:.1f} ms",
        ]
        if line.first_byte_ms is not None:
            parts.append(f"(first byte {line.first_byte_ms:.1f})")
        parts.append(f"in {line.bytes_in} out {line.bytes_out}")
        if line.upstream:
            parts.append(f"{line.upstream} {line.endpoint}")
        if line.attempts > 1:
            parts.append(f"attempts {line.attempts}")
        if line.error:
            parts.append(f"{colour}{line.error}{end}")
        parts.append(line.request_id)
        return " ".join(parts) + "\n"

    return lambda lines: "".join(map(write, lines)).encode("utf-8", "replace")
