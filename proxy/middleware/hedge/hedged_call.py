"""One request and its copies: the first good answer wins. ``hedge.py`` says how."""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from proxy.core.errors import UpstreamError, forget_frames
from proxy.core.exchange import Exchange, Handler
from proxy.core.outcome import FAILED, NEEDS_VERDICT, attempt_outcome
from proxy.core.record import ABANDONED, HEDGED, NOT_ATTEMPTED, Attempt
from proxy.core.reply import Ending, Reply

if TYPE_CHECKING:
    from proxy.middleware.hedge.hedge import Hedge


def acceptable(reply: Reply) -> bool:
    """Whether a reply is a good answer, which ends the call."""
    return reply.status not in NEEDS_VERDICT


_NONE: Final[Mapping[Any, Any]] = MappingProxyType({})
"""Nearly every request is answered before it has a copy, and then keeps nothing of any."""
_GROWTH: Final = 0.5
"""Of the time that it has waited: so much later a copy is asked for again."""


class HedgedCall(msgspec.Struct, eq=False):
    """A request and its copies. A struct, as ``Exchange`` is: one is made for each request."""

    _source: "Hedge"
    _exchange: Exchange
    _delay: float
    _started_at: float
    _task: asyncio.Task[Any]
    """That of the request itself, which runs it."""
    _asked: bool = False
    """Whether the next copy was asked for already, in vain."""
    _running: Mapping[asyncio.Task[Reply], tuple[Exchange, float]] = _NONE
    """The copies under way, by their tasks: each copy, and when it was launched."""
    _launched: tuple[tuple[Exchange, float], ...] = ()
    """All copies in their order, also those that have ended."""
    _ends: Mapping[Exchange, tuple[str, float]] = _NONE
    """What came of those that were no good answer before the call was decided, and when."""
    _winner: tuple[Exchange, Reply] | None = None
    """The copy that was answered well first, until its reply has been handed on."""
    _copy_done: asyncio.Future[None] | None = None
    """Set once the request itself has failed: done when the next copy has ended."""
    _finished: bool = False

    async def run(self, inner: Handler) -> Reply:
        """Send the request, and copies after each delay, until there is an answer."""
        self._source.delays.enter(self, self._started_at + self._delay)
        own: Reply | UpstreamError
        try:
            own = await inner(self._exchange)
        except UpstreamError as error:
            forget_frames(error)
            own = error
        except asyncio.CancelledError:
            if self._winner is None or self._task.uncancel():
                self._give_up()
                raise
            return self._adopt_winner()
        except BaseException:
            self._give_up()
            raise
        else:
            if acceptable(own):
                if self._launched:
                    self._finish()
                    self._record(None, own)
                else:
                    self._source.delays.leave(self)
                return own
        self._source.delays.leave(self)
        failed_at = self._source.clock()
        self._ends = {**self._ends, self._exchange: (attempt_outcome(own), failed_at)}
        try:
            await self._wait_for_copies()
        except BaseException:
            if isinstance(own, Reply):
                own.close(Ending.ABANDONED)
            self._give_up()
            raise
        if self._winner is not None:
            if isinstance(own, Reply):
                own.drop()
            return self._adopt_winner()
        self._finish()
        if self._copy_done is not None:
            record = self._exchange.record
            record.attempt_ended_at = failed_at
            if record.first_byte_at is not None:  # until now, another server was waited for
                record.first_byte_at = self._source.clock()
        self._record(None, own)
        if isinstance(own, UpstreamError):
            raise own
        return own

    def rang(self) -> None:
        """Launch a copy: there is still no answer ``delay`` after the last launch."""
        source, exchange = self._source, self._exchange
        running, launched = len(self._running), len(self._launched)
        twin = source.make_copy(exchange, running, launched, again=self._asked)
        if twin is None:
            # There may be one later: the budget grows, and a server may be well again.
            self._asked = True
            if source.may_copy_later(exchange, launched):
                now = source.clock()
                waited = max(now - self._started_at, self._delay)
                source.delays.enter_apart(self, now + waited * _GROWTH)
            return
        self._asked = False
        for other, _ in self._running.values():  # which may be ended for an attempt that follows
            other.record.attempts_left = exchange.record.attempts_left
        now = twin.record.attempt_began_at = source.clock()
        # Balancing sends the copy to a server that has neither the request nor another copy.
        twin.record.attempt_log += tuple(
            _attempt(one, *self._ends.get(one, (HEDGED, now)), launched_at)
            for one, launched_at in [(exchange, self._started_at), *self._launched]
        )
        twin.record.inherited = len(twin.record.attempt_log)
        task = source.launch(twin)
        self._running = {**self._running, task: (twin, now)}
        self._launched += ((twin, now),)
        task.add_done_callback(self._on_copy_done)
        source.delays.enter_apart(self, now + self._delay)

    def _on_copy_done(self, task: "asyncio.Task[Reply]") -> None:
        """A copy has been answered, has failed or was cancelled."""
        twin, _ = self._running[task]
        self._running = {each: of for each, of in self._running.items() if each is not task}
        if not task.cancelled():
            self._judge(twin, task.exception() or task.result())
        if self._copy_done is not None and not self._copy_done.done():
            self._copy_done.set_result(None)

    def _judge(self, twin: Exchange, came: Reply | BaseException) -> None:
        if isinstance(came, Reply) and acceptable(came):
            if not self._finished and self._winner is None:
                self._winner = (twin, came)
                if self._copy_done is None:
                    self._task.cancel()
                return
        else:
            outcome = attempt_outcome(came) if isinstance(came, Reply | UpstreamError) else FAILED
            self._ends = {**self._ends, twin: (outcome, self._source.clock())}
        if isinstance(came, Reply):
            came.drop()

    async def _wait_for_copies(self) -> None:
        """The request itself has failed: wait until a copy has won or all have ended."""
        while self._winner is None and self._running:
            self._copy_done = self._source.loop.create_future()
            (twin, _), *_ = self._running.values()
            self._exchange.record.call = twin.record
            try:
                await self._copy_done
            finally:
                self._exchange.record.call = None

    def _adopt_winner(self) -> Reply:
        """A copy has won: what was found out about it counts for the request."""
        assert self._winner is not None
        twin, reply = self._winner
        self._winner = None
        self._finish()
        self._source.copies["won"] += 1
        self._source.copies["sent"] += 1
        self._record(twin, reply)
        self._exchange.record.adopt(twin.record)
        return reply

    def _record(self, winner: Exchange | None, outcome: Reply | UpstreamError) -> None:
        """If there were copies, log the attempts that lost, and perhaps the one that
        counts: the winner, or the request itself where that is None."""
        if not self._launched:
            return
        counts = winner or self._exchange
        began, now = self._log_others(counts, HEDGED), self._source.clock()
        if winner is not None:
            self._exchange.record.attempt_log += _own(winner)
        if self._source.records_outcome:  # else the retry above logs it
            record, came = counts.record, attempt_outcome(outcome)
            began = record.attempt_began_at or began
            self._exchange.record.attempt_log += (
                record.attempt(record.endpoint, came, began, now),
            )

    def _log_others(self, counts: Exchange | None, outcome: str) -> float:
        """Log all attempts but the one that counts; returns when that one began.

        ``outcome``: what is logged of attempts that have not ended by themselves."""
        now, record = self._source.clock(), self._exchange.record
        began = self._started_at
        for one, launched_at in [(self._exchange, self._started_at), *self._launched]:
            if one is counts:
                began = launched_at
                continue
            came, ended_at = self._ends.get(one, (outcome, now))
            came = came if one.record.is_unlogged else NOT_ATTEMPTED
            if one is not self._exchange:
                self._source.copies["sent"] += one.record.attempt_count > 0
                record.attempt_count += one.record.attempt_count
                record.attempt_log += _own(one)
            record.attempt_log += (_attempt(one, came, ended_at, launched_at),)
        return began

    def _finish(self) -> None:
        """The call is decided: no copy is sent any more, and those under way are cancelled."""
        self._finished = True
        self._source.delays.leave(self)
        if self._winner is not None:
            self._winner[1].close(Ending.ABANDONED)
            self._winner = None
        for task in self._running:
            task.cancel()

    def _give_up(self) -> None:
        """The call is ended from above. What comes of the request itself is told by that, unless it
        has failed before."""
        if self._launched:
            self._log_others(None if self._exchange in self._ends else self._exchange, ABANDONED)
        self._finish()


async def answer(inner: Handler, twin: Exchange) -> Reply:
    """The reply to a copy, in a task of its own."""
    try:
        return await inner(twin)
    except BaseException as error:
        forget_frames(error)  # the task keeps the error, and some of the frames hold the task
        raise


def _own(copy: Exchange) -> tuple[Attempt, ...]:
    """Those of a copy that are in its log, because another one followed: a key was refused."""
    own = copy.record.attempt_log[copy.record.inherited :]
    return tuple(each._replace(beside=True) for each in own)


def _attempt(one: Exchange, outcome: str, ended_at: float, began: float) -> Attempt:
    """What became of the request or a copy beside the one that counts."""
    record = one.record
    began = record.attempt_began_at or began  # later where a key was refused
    return record.attempt(record.endpoint, outcome, began, ended_at, beside=True)
