"""What servers do: the N-th time that a request comes to a server, the same in every run."""

import random
from dataclasses import dataclass
from enum import Enum
from typing import Final

from benchmarks.chaos.malformed import BROKEN


class End(Enum):
    """What becomes of a request at a server."""

    ANSWER = "a whole answer"
    EARLY = "an answer before the body was read, which is then read"
    EARLY_CLOSE = "an answer before the body was read, then a close"
    RESET = "a reset behind the head"
    CLOSE = "a close behind the head"
    RESET_BODY = "a reset inside the body"
    LATE_RESET = "a reset behind the body"
    LATE_CLOSE = "a close behind the body"
    CUT_FIN = "a close inside the reply"
    CUT_RST = "a reset inside the reply"
    STALL = "no answer"
    STALL_UPLOAD = "the body is not read"
    STALL_REPLY = "a reply that stops"
    BROKEN = "a malformed reply"
    BAD_CHUNK = "a chunked reply that loses its framing"
    SURPLUS = "a whole answer, and another one that nobody asked for"


_SHARES: Final = {
    End.ANSWER: 74.0, End.EARLY: 2, End.EARLY_CLOSE: 2, End.RESET: 2, End.CLOSE: 2,
    End.RESET_BODY: 1, End.LATE_RESET: 2, End.LATE_CLOSE: 2, End.CUT_FIN: 2, End.CUT_RST: 2,
    End.STALL: 0.7, End.STALL_UPLOAD: 0.5, End.STALL_REPLY: 0.8, End.BROKEN: 3,
    End.BAD_CHUNK: 2, End.SURPLUS: 2,
}  # fmt: skip
_INTERIM: Final = (
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n",
    b"HTTP/1.1 102 Processing\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
)
_SIZES: Final = (0, 100, 2_000, 30_000, 30_000, 300_000)


@dataclass(frozen=True, slots=True)
class Fate:
    """What one arrival of a request comes to."""

    end: End
    status: int
    size: int
    """Bytes behind the first line of the body."""
    coding: str
    """``length``, ``chunked`` or ``close``."""
    wait: float
    """Seconds between the request and the reply."""
    drip: float
    """Seconds in the midst of the reply."""
    thirst: float
    """Seconds between two reads of a body."""
    interim: tuple[bytes, ...]
    go_ahead: bool
    """Whether 100 (Continue) is sent to a request that waits for it."""
    pieces: int
    share: float
    """How far into a body or a reply it ends."""
    close: str
    """What becomes of the connection: ``keep``, ``say`` (Connection: close) or ``silent``."""
    wrong: str
    """Which malformed reply."""
    fields: tuple[str, ...]


def fate(seed: int, nonce: str, server: int, nth: int, route: str) -> Fate:
    """What happens when ``nonce`` comes to ``server`` for the ``nth`` time, from 0 on."""
    rng = random.Random(f"{seed} {nonce} at {server} {nth}")
    end = rng.choices(list(_SHARES), list(_SHARES.values()))[0]
    if route == "/hedge" and rng.random() < 0.5:
        end = End.ANSWER
    status = rng.choices((200, 201, 404, 500, 503, 429, 204, 304), (60, 5, 5, 4, 4, 2, 3, 2))[0]
    fields: tuple[str, ...] = ()
    if status in (503, 429) and route in ("/rate", "/all") and rng.random() < 0.2:
        fields = ("Retry-After: 1",)
    elif route == "/rate" and rng.random() < 0.2:
        fields = ("RateLimit-Remaining: 20", "RateLimit-Reset: 1")
    if route == "/shared" and rng.random() < 0.2:
        fields = (*fields, "Cache-Control: private")
    wait = rng.choice((0.0, 0.0, 0.002, 0.02, 0.08))
    if rng.random() < 0.03:
        wait = rng.uniform(0.2, 1.0)
    return Fate(
        end,
        status,
        rng.randrange(rng.choice(_SIZES) + 1),
        rng.choices(("length", "chunked", "close"), (5, 5, 1))[0],
        wait,
        rng.choice((0.0, 0.0, 0.0, 0.005, 0.05)),
        0.02 if rng.random() < 0.1 else 0.0,
        tuple(rng.choices(_INTERIM, k=rng.choice((1, 2)))) if rng.random() < 0.08 else (),
        rng.random() < 0.5,
        rng.choice((1, 1, 2, 6)),
        rng.random(),
        rng.choices(("keep", "say", "silent"), (8, 1, 1))[0],
        rng.choice(list(BROKEN)),
        fields,
    )


@dataclass(frozen=True, slots=True)
class Stream:
    """What becomes of a stream of events."""

    events: int
    """As many as it has in all; the same at every server."""
    last: int
    """Behind which it breaks; ``events`` for none."""
    how: str
    """``whole``, ``fin``, ``rst`` or ``stall``."""
    gap: float
    """Seconds between two events."""


def stream(seed: int, nonce: str, server: int, nth: int) -> Stream:
    """What happens when the stream ``nonce`` is asked for."""
    events = random.Random(f"{seed} {nonce} events").randrange(1, 30)
    rng = random.Random(f"{seed} {nonce} at {server} {nth}")
    how = rng.choices(("whole", "fin", "rst", "stall"), (7, 1, 1, 0.3))[0]
    last = events if how == "whole" else rng.randrange(events)
    return Stream(events, last, how, rng.choice((0.0, 0.01, 0.04)))
