"""One call of an upstream, for several clients: who waits for it, and what each is given."""

import asyncio
from collections.abc import Callable
from functools import partial
from operator import itemgetter
from typing import Any, Final

from proxy.core.clock import Clock
from proxy.core.errors import InternalError, forget_frames
from proxy.core.exchange import Exchange, Handler
from proxy.core.record import ANSWER, Record, Wait
from proxy.core.reply import Ending, NoMoreBytes, Reply
from proxy.core.stopwatch import Stopwatch
from proxy.middleware.coalesce.left_behind import note_end, tell_of_call
from proxy.middleware.coalesce.own_refusals import is_of_a_quota, is_own_refusal, own_error
from proxy.middleware.coalesce.shared_reply import (
    MemoryBudget,
    SharedBody,
    SharedReply,
    is_unshareable,
)
from proxy.policy.joining import LEAST, UsualTime

_NEVER: Final = float("inf")


class SharedCall:
    """One request to the upstream, and the clients that share it."""

    __slots__ = (
        "_buffered",
        "_clock",
        "_error",
        "_head_waiters",
        "_leader",
        "_leader_reply",
        "_leader_task",
        "_left",
        "_memory",
        "_on_unshareable",
        "_taking",
        "_twin",
        "_unseen",
        "_usual",
        "began",
        "clients",
        "earlier",
        "head_pending",
        "joined_for",
        "on_joining_ends",
        "record",
        "shared_reply",
        "task",
    )

    def __init__(
        self,
        leader: Exchange,
        twin: Exchange,
        memory: MemoryBudget,
        on_unshareable: Callable[[], None],
        unseen: Callable[[Exchange], None],
        *,
        usual: UsualTime,
        clock: Clock,
    ) -> None:
        """``on_unshareable`` is called when the reply may not be shared; ``unseen`` at the end,
        with the twin, where the leader has left before the head came."""
        self._leader: Exchange | None = leader
        self._leader_task: asyncio.Task[Any] | None = None
        """The task that passes on a reply which is for the leader only."""
        self._twin = twin
        self._unseen = unseen
        self._left: Record | None = None
        """The record of the leader, if it left before the head came."""
        # What holds a permit for the call has the twin: it may lend it while nobody reads.
        twin.stalled = self._taking = Stopwatch()
        self._clock = clock
        self.record = twin.record
        self.began = clock() - self.record.queue_s  # its leader's waits do not count
        self._usual = usual
        self.joined_for = LEAST  # seconds of silence, at the least: see ``joining``
        self.earlier: SharedCall | None = None  # which was silent when this one began
        self._memory = memory
        self.on_joining_ends: Callable[[], None]
        """Called once when no further client can join; Coalesce sets it."""
        self._on_unshareable = on_unshareable
        self.task: asyncio.Task[None]
        self.clients = 0
        """How many wait for the head or read the body."""
        self.head_pending = True
        """Whether the head is still to come."""
        self._head_waiters: dict[asyncio.Future[None], float] = {}
        """When their clients give up."""
        self._error: Exception | None = None
        self._leader_reply: Reply | None = None
        """A reply that may not be shared: for the leader only."""
        self._buffered: tuple[Reply, bytes] | None = None
        """A reply whose whole body came with its head, and that body."""
        self.shared_reply: SharedReply | None = None

    @property
    def refused(self) -> bool:
        """Whether it was not sent, for a reason that concerns its first client alone."""
        return is_own_refusal(self._error)

    def extend_deadline(self, deadline: float | None) -> None:
        """A client with this deadline joins: the call's becomes the latest of them all."""
        own = self._twin.deadline
        if own is not None:
            self._twin.deadline = None if deadline is None else max(own, deadline)

    async def run(self, inner: Handler) -> None:
        """Send the request and sort the reply; runs as a task of its own, which never raises.

        A task that ends with an error would keep it, and its frames with it.
        """
        try:
            try:
                reply = await inner(self._twin)
            except Exception as error:
                forget_frames(error)
                self._error = error
                self.on_joining_ends()
            except BaseException:
                self._error = InternalError("the call was given up")
                self.on_joining_ends()
                raise
            else:
                if (head_at := self.record.first_byte_at) is not None:
                    self._usual.observe(head_at - self.began - self.record.queue_s)
                self._classify(reply)
            finally:
                self.head_pending = False
                self._wake()
            if (shared := self.shared_reply) is not None:
                try:
                    await asyncio.wait((shared.task,))
                except asyncio.CancelledError:
                    shared.abandon()
                    raise
            elif (own := self._leader_reply) is not None and own.buffered is None:
                await self._read_by_leader(own)
        except asyncio.CancelledError:
            pass
        finally:
            if self._left is not None:
                own, shared = self._leader_reply, self.shared_reply
                note_end(self._twin, self._left, self._error, own, shared)
                self._unseen(self._twin)

    async def _read_by_leader(self, reply: Reply) -> None:
        """Wait for the end: whoever ends the task of the call until then means its client.

        A permit does that where its client takes nothing, see ``policy/permit_loans``.
        """
        if reply.closed:
            return
        ended = asyncio.Event()
        reply.on_close(lambda *_: ended.set())
        try:
            await ended.wait()
        except asyncio.CancelledError:
            leader, twin = self._leader, self._twin
            if leader is not None and self._leader_task is not None and not reply.closed:
                leader.cut, leader.error = twin.cut, twin.error
                leader.record.failure = twin.record.failure
                (leader.relaying or self._leader_task).cancel()
            raise

    def _wake(self) -> None:
        """The head is here, or an error."""
        waiters = self._head_waiters
        if self._error is not None and self.refused:
            # the first to wake makes the next call: who has most time left for it
            waiters = dict(sorted(waiters.items(), key=itemgetter(1), reverse=True))
        for future in waiters:
            if not future.done():
                future.set_result(None)

    def _classify(self, reply: Reply) -> None:
        if is_unshareable(reply):
            self.on_joining_ends()
            self._on_unshareable()
            self._leader_reply = reply
            if self._leader is None:
                reply.close(Ending.ABANDONED)
        elif (whole := reply.buffered) is not None:
            self.on_joining_ends()
            reply.keep_trailers()
            reply.close(Ending.COMPLETE)
            self._buffered = (reply, whole)
        else:
            self.shared_reply = SharedReply(
                reply, self._memory, self.on_joining_ends, self._taking, clock=self._clock
            )
            if not self.clients:
                self.shared_reply.abandon()

    async def reply_for(
        self, exchange: Exchange, until: float | None, *, again: bool = False
    ) -> Reply | None:
        """The reply for one client; None if it has to send a request of its own.

        Raises what the call came to. ``until``: when the head has to be here. ``again``: whether it
        has shared a call that was ``refused``.
        """
        self.clients += 1
        try:
            if self.head_pending and not await self._wait_for_head(exchange, until):
                self._remove_client(exchange)
                return None
        except BaseException:  # it is given up: its log says how far the call has come
            leads = exchange is self._leader
            tell_of_call(exchange, self._twin, leads=leads)
            if leads and not self.task.done():
                exchange.record.left_behind, self._left = True, exchange.record
            self._remove_client(exchange)
            raise
        return self._outcome_for(exchange, again=again)

    async def _wait_for_head(self, exchange: Exchange, until: float | None) -> bool:
        future = asyncio.get_running_loop().create_future()
        deadline = exchange.deadline
        self._head_waiters[future] = _NEVER if deadline is None else deadline
        record, call = exchange.record, self._twin.record
        record.call = call
        if exchange is not self._leader:
            record.leader = self._twin.request_id
            record.wait = Wait(ANSWER, self._clock())
        try:
            if until is None:
                await future
            else:
                async with asyncio.timeout_at(until):
                    await future
        except TimeoutError:
            return False
        finally:
            self._head_waiters.pop(future, None)
            record.call = None
            if record.wait is not None:  # what is behind the head of the answer is its body
                now = self._clock()
                record.end_wait(now if call.first_byte_at is None else min(now, call.first_byte_at))
        return True

    def _outcome_for(self, exchange: Exchange, *, again: bool) -> Reply | None:
        """What ``reply_for`` gives, once the head or an error is here. Raises that error."""
        twin = self._twin
        leads = exchange is self._leader
        if not leads and self._is_for_leader(again=again):  # nothing of this call is its own
            return None
        exchange.record.adopt(twin.record, started_at=exchange.started_at, shared=not leads)
        if leads:
            exchange.record.attempt_log = twin.record.attempt_log
        exchange.error = twin.error
        if self._error is not None:
            raise own_error(self._error)
        if self._leader_reply is not None:
            exchange.stalled = self._taking
            twin.committed = True
            self._leader_task = asyncio.current_task()
            return self._leader_reply
        if self._buffered is not None:
            reply, whole = self._buffered
            return reply.with_body(NoMoreBytes(), reply.length, whole)
        shared = self.shared_reply
        assert shared is not None
        body = SharedBody(shared, partial(self._remove_client, exchange))
        return shared.reply.with_body(body, shared.reply.length)

    def _is_for_leader(self, *, again: bool) -> bool:
        """Whether what came concerns the client alone that made the call."""
        if self._leader_reply is not None:
            return True
        return self.refused and (not again or is_of_a_quota(self._error))

    def _remove_client(self, exchange: Exchange) -> None:
        """A client has left or has read all; the call ends with the last one."""
        self.clients -= 1
        if exchange is self._leader:
            self._leader = None
            if self._leader_reply is not None:
                self._leader_reply.close(Ending.ABANDONED)
        if self.clients:
            return
        if self.shared_reply is not None:
            self.shared_reply.abandon()
        elif self.head_pending:
            self.on_joining_ends()
            self.task.cancel()
