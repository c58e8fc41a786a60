"""Ways in which a request ends, as data: what a client does, what an upstream does to it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tests.support.client import RawClient
from tests.support.message import CHUNKED_HEAD, OK, get, length
from tests.support.upstream import closed_port

PATIENCE = 30.0
MARK = b"<body of a request>"
BODY = MARK + b"x" * 50_000
BIG = MARK + b"x" * 3_000_000
RETRIED = {
    "retry": {"on": ["reset", "stale-connection", "503", "connect-failure"], "backoff_base": "1ms"}
}
HEDGED = {"hedge": {"delay": "20ms", "budget_percent": 100}, "retry": False}
SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
SLOW_CLOCK = {"timeouts": {"first_byte": "50ms", "idle": "50ms"}}
UPGRADED = b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
OFFER = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"

Use: TypeAlias = Callable[[RawClient], Awaitable[None]]


def put(body: bytes = BODY, method: bytes = b"PUT", fields: bytes = b"") -> bytes:
    """An upload."""
    return b"%b / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n%b\r\n%b" % (
        method,
        len(body),
        fields,
        body,
    )


def asks(*pieces: bytes, status: int = 200, patience: float = PATIENCE) -> Use:
    """Sends these, each when the one before has arrived, and reads the answer."""

    async def use(client: RawClient) -> None:
        for piece in pieces:
            await client.send(piece)
            await asyncio.sleep(0.005)
        response = await client.receive(patience=patience)
        assert response.status == status or not status

    return use


def leaves(*pieces: bytes, after: bytes = b"", reset: bool = False) -> Use:
    """Sends these, waits for ``after`` in the reply, and goes."""

    async def use(client: RawClient) -> None:
        for piece in pieces:
            await client.send(piece)
            await asyncio.sleep(0.005)
        if after:
            await client.read_until(after)
        await asyncio.sleep(0.02)
        if reset:
            client.reset()

    return use


def cut(*pieces: bytes) -> Use:
    """Sends these, and reads until the proxy ends it."""

    async def use(client: RawClient) -> None:
        for piece in pieces:
            await client.send(piece)
        while await client.read():
            pass

    return use


@dataclass
class Ending:
    """One way in which a request ends."""

    use: Use
    upstream: list[Any] = field(default_factory=lambda: [["wait-body", OK]])
    options: dict[str, Any] = field(default_factory=dict)
    url: str = ""
    receive_buffer: int = 0


HALF = put()[: len(put()) // 2]
CHUNKED_PUT = (
    b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"%x\r\n%b\r\n" % (len(BODY), BODY),
    b"0\r\n\r\n",
)
EXPECTS = b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
CLOSING = b"Connection: close\r\n"
RESET_EARLY = [("body", 10), "rst"]
HELD = {
    "spool": True,
    "max_body": "10KiB",
    "on": ["reset", "stale-connection", "503"],
    "backoff_base": "1ms",
}

ENDINGS = {
    "answered": Ending(asks(get())),
    "answered and closed": Ending(asks(get(fields=CLOSING))),
    "posted": Ending(asks(put(method=b"POST"))),
    "posted and closed": Ending(asks(put(method=b"POST", fields=CLOSING))),
    "posted in pieces": Ending(asks(HALF, put()[len(HALF) :])),
    "chunked": Ending(asks(*CHUNKED_PUT)),
    "http/1.0": Ending(asks(put().replace(b"HTTP/1.1", b"HTTP/1.0"))),
    "100-continue": Ending(asks(EXPECTS % len(BODY), BODY)),
    "100-continue, gone": Ending(leaves(EXPECTS % len(BODY)), [["hold"]]),
    "gone while served": Ending(leaves(get()), [["hold"]]),
    "gone behind its body": Ending(leaves(put()), [["hold"]]),
    "reset behind its body": Ending(leaves(put(), reset=True), [["hold"]]),
    "gone in its body": Ending(leaves(HALF), [["hold"]]),
    "reset in its body": Ending(leaves(HALF, reset=True), [["hold"]]),
    "gone in its body, not read": Ending(leaves(put(BIG)[:200_000]), [["read-nothing", "hold"]]),
    "gone in its reply": Ending(
        leaves(get(), after=b"some"), [[CHUNKED_HEAD, b"4\r\nsome\r\n", "hold"]]
    ),
    "api resets": Ending(asks(put(method=b"POST"), status=502), [["wait-body", "rst"]]),
    "api resets in the body": Ending(leaves(put(BIG)[:200_000]), [RESET_EARLY]),
    "api closes": Ending(asks(put(method=b"POST"), status=502), [["wait-body", "fin"]]),
    "api refuses": Ending(
        asks(put(), status=502), url=f"http://127.0.0.1:{closed_port()}", options=RETRIED
    ),
    "api is no http": Ending(asks(put(), status=502), [["wait-body", b"junk\r\n\r\n"]]),
    "api has no time": Ending(asks(put(), status=504), [["hold"]], SLOW_CLOCK),
    "api takes nothing": Ending(leaves(put(BIG)[:300_000]), [["read-nothing", "hold"]], SLOW_CLOCK),
    "reply breaks": Ending(cut(get()), [[CHUNKED_HEAD, b"4\r\nsome\r\n", "fin"]]),
    "reply is reset": Ending(cut(get()), [[CHUNKED_HEAD, b"4\r\nsome\r\n", "rst"]]),
    "reply stalls": Ending(cut(get()), [[CHUNKED_HEAD, b"4\r\nsome\r\n", "hold"]], SLOW_CLOCK),
    "reply until close": Ending(asks(get()), [[b"HTTP/1.1 200 OK\r\n\r\nsome", "fin"]]),
    "reply is long": Ending(asks(get()), [[length(b"y" * 3_000_000)]]),
    "reply is not read": Ending(
        leaves(get(), after=b"yyyy"), [[length(b"y" * 3_000_000)]], receive_buffer=4096
    ),
    "reply is never read": Ending(
        leaves(get(), after=b"yyyy"),
        [[length(b"y" * 3_000_000)]],
        {"server": {"write_idle_timeout": "20ms"}},
        receive_buffer=4096,
    ),
    "early reply": Ending(
        asks(put(BIG)[:200_000], status=413), [[("body", 10), length(b"", status=b"413 X"), "hold"]]
    ),
    "early reply, gone": Ending(
        leaves(put(BIG)[:200_000], after=b"413"),
        [["read-nothing", length(b"", status=b"413 X"), "hold"]],
    ),
    "503": Ending(asks(put(), status=503), [["wait-body", length(b"", status=b"503 X")]]),
    "retried after 503": Ending(
        asks(put()), [["wait-body", length(b"", status=b"503 X")], ["wait-body", OK]], RETRIED
    ),
    "retried after a reset": Ending(
        asks(put()), [["wait-body", "rst"], ["wait-body", OK]], RETRIED
    ),
    "retried in vain": Ending(asks(put(), status=502), [["wait-body", "rst"]], RETRIED),
    "retried in vain after 503": Ending(
        asks(HALF, put()[len(HALF) :], status=503),
        [["wait-body", length(b"", status=b"503 X")]],
        RETRIED,
    ),
    "gone while it is retried": Ending(
        leaves(HALF, put()[len(HALF) :]), [["wait-body", "rst"], ["hold"]], RETRIED
    ),
    "spooled": Ending(asks(put(BIG)), options={"retry": HELD}),
    "spooled and retried": Ending(
        asks(put(BIG)), [["wait-body", "rst"], ["wait-body", OK]], {"retry": HELD}
    ),
    "gone while spooled": Ending(leaves(put(BIG)[:200_000]), [["hold"]], {"retry": HELD}),
    "api resets while spooled": Ending(
        leaves(put(BIG)[:200_000]), [RESET_EARLY, ["hold"]], {"retry": HELD}
    ),
    "copied": Ending(asks(put()), [[0.1, "wait-body", OK], ["wait-body", OK]], HEDGED),
    "copied and overtaken": Ending(asks(put()), [[0.06, "wait-body", OK], ["hold"]], HEDGED),
    "copied, in pieces": Ending(
        asks(HALF, put()[len(HALF) :]), [[0.1, "wait-body", OK], ["wait-body", OK]], HEDGED
    ),
    "copied in vain": Ending(
        asks(put(), status=502), [[0.05, "wait-body", "rst"], [0.05, "rst"]], HEDGED
    ),
    "gone while copied": Ending(leaves(put(), b""), [["hold"]], HEDGED),
    "shared": Ending(asks(get()), [[0.02, OK]], {"coalesce": {}}),
    "shared, gone": Ending(leaves(get()), [["hold"]], {"coalesce": {}}),
    "shared, streamed": Ending(
        asks(get()), [[CHUNKED_HEAD, 0.02, b"2\r\nok\r\n0\r\n\r\n"]], {"coalesce": {}}
    ),
    "shared, broken": Ending(asks(get(), status=502), [["rst"]], {"coalesce": {}}),
    "total": Ending(asks(put(), status=504), [["hold"]], {"timeouts": {"total": "50ms"}}),
    "per_try": Ending(
        asks(put(), status=504),
        [["hold"]],
        {"timeouts": {"per_try": "30ms", "first_byte": "90ms"}, **RETRIED},
    ),
    "deadline": Ending(
        asks(get(fields=b"X-Request-Timeout-Ms: 100\r\n"), status=504), [["hold"]], {"deadline": {}}
    ),
    "body too slow": Ending(
        asks(HALF, status=408), [["hold"]], {"server": {"body_idle_timeout": "30ms"}}
    ),
    "body too large": Ending(asks(put(), status=413), options={"server": {"max_body": "1KiB"}}),
    "chunked body too large": Ending(
        asks(*CHUNKED_PUT[:2], status=413), [["hold"]], {"server": {"max_body": "1KiB"}}
    ),
    "body malformed": Ending(asks(CHUNKED_PUT[0], b"zz\r\n", status=400), [["hold"]]),
    "malformed": Ending(asks(b"GET / HTTP/1.1\r\nno colon\r\n\r\n", status=400)),
    "no host": Ending(asks(b"GET / HTTP/1.1\r\n\r\n", status=400)),
    "head too large": Ending(asks(get(fields=b"X-A: %b\r\n" % (b"a" * 20_000)), status=431)),
    "head too slow": Ending(
        asks(b"GET / HT", status=408), options={"server": {"request_headers_timeout": "30ms"}}
    ),
    "no route": Ending(
        asks(put(), status=404), options={"routes": [{"path": "/x", "upstream": "api"}]}
    ),
    "ejected": Ending(
        asks(put(), status=0),
        [["wait-body", "rst"]],
        {"circuit_breaker": {"consecutive_failures": 1}},
    ),
    "no permit": Ending(
        asks(put(), status=0),
        [["wait-body", 0.01, OK]],
        {"concurrency": {"max_requests": 1, "min": 1}, "queue": {"size": 1}},
    ),
    "rate limited": Ending(asks(put(), status=0), options={"rate_limit": {"average": 0.000001}}),
    "rested too long": Ending(cut(get()), options={"server": {"keepalive_timeout": "30ms"}}),
    "pipelined": Ending(leaves(get() * 5, after=b"ok")),
    "pipelined, gone": Ending(leaves(get() * 5), [["hold"]]),
    "informed": Ending(asks(get()), [[b"HTTP/1.1 103 X\r\nLink: x\r\n\r\n", OK]]),
    "tunnel, gone": Ending(leaves(OFFER, b"hello", after=b"101"), [[UPGRADED, "hold"]]),
    "tunnel, reset": Ending(leaves(OFFER, after=b"101", reset=True), [[UPGRADED, "hold"]]),
    "tunnel, api closes": Ending(cut(OFFER), [[UPGRADED, b"hello", "fin"]]),
    "tunnel, api resets": Ending(cut(OFFER), [[UPGRADED, b"hello", "rst"]]),
    "tunnel, idle": Ending(cut(OFFER), [[UPGRADED, "hold"]], {"timeouts": {"tunnel_idle": "30ms"}}),
    "tunnel, refused": Ending(asks(OFFER), [[OK]]),
    "events, gone": Ending(leaves(get(), after=b"data"), [[SSE, b"data: 1\n\n", "hold"]]),
    "events with a heartbeat, gone": Ending(
        leaves(get(fields=b"Accept: text/event-stream\r\n"), after=b"200"),
        [["hold"]],
        {"stream": {"heartbeat": "10ms"}},
    ),
    "events end in an error": Ending(
        cut(get()), [[SSE, b"data: 1\n\n", "rst"]], {"stream": {"on_error": "event"}}
    ),
    "events are kept": Ending(
        leaves(get(), after=b"data"),
        [[SSE, b"id: 1\ndata: 1\n\n", "hold"]],
        {"stream": {"resume": "30ms"}},
    ),
    "events make no progress": Ending(
        cut(get()), [[SSE, b"data: 1\n\n", "hold"]], {"timeouts": {"progress": "30ms"}}
    ),
    "held until whole": Ending(
        asks(get(), status=502),
        [[length(b"0123456789")[:-5], "fin"]],
        {"stream": {"commit": "body:64KiB"}},
    ),
    "fixed reply": Ending(
        asks(put(), status=503),
        [["wait-body", "rst"]],
        {"routes": [{"upstream": "api", "fallback": {"status": 503, "file": "README.md"}}]},
    ),
}
