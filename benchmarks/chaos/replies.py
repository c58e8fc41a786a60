"""What a server writes for a request, as its fate says."""

import random
from dataclasses import dataclass
from typing import Final

from benchmarks.chaos import content
from benchmarks.chaos.fates import End, Fate
from benchmarks.chaos.malformed import BROKEN

_POISONED: Final = f"{content.NONCE}: {content.POISON}\r\n".encode()
_UNASKED: Final = b"HTTP/1.1 200 OK\r\n%bContent-Length: 0\r\n\r\n" % _POISONED
BODILESS: Final = frozenset({204, 304})
_CUT: Final = (End.CUT_FIN, End.CUT_RST, End.STALL_REPLY)


@dataclass(slots=True)
class Arrival:
    """One request as it came."""

    name: str
    nonce: str
    method: str
    target: str
    fields: dict[str, str]
    fate: Fate
    body: bytes | None = None
    """All of it, once it is here."""
    sent: bool = False
    """Whether it was answered already."""

    @property
    def route(self) -> str:
        """The first segment."""
        return self.target[: self.target.index("/", 1)]


def writes(arrival: Arrival) -> list[bytes]:
    """What is written, one after the other: its head and as much of its body as is to come.

    A reply that nobody asked for comes in one write with the end of the one before. Between two
    writes the connection may have been given the next request, and then nobody could tell.
    """
    rng = random.Random(f"{arrival.nonce} writes")
    parts = list(content.pieces(_reply(arrival), rng, arrival.fate.pieces))
    if arrival.fate.end is End.SURPLUS:
        parts[-1] += _UNASKED
    return parts


def _reply(arrival: Arrival) -> bytes:
    drawn = arrival.fate
    end = drawn.end
    if end is End.BROKEN:
        return BROKEN[drawn.wrong].replace(b"%n", _POISONED)
    size = drawn.size + (10 if end in (*_CUT, End.BAD_CHUNK) else 0)
    body = content.echo(arrival.nonce, arrival.method, arrival.target, arrival.body, size)
    coding = "" if drawn.status in BODILESS else _coding(drawn)
    head = [f"HTTP/1.1 {drawn.status} Fate", f"{content.NONCE}: {arrival.nonce}", *drawn.fields]
    if coding == "chunked":
        head.append("Transfer-Encoding: chunked")
    elif coding == "length":
        head.append(f"Content-Length: {len(body)}")
    if drawn.close == "say" or drawn.coding == "close" or end is End.EARLY_CLOSE:
        head.append("Connection: close")
    framed = b""
    if drawn.status not in BODILESS and arrival.method != "HEAD":
        framed = _framed(drawn, coding, body, random.Random(f"{arrival.nonce} chunks"))
    return "\r\n".join(head).encode() + b"\r\n\r\n" + framed


def _coding(drawn: Fate) -> str:
    if drawn.end is End.BAD_CHUNK:
        return "chunked"
    if drawn.coding == "close" and drawn.end in (*_CUT, End.EARLY_CLOSE, End.SURPLUS):
        return "length"  # what comes behind, or a close too early, would be part of the reply
    return drawn.coding


def _framed(drawn: Fate, coding: str, body: bytes, rng: random.Random) -> bytes:
    if drawn.end is End.BAD_CHUNK:
        part = body[: 1 + int(drawn.share * (len(body) - 1))]
        return b"%x\r\n%b\r\nzz\r\n" % (len(part), part)
    framed = body
    if coding == "chunked":
        framed = content.chunked(body, rng, drawn.pieces, rng.choice(content.TRAILERS))
    return framed[: int(drawn.share * (len(framed) - 1))] if drawn.end in _CUT else framed
