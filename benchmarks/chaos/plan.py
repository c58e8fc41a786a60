"""What clients do: the connection with number N of a seed is the same in every run."""

import random
from dataclasses import dataclass
from enum import Enum
from typing import Final

from benchmarks.chaos.content import TRAILERS, chunked, upload
from benchmarks.chaos.malformed import MALFORMED

HEDGE_DELAY: Final = 0.03
"""Seconds after which the proxy sends a copy on ``/hedge`` and ``/all``."""
GROUP: Final = 6
"""Connections in a row that ask for the same on ``/shared``."""
_BEHIND: Final = (b"", b"", b"", b"\r\n\r\n", b"\r\nbad\r\n\r\n", b"GET /plain/ HTTP/1.1\r\nHo")
_SIZES: Final = (5, 450, 5_000, 20_000, 70_000, 290_000)
_BODIES: Final = ("POST", "POST", "PUT", "PUT", "PATCH", "DELETE")
_BARE: Final = ("GET", "GET", "GET", "GET", "HEAD", "DELETE", "OPTIONS")
ROUTES: Final = {
    "/plain": 3, "/retry": 4, "/hedge": 5, "/shared": 2, "/rate": 1, "/queue": 3, "/adaptive": 2,
    "/deadline": 1, "/fallback": 2, "/all": 5, "/events": 2, "/tunnel": 2,
}  # fmt: skip
"""The routes of the proxy and their shares."""
SAFE_TWICE: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


class Kind(Enum):
    """What a request is about."""

    PLAIN = "plain"
    EVENTS = "events"
    TUNNEL = "tunnel"
    MALFORMED = "malformed"


class Leave(Enum):
    """How a client goes before it has its answer."""

    NO = "stays"
    FIN = "closes"
    RST = "resets"
    HALF = "closes one half and reads on"
    STALL = "stops to send and waits"


class Point(Enum):
    """Where it does so."""

    HEAD = "inside the head"
    BODY = "inside the body"
    WAIT = "behind the request"
    REPLY = "inside the reply"


@dataclass(frozen=True, slots=True)
class Ask:
    """One request."""

    name: str
    """Its X-Request-Id, which the log bears; no two requests share one."""
    nonce: str
    """What its target bears; requests that are meant to be equal share one."""
    kind: Kind
    route: str
    method: str = "GET"
    size: int = 0
    """Bytes of its body."""
    coding: str = ""
    """``length``, ``chunked`` or none."""
    expect: float | None = None
    """Seconds that it waits for 100 (Continue) before it sends its body all the same."""
    hold: float = 0.0
    """Seconds between head and body."""
    pieces: int = 1
    """Writes that it comes in."""
    key: bool = False
    """Whether it has an Idempotency-Key."""
    old: bool = False
    """HTTP/1.0."""
    closes: bool = False
    """Whether it says Connection: close."""
    wide: int = 0
    """Bytes of a field that only makes its head long."""
    patience_ms: int = 0
    """What it says in X-Request-Timeout-Ms; 0: nothing."""
    leave: Leave = Leave.NO
    point: Point = Point.WAIT
    share: float = 0.0
    """How far into ``point`` it leaves."""
    slow: float = 0.0
    """Seconds for which it may pause while it takes its reply."""
    wrong: str = ""
    """What is malformed about it."""

    @property
    def target(self) -> str:
        """Path and query."""
        return f"{self.route}/{self.nonce}?a=%2F&b=;..;"

    @property
    def unsafe(self) -> bool:
        """Whether a server may see it once only (RFC 9110 9.2.2)."""
        return self.method not in SAFE_TWICE and not self.key

    @property
    def body(self) -> bytes:
        """What it carries."""
        return upload(self.nonce, self.size)

    def head(self, *, last_event: int = 0) -> bytes:
        """Its bytes up to the body. ``last_event``: the id behind which a stream is to go on."""
        lines = [f"{self.method} {self.target} HTTP/1.{0 if self.old else 1}", "Host: chaos"]
        lines.append(f"X-Request-Id: {self.name}")
        if self.old and self.kind is Kind.PLAIN:
            lines.append("Connection: keep-alive")
        elif self.closes:
            lines.append("Connection: close")
        if self.wide:
            lines.append(f"X-Wide: {'w' * self.wide}")
        if self.key:
            lines.append(f"Idempotency-Key: {self.nonce}")
        if self.patience_ms:
            lines.append(f"X-Request-Timeout-Ms: {self.patience_ms}")
        if self.expect is not None:
            lines.append("Expect: 100-continue")
        if self.kind is Kind.EVENTS:
            lines.append("Accept: text/event-stream")
        if last_event:
            lines.append(f"Last-Event-ID: {last_event}")
        if self.kind is Kind.TUNNEL:
            protocol = "websocket" if self.size % 3 else "chaos"
            lines += ["Connection: Upgrade", f"Upgrade: {protocol}"]
        if self.coding == "length":
            lines.append(f"Content-Length: {self.size}")
        elif self.coding:
            lines.append("Transfer-Encoding: chunked")
        return "\r\n".join(lines).encode() + b"\r\n\r\n"

    def framed(self) -> bytes:
        """Its body as it goes over the wire."""
        if self.coding != "chunked":
            return self.body if self.coding else b""
        rng = random.Random(f"{self.name} chunks")
        return chunked(self.body, rng, rng.choice((1, 2, 3, 9)), rng.choice(TRAILERS))


@dataclass(frozen=True, slots=True)
class Session:
    """One connection and the requests on it."""

    number: int
    asks: tuple[Ask, ...]
    pipelined: bool = False
    """Whether all are sent before the first is answered."""
    buffer: int = 0
    """SO_RCVBUF of a client that reads slowly; 0: the system's."""
    behind: bytes = b""
    """What follows the last of them, where they are pipelined."""
    unix: bool = False
    """Whether it comes over the unix socket."""


def session(seed: int, number: int) -> Session:
    """What the connection with this number does."""
    rng = random.Random(f"{seed} session {number}")
    if rng.random() < 0.03:
        wrong = rng.choice(list(MALFORMED))
        name = f"{seed}-{number}-x"
        ask = Ask(name, name, Kind.MALFORMED, "/plain", wrong=wrong, pieces=rng.choice((1, 1, 4)))
        return Session(number, (ask,))
    route = rng.choices(list(ROUTES), list(ROUTES.values()))[0]
    if route == "/events":
        return Session(number, (_events(seed, number, rng),))
    if route == "/tunnel":
        return Session(number, (_tunnel(seed, number, rng),))
    if route in ("/hedge", "/all") and rng.random() < 0.4:
        # What a copy could send too early: the body comes about when the copy is due.
        asks = tuple(_late(seed, f"{number}-{index}", route, rng) for index in range(2))
        return Session(number, asks)
    if route == "/shared":
        ask = _shared(seed, number, rng)
        return Session(number, (ask,))
    count = rng.choice((1, 1, 1, 2, 3, 5))
    pipelined = count > 1 and rng.random() < 0.4
    asks = tuple(
        _ask(seed, f"{number}-{index}", route, rng, last=index == count - 1, small=pipelined)
        for index in range(count)
    )
    slow = any(ask.slow for ask in asks)
    behind = rng.choice(_BEHIND) if pipelined else b""
    # A cut that only the end of the connection shows needs RST, which unix sockets do not have.
    unix = rng.random() < 0.15 and not any(ask.old for ask in asks)
    return Session(number, asks, pipelined, 4096 if slow else 0, behind, unix)


def _ask(seed: int, number: str, route: str, rng: random.Random, *, last: bool, small: bool) -> Ask:
    name = f"{seed}-{number}"
    bodied = rng.random() < 0.5
    method = rng.choice(_BODIES if bodied else _BARE)
    size = 0
    if bodied and rng.random() < 0.95:
        size = rng.randrange(rng.choice(_SIZES[: 3 if small else None])) + 1
    leave, point = Leave.NO, Point.WAIT
    if last and not small and rng.random() < 0.15:
        leave = rng.choice((Leave.FIN, Leave.RST, Leave.RST, Leave.HALF, Leave.STALL))
        point = rng.choice(list(Point))
        if leave is Leave.STALL:
            point = rng.choice((Point.HEAD, Point.BODY))
        elif leave is Leave.HALF:
            point = Point.WAIT
        if point is Point.BODY and not size:
            point = Point.WAIT if leave is not Leave.STALL else Point.HEAD
    old = not small and rng.random() < 0.06
    expects = bool(size) and not small and not old and rng.random() < 0.2
    codings = ("length",) if old else ("length", "chunked")
    return Ask(
        name,
        name,
        Kind.PLAIN,
        route,
        method,
        size,
        coding=rng.choice(codings) if bodied else "",
        expect=rng.choice((0.0, 0.02, 2.5)) if expects else None,
        hold=rng.uniform(0, 0.06) if size and not small and rng.random() < 0.2 else 0.0,
        pieces=rng.choice((1, 1, 2, 5, 17)),
        key=method in ("POST", "PATCH") and rng.random() < 0.3,
        old=old,
        closes=last and not old and rng.random() < 0.1,
        wide=rng.choice((3_000, 9_000)) if rng.random() < 0.05 else 0,
        patience_ms=rng.choice((40, 300, 2000)) if route in ("/deadline", "/all") else 0,
        leave=leave,
        point=point,
        share=rng.random(),
        slow=0.0 if small else rng.choices((0.0, 0.3, 5.0), (95, 4, 1))[0],
    )


def _late(seed: int, number: str, route: str, rng: random.Random) -> Ask:
    """An upload whose body comes about when a copy of the request is due."""
    name = f"{seed}-{number}"
    return Ask(
        name,
        name,
        Kind.PLAIN,
        route,
        rng.choice(("PUT", "PUT", "DELETE", "POST")),
        rng.choice((5, 450, 5_000, 288_000)),
        coding=rng.choice(("chunked", "chunked", "chunked", "length")),
        expect=0.0 if rng.random() < 0.8 else None,
        hold=HEDGE_DELAY + rng.uniform(-0.006, 0.006),
        pieces=rng.choice((1, 1, 2)),
        key=True,
    )


def _shared(seed: int, number: int, rng: random.Random) -> Ask:
    leave = rng.choice((Leave.NO, Leave.NO, Leave.NO, Leave.FIN, Leave.RST))
    return Ask(
        f"{seed}-{number}-0",
        f"{seed}-g{number // GROUP}",
        Kind.PLAIN,
        "/shared",
        leave=leave,
        point=rng.choice((Point.WAIT, Point.REPLY)),
        share=rng.random(),
        slow=0.3 if leave is Leave.NO and rng.random() < 0.1 else 0.0,
    )


def _events(seed: int, number: int, rng: random.Random) -> Ask:
    """A stream, which a client may leave and come back to."""
    leave = rng.choice((Leave.NO, Leave.NO, Leave.FIN, Leave.RST))
    name = f"{seed}-{number}-0"
    share = rng.random()
    return Ask(name, name, Kind.EVENTS, "/events", leave=leave, point=Point.REPLY, share=share)


def _tunnel(seed: int, number: int, rng: random.Random) -> Ask:
    """A connection that goes over to another protocol; its body is also echoed in it."""
    leave = rng.choice((Leave.NO, Leave.HALF, Leave.FIN, Leave.RST))
    name = f"{seed}-{number}-0"
    size = rng.choice((0, 10, 3_000, 3_001, 100_000))
    pieces = rng.choice((1, 3, 9))
    share = rng.random()
    return Ask(
        name,
        name,
        Kind.TUNNEL,
        "/tunnel",
        "GET" if (coding := rng.choice(("", "", "length", "chunked"))) == "" else "POST",
        size,
        coding,
        pieces=pieces,
        key=bool(coding),
        leave=leave,
        share=share,
    )
