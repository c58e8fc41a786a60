"""A loop whose clock jumps, and what stands around a middleware under test."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeAlias, TypeVar

from proxy.core.body import EMPTY, BytesBody, BytesReader
from proxy.core.clock import Clock
from proxy.core.errors import ProxyError
from proxy.core.exchange import Exchange
from proxy.core.reply import Ending, Reply
from proxy.http.fields import RawHeaders

T = TypeVar("T")


class Stuck(Exception):
    """Nothing is ready and no timer is pending: this would have hung for ever."""


class _Jumper(selectors.DefaultSelector):
    """Moves the clock instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready now; otherwise the clock jumps to the next timer."""
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise Stuck("nothing is ready and no timer is pending")
            self.now += max(timeout, 0)
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    """Thirty seconds pass at once, and what would hang fails at once.

    Not for sockets or threads: time does not stand still for them.
    """

    def __init__(self) -> None:
        self._jumper = _Jumper()
        super().__init__(self._jumper)

    def time(self) -> float:
        """The clock that jumps."""
        return self._jumper.now

    def move(self, seconds: float) -> None:
        """Something takes so long."""
        self._jumper.now += seconds


def loop_clock() -> Clock:
    """The running loop's own, for what is handed the clock of the proxy."""
    return asyncio.get_running_loop().time


class Canned:
    """A body that is already here."""

    __slots__ = ("_left", "ending")

    def __init__(self, body: bytes) -> None:
        self._left = body
        self.ending: Ending | None = None

    @property
    def buffered(self) -> bytes | None:
        """All of it."""
        return self._left

    async def read(self) -> bytes:
        """All of it, then the end."""
        left, self._left = self._left, b""
        return left

    def close(self, ending: Ending) -> None:
        """Remember how it ended."""
        self.ending = ending


class CannedReply(Reply):
    """A reply that remembers how it was closed."""

    @property
    def ending(self) -> Ending | None:
        """How it was closed; None where nobody did."""
        assert isinstance(self.source, Canned)
        return self.source.ending


def reply(status: int = 200, headers: RawHeaders = (), body: bytes = b"") -> CannedReply:
    """What an upstream answers."""
    return CannedReply(status, headers, Canned(body), length=len(body))


class KeptBody(BytesBody):
    """A request body that can be read again, unless a test says otherwise."""

    def __init__(self, data: bytes, *, resendable: bool = True) -> None:
        super().__init__(data, b"", len(data))
        self.resendable = self.complete = resendable  # type: ignore[misc]
        self._begun = False

    def copy(self) -> Any:
        """Itself, where it can be read again."""
        return self if self.resendable else None

    def reader(self) -> BytesReader:
        """Once, or as often as it can be read again."""
        assert self.resendable or not self._begun, "this body cannot be sent again"
        self._begun = True
        return super().reader()


class SlowUpload(KeptBody):
    """A request body for which the client is waited for during these spans of time."""

    def __init__(self, *spans: tuple[float, float]) -> None:
        """Each span: seconds from now to its begin and to its end."""
        super().__init__(b"")
        self.buffered = None  # type: ignore[assignment]  # it has not come whole
        self._now = _now()
        self._spans = spans

    def waited(self, now: float) -> float:
        """Of all spans, as far as they are over."""
        since = now - self._now
        return sum(max(0.0, min(since, end) - begin) for begin, end in self._spans)

    def reader(self) -> BytesReader:
        """What was sent does not matter."""
        return BytesReader(b"")


def upload(*spans: tuple[float, float]) -> Exchange:
    """A PUT whose client is waited for during these spans of time."""
    return Exchange("PUT", b"/", (), b"/", body=SlowUpload(*spans), started_at=_now())


def get(path: str = "/", headers: RawHeaders = (), method: str = "GET") -> Exchange:
    """An exchange without a body."""
    return Exchange(
        method, path.encode(), headers, path.encode(), path=path, body=EMPTY, started_at=_now()
    )


def post(
    path: str = "/", body: bytes = b"", headers: RawHeaders = (), *, resendable: bool = True
) -> Exchange:
    """An exchange with a body."""
    kept = KeptBody(body, resendable=resendable)
    return Exchange(
        "POST", path.encode(), headers, path.encode(), path=path, body=kept, started_at=_now()
    )


def _now() -> float:
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return 0.0


Outcome: TypeAlias = (
    "Reply | ProxyError | type[ProxyError] | Callable[[Exchange], Awaitable[Reply]]"
)


class Script:
    """An inner handler that answers in order; an outcome ``(seconds, outcome)`` takes its time.

    Unlike an upstream's script it does not repeat its last outcome: one send too many fails.
    """

    def __init__(self, *outcomes: "Outcome | tuple[float, Outcome]") -> None:
        self._outcomes: Iterator[Any] = iter(outcomes)
        self.exchanges: list[Exchange] = []
        self.bodies: list[bytes] = []
        self.times: list[float] = []

    @property
    def sends(self) -> int:
        """How often it was asked."""
        return len(self.exchanges)

    async def __call__(self, exchange: Exchange) -> Reply:
        """Play the next outcome."""
        self.exchanges.append(exchange)
        self.times.append(asyncio.get_running_loop().time())
        outcome = next(self._outcomes, None)
        assert outcome is not None, f"send {self.sends} was not expected"
        if isinstance(outcome, tuple):
            seconds, outcome = outcome
            await asyncio.sleep(seconds)
        self.bodies.append(await exchange.body.reader().read())
        if isinstance(outcome, Reply):
            return outcome
        if isinstance(outcome, BaseException | type):
            raise outcome
        answer: Reply = await outcome(exchange)
        return answer


async def settle(awaitable: Awaitable[T]) -> T | ProxyError:
    """What became of it: its result, or the ProxyError that it raised."""
    try:
        return await awaitable
    except ProxyError as error:
        return error
