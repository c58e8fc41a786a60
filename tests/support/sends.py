"""A request with a body on a loop whose clock jumps, and an upstream that sees what is sent."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import StreamReader

from proxy.core.body import Body
from proxy.core.duration import Duration
from proxy.core.errors import ConnectFailed, ConnectionTerminated, Stage
from proxy.core.exchange import Exchange
from proxy.core.outcome import repeatable
from proxy.core.reply import Ending, Reply
from proxy.core.size import Size
from proxy.edge.http1.request_body import ClientBody
from proxy.edge.options import ServerOptions
from proxy.edge.responses import log_covered
from proxy.middleware.fallback import Fallback
from proxy.middleware.hedge.hedge import Hedge
from proxy.middleware.hedge.options import HedgeOptions
from proxy.middleware.retry.options import RetryOptions
from proxy.middleware.retry.retry import Retry
from proxy.policy.budget import Budget
from tests.support.loop import JumpingLoop, loop_clock, reply

MOMENT = 0.01
MOST = 400


class Loop(JumpingLoop):
    """Each turn of it takes a while, so that timers ring between any two; so do its threads."""

    disk_fails = False
    turn = 0.0

    def _run_once(self) -> None:
        self._jumper.now += self.turn
        super()._run_once()  # type: ignore[misc]

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        """What a thread does, later."""
        future = self.create_future()
        self.call_later(MOMENT, self._ran, future, func)
        return future

    def _ran(self, future: "asyncio.Future[Any]", work: Callable[[], Any]) -> None:
        if future.cancelled():
            return
        try:
            if self.disk_fails:
                raise OSError("no space left on device")
            future.set_result(work())
        except OSError as error:
            future.set_exception(error)


@dataclass
class Plan:
    """What an upstream does with one attempt."""

    answers: int = 5
    """Moments until it answers; 0: at once, whatever has come."""
    outcome: str = "ok"
    proceeds: int | None = None
    """Moments until it asks for the body."""
    stalls: int = 0
    """Moments between two of its reads."""
    wants_all: bool = True
    """Whether it waits for the end of the body before it answers."""


@dataclass
class Upstream:
    """Takes bodies as ``upstream/forward`` sends them: by a task that outlives the reply's head."""

    plans: list[Plan]
    whole: list[bytes] = field(default_factory=list)
    """Bodies that ended."""
    partial: list[bytes] = field(default_factory=list)
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)

    async def __call__(self, exchange: Exchange) -> Reply:
        """One attempt."""
        plan = self.plans.pop(0) if self.plans else Plan()
        if plan.outcome == "refused":
            raise ConnectFailed("refused")
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        upload: asyncio.Task[None] | None = None
        whole = exchange.body.buffered
        if whole is not None:
            self.whole.append(whole)
        else:
            upload = asyncio.create_task(self._upload(exchange.body, plan.stalls, failed))
            self.tasks.append(upload)
        try:
            if plan.proceeds is not None:
                await asyncio.sleep(plan.proceeds * MOMENT)
                exchange.body.proceed()
            await asyncio.sleep(plan.answers * MOMENT)
            if plan.wants_all and upload is not None:
                await asyncio.wait((upload, failed), return_when=asyncio.FIRST_COMPLETED)
            if failed.done():
                failed.result()
            if plan.outcome == "reset":
                raise ConnectionTerminated("reset", stage=Stage.SENT)
        except BaseException:
            if upload is not None:
                upload.cancel()
            raise
        answer = reply(503 if plan.outcome == "503" else 200)
        if upload is not None:
            answer.on_close(partial(_cancelled, upload))
        return answer

    async def _upload(self, body: Body, stalls: int, failed: "asyncio.Future[None]") -> None:
        sent = b""
        try:
            reader = body.reader()
            while data := await reader.read():
                sent += data
                self.partial.append(sent)
                await asyncio.sleep(stalls * MOMENT)
        except Exception as error:
            if not failed.done():
                failed.set_exception(error)
                failed.exception()
            return
        self.whole.append(sent)


def _cancelled(upload: "asyncio.Task[None]", *_: object) -> None:
    upload.cancel()


def coming(loop: asyncio.AbstractEventLoop) -> StreamReader:
    """Where aiohttp's parser puts what the client sends."""
    protocol = BaseProtocol(loop)
    protocol.connection_made(asyncio.Transport())
    return StreamReader(protocol, 1 << 16, loop=loop)


def chain(inner: Upstream, delay: int, memory: int, *, spool: bool) -> Fallback:
    """Fallback, retry and hedge, as a route has them."""
    retry = RetryOptions(
        on=("connect-failure", "stale-connection", "reset", "503"),
        backoff_base=Duration(MOMENT),
        max_body=Size(memory),
        spool=spool,
    )
    copies = HedgeOptions(delay=f"{delay * 10 or 1}ms", max=2, budget_percent=100)
    budget = Budget(1000, 100, 10.0)
    rng = random.Random(1)

    def tries() -> Any:
        may = partial(repeatable, rules=retry)
        hedge = Hedge(
            inner, copies, lambda: True, may, retry.keep, records_outcome=False, clock=loop_clock()
        )
        hedge._budget.deposit()
        return Retry(hedge.handle, retry, budget, rng, clock=loop_clock()).handle

    rules = partial(repeatable, rules=retry)
    return Fallback(tries(), [tries()], None, rules, covered=log_covered, keep=retry.keep)


@dataclass
class Case:
    """One request."""

    pieces: list[tuple[float, bytes]]
    """Moments before each, and what is sent."""
    plans: list[Plan]
    method: str = "PUT"
    expects: bool = False
    chunked: bool = True
    delay: int = 1
    memory: int = 0
    spool: bool = True
    departs: int | None = None
    disk_fails: bool = False
    turn: float = 0.0

    @property
    def came(self) -> bytes:
        """The body."""
        return b"".join(piece for _, piece in self.pieces)

    def run(self) -> Upstream:
        """What an upstream has seen of it."""
        upstream = Upstream(list(self.plans))
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(self._run(upstream))
        return upstream

    async def _run(self, upstream: Upstream) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Loop)
        loop.disk_fails, loop.turn = self.disk_fails, self.turn
        told = asyncio.Event()
        content = coming(loop)
        body = ClientBody(
            content,
            None if self.chunked else len(self.came),
            ServerOptions(max_body=Size(MOST)),
            loop,
            told.set if self.expects else None,
        )

        async def client() -> None:
            if self.expects:
                await told.wait()
            for moments, piece in self.pieces:
                await asyncio.sleep(moments * MOMENT)
                content.feed_data(piece)
            content.feed_eof()

        sending = asyncio.create_task(client())
        handle = chain(upstream, self.delay, self.memory, spool=self.spool).handle
        handling = asyncio.create_task(handle(Exchange(self.method, b"/", [], b"/", body=body)))
        patience = None if self.departs is None else self.departs * MOMENT
        await asyncio.wait((handling,), timeout=patience)
        handling.cancel()
        for answer in await asyncio.gather(handling, return_exceptions=True):
            if isinstance(answer, Reply):
                answer.close(Ending.ABANDONED)
        body.close()
        sending.cancel()
        await asyncio.sleep(100 * MOMENT)
        for task in upstream.tasks:
            task.cancel()
