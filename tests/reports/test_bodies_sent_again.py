"""What goes upstream more than once is what came, whatever happens in between.

A copy of a PUT with `Expect: 100-continue` and a chunked body went out empty where the body came
just when the copy was due, and its answer could win. Here the body's pieces, the 100 (Continue),
copies, retries, fallbacks, the disk, a body that is too large and the client's departure meet in
every order, on a grid of few moments so that many fall together.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import StreamReader
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core.body import Body
from proxy.core.errors import ClientError, ConnectFailed, ConnectionTerminated, Stage
from proxy.core.exchange import Exchange
from proxy.core.options import Duration, ServerOptions, Size
from proxy.core.reply import Ending, Reply
from proxy.core.retrying import RetryOptions, repeatable
from proxy.edge.body import WAIT_FOR_CONTINUE, ClientBody
from proxy.middleware.fallback import Fallback
from proxy.middleware.hedge import Hedge, HedgeOptions
from proxy.middleware.retry import Retry
from proxy.policy.budget import Budget
from tests.support.loop import JumpingLoop, reply
from tests.support.message import OK
from tests.support.proxy import proxied
from tests.support.upstream import RawUpstream

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
        whole = exchange.body.finished
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


MOMENTS = st.integers(0, 8)
PLANS = st.lists(
    st.builds(
        Plan,
        answers=MOMENTS,
        outcome=st.sampled_from(["ok", "503", "reset", "refused"]),
        proceeds=st.none() | MOMENTS,
        stalls=st.integers(0, 2),
        wants_all=st.booleans(),
    ),
    max_size=6,
)
PIECES = st.lists(st.tuples(MOMENTS, st.binary(min_size=1, max_size=150)), max_size=4)


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
        hedge = Hedge(inner, copies, retry, lambda: True, alone=False)
        hedge._allowance.earn()
        return Retry(hedge.handle, retry, budget, rng).handle

    return Fallback(tries(), [tries()], None, lambda e: repeatable(e, retry), retry.keep)


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
        handling = asyncio.create_task(handle(Exchange(self.method, b"/", [], body=body)))
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


CASES = st.builds(
    Case,
    pieces=PIECES,
    plans=PLANS,
    method=st.sampled_from(["PUT", "PUT", "POST"]),
    expects=st.booleans(),
    chunked=st.booleans(),
    delay=MOMENTS,
    memory=st.sampled_from([0, 1, 100, 10_000]),
    spool=st.booleans(),
    departs=st.none() | st.integers(0, 30),
    disk_fails=st.booleans(),
    turn=st.sampled_from([0.0, MOMENT / 10, MOMENT / 3]),
)


def checked(case: Case) -> Upstream:
    """Nothing but what came has gone upstream."""
    upstream, came = case.run(), case.came
    assert set(upstream.whole) <= {came}
    for part in upstream.partial:
        assert came.startswith(part)
    if len(came) > MOST:
        assert upstream.whole == []
    return upstream


@settings(max_examples=400, deadline=None)
@given(CASES)
def test_what_goes_upstream_is_what_came(case: Case) -> None:
    checked(case)


def test_a_copy_that_is_due_about_when_the_body_comes_has_all_of_it() -> None:
    """Every turn of the loop from before the body comes until it has been passed on."""
    copies = 0
    for step in range(60):
        case = Case(
            [(2 + step / 20, b"hello")],
            [Plan(answers=9, proceeds=0), Plan(answers=1)],
            expects=True,
            delay=4,
            turn=MOMENT / 20,
        )
        copies += len(checked(case).whole) - 1
    assert 0 < copies < 60


async def test_a_copy_is_due_when_the_body_has_come_but_was_not_read(jumping: JumpingLoop) -> None:
    """The moment in which a copy went out empty."""
    content = coming(jumping)
    body = ClientBody(content, None, ServerOptions(), jumping, lambda: None)
    body.keep(1000)
    reader = body.reader()
    reading = asyncio.create_task(reader.read())
    await asyncio.sleep(MOMENT)
    content.feed_data(b"hello")
    content.feed_eof()
    turns = []
    while not body.complete:
        turns.append(body.copy())
        if reading.done():
            await reader.read()
        await asyncio.sleep(0)
    assert set(turns) == {None}
    copied = body.copy()
    assert copied is not None
    assert copied.finished == b"hello"
    body.close()


@pytest.mark.parametrize("late", [0.0, 0.005, 0.02])
async def test_a_hedged_put_that_waits_for_100_arrives_whole(late: float) -> None:
    """Over sockets: `Expect: 100-continue`, chunked, the body about when the copy is due."""
    async with RawUpstream(["wait-body", OK]) as upstream:
        hedge = {"delay": "20ms", "budget_percent": 100}
        async with proxied(upstream, hedge=hedge) as proxy:
            for _ in range(20):
                async with await proxy.connect() as client:
                    await client.send(
                        b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                        b"Expect: 100-continue\r\n\r\n"
                    )
                    await asyncio.sleep(0.017 + late)
                    await client.send(b"5\r\nhello\r\n0\r\n\r\n")
                    assert (await client.receive()).status == 200
        assert {request.body for request in upstream.requests if request.complete} == {b"hello"}


async def test_too_large_a_body_is_never_copied(jumping: JumpingLoop) -> None:
    content = coming(jumping)
    body = ClientBody(content, None, ServerOptions(max_body=Size(3)), jumping)
    body.keep(1000)
    content.feed_data(b"hello")
    content.feed_eof()
    reader = body.reader()
    with pytest.raises(ClientError):
        await reader.read()
    assert (body.copy(), body.resendable, body.complete) == (None, False, False)
    body.close()


async def test_a_client_is_told_to_go_on_once_by_whoever_is_first(jumping: JumpingLoop) -> None:
    """The upstream's 100, the time it had for it, or the body that came unasked."""
    for asks_after, comes_after, expected in ((0.5, 2.0, 1), (None, 2.0, 1), (None, 0.5, 0)):
        told: list[float] = []
        content = coming(jumping)
        note: Any = lambda: told.append(jumping.time())  # noqa: B023, E731
        body = ClientBody(content, None, ServerOptions(), jumping, note)
        reading = asyncio.create_task(body.reader().read())
        began = jumping.time()
        if asks_after is not None:
            jumping.call_later(asks_after, body.proceed)
        jumping.call_later(comes_after, content.feed_data, b"x")
        assert await reading == b"x"
        body.proceed()
        assert len(told) == expected
        if told:
            assert told[0] - began == pytest.approx(asks_after or WAIT_FOR_CONTINUE)
        body.close()
