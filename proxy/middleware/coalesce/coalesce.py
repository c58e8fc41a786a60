"""Equal requests that are under way at the same time share one call of the upstream.

How it works. Two requests are equal if they have the same key: method, scheme, Host, target, the
digest of a QUERY's body, Proxy-Authorization, and all header fields but those for tracing. The
first request with a key is the leader. `Coalesce` starts a `SharedCall` for it: a task that sends a
copy of the request through the rest of the chain, so that the call outlives the leader. A request
whose key is that of a call in ``_calls`` joins the call.

States of a `SharedCall`. It begins as pending; one of the others follows:

- pending: sent, and no head has come. Clients may join.
- failed: an error came. Each client gets one of its own.
- refused: it was not sent, for what the leader alone may lack: its place in a queue, its quota, or
  its time. The leader gets the error. The others look for a call again: the one with most time left
  makes it, and is the leader of the others. If that is refused too, those that may have rights of
  their own send their own requests; those whose time was over get the error.
- unshareable: the reply is for one client. The leader gets it, the others send their own requests.
- buffered: the whole body came with the head. Each client gets it.
- streaming: a `SharedReply` reads the body. Clients may join until it says that joining has ended.

When joining ends, the key leaves ``_calls``; the next equal request starts another call. So it does
where nothing has come of the call for too long (``joining``). The key of an unshareable reply is
remembered for a minute: requests with it bypass all this.

Events while a call is pending or streaming:

- A client joins: the call's deadline becomes the latest of its clients' (``extend_deadline``).
- ``wait_timeout`` of a client that joined is over: it leaves and sends a request of its own.
- A client leaves: the others go on, also without the leader. With the last one the call ends: the
  task is cancelled, or the reply is abandoned.
- The body comes: `SharedReply` keeps its chunks, and each client reads them at its own pace. It
  reads no further than READ_AHEAD beyond the fastest client. Joining ends when the body has ended,
  when more than MAX_KEPT is kept, or when all shared replies keep more than MAX_KEPT_TOTAL. In the
  last two cases it drops chunks that the fastest client has been given, and a client that is too
  far behind gets ReplyBroken.
- The body breaks: each client gets the chunks that are kept, then ReplyBroken.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, TypeAlias

from proxy.core.body import EMPTY, BytesBody, read_whole
from proxy.core.cache_options import CacheOptions
from proxy.core.clock import Clock
from proxy.core.exchange import Exchange, Handler
from proxy.core.redaction import digest
from proxy.core.reply import Reply
from proxy.core.samples import Counts, Sample, gauge
from proxy.core.scope import Scope
from proxy.http.equivalence import comparable_fields
from proxy.http.fields import RawHeaders
from proxy.middleware.coalesce.joining import follow, instead_of, is_over, under_way
from proxy.middleware.coalesce.options import CoalesceOptions
from proxy.middleware.coalesce.shared_call import SharedCall
from proxy.middleware.coalesce.shared_reply import MemoryBudget
from proxy.policy.joining import UsualTime

_MAX_REMEMBERED: Final = 1024
"""Keys of requests whose replies may not be shared; the oldest gives way."""
_REMEMBERED_FOR: Final = 60.0
"""Seconds for which such a key is remembered."""
_MAX_COMPARED: Final = 64 << 10
"""Bytes of a QUERY's body that is read before it is sent, to compare it with others."""

_counts: Final = partial(Counts, "coalesce", "calls", "joined")
_bypassed: Final = partial(Counts, "coalesce_bypassed", label="reason")

Key: TypeAlias = tuple[Any, ...]


def link(scope: Scope, inner: Handler) -> Handler | None:
    """Where there is ``[coalesce]``; a cache above shares its calls by it in any case."""
    options = scope.find(CoalesceOptions)
    caches = scope.find(CacheOptions) is not None
    if options is None and not caches:
        return None
    shared = scope.shared
    memory = shared.share("coalesce", MemoryBudget)
    shared.watch(memory)
    counts = shared.share(("coalesce", scope.identity), _counts)
    bypassed = shared.share(("coalesce bypassed", scope.identity), _bypassed)
    for each in (counts, bypassed):
        shared.watch(each, route=scope.route)
    coalesce = Coalesce(
        inner,
        options or CoalesceOptions(),
        memory,
        shared.tasks,
        known=(counts, bypassed),
        usual=shared.share(("usual calls", scope.identity), UsualTime),
        unseen=lambda exchange: shared.unseen(exchange, shared.clock()),
        clock=shared.clock,
    )
    shared.watch(coalesce, route=scope.route)
    if caches:
        scope.sharing = coalesce
    return None if options is None else coalesce.handle


class Coalesce:
    """Finds equal requests and lets them share one call."""

    __slots__ = (
        "_calls",
        "_clock",
        "_inner",
        "_max_waiters",
        "_memory",
        "_tasks",
        "_unseen",
        "_unshareable",
        "_usual",
        "_wait_timeout",
        "bypassed",
        "counts",
    )

    def __init__(
        self,
        inner: Handler,
        options: CoalesceOptions,
        memory: MemoryBudget,
        tasks: set[asyncio.Task[None]],
        *,
        known: tuple[Counts, Counts] | None = None,
        usual: UsualTime | None = None,
        unseen: Callable[[Exchange], None] = lambda _: None,
        clock: Clock,
    ) -> None:
        """``memory`` and the set of running ``tasks`` are shared by all routes.

        ``known``: what the configuration before has counted, and requests that went alone by
        reason; ``usual``: what its calls took. Nothing, where left out. ``unseen`` is told of calls
        that their leader did not see the end of.
        """
        self._inner = inner
        self._max_waiters = options.max_waiters
        self._wait_timeout = options.wait_timeout or None
        self._memory = memory
        self._tasks = tasks
        self._clock = clock
        self._unseen = unseen
        self._usual = UsualTime() if usual is None else usual
        self._calls: dict[Key, SharedCall] = {}
        self._unshareable: OrderedDict[int, float] = OrderedDict()
        """Until when, by the hash of a whole key, credentials and cookies included: an unshareable
        reply to one client keeps no other client's requests from being shared. If two keys had one
        hash, a call would not be shared, no more."""
        self.counts, self.bypassed = (_counts(), _bypassed()) if known is None else known

    @property
    def inner(self) -> Handler:
        """What sends a request that shares nothing."""
        return self._inner

    @property
    def wait_timeout(self) -> float:
        """Seconds that a request waits for the head of a call of others; 0 for any time."""
        return self._wait_timeout or 0.0

    def joined_for(self) -> float:
        """Seconds without a byte from the upstream for which requests join a call."""
        return self._usual.joined_for()

    async def handle(self, exchange: Exchange) -> Reply:
        """Shares GET without a body and QUERY (RFC 10008), which are safe; passes on all others."""
        reply = await self.share(exchange, self._inner)
        return await self._inner(exchange) if reply is None else reply

    async def share(
        self,
        exchange: Exchange,
        send: Handler,
        mark: bytes = b"",
        content: bytes | None = None,
    ) -> Reply | None:
        """The reply of the call that equal requests with this ``mark`` share.

        ``send`` makes the call where there is none yet. ``content``: the body, which has been read;
        then a request of any method may share. None where the request has to go alone.
        """
        if exchange.upgrade or exchange.bound:
            return None
        if content is not None:
            pass
        elif exchange.method == "QUERY":
            content = await read_whole(exchange.body, _MAX_COMPARED)
        elif exchange.method != "GET" or exchange.body.length != 0:
            return None
        else:
            content = b""
        if content is None:
            self.bypassed["body"] += 1
            return None
        key: Key = (mark, exchange.method, exchange.scheme, exchange.host, exchange.target)
        if content:
            key += (digest(content),)
        key += (exchange.proxy_credentials, comparable_fields(exchange.headers))
        marks = self._unshareable
        if marks and (hashed := hash(key)) in marks and self._is_unshareable(hashed):
            self.bypassed["private"] += 1
            return None
        until = None if self._wait_timeout is None else self._clock() + self._wait_timeout
        again = False
        while True:
            call = self._calls.get(key)
            if call is None or is_over(call, self._usual, self._clock()):
                call = self._start(exchange, key, content, send)
            elif call.clients >= self._max_waiters:
                self.bypassed["max_waiters"] += 1
                return None
            else:
                exchange.record.coalesced = True
                call.extend_deadline(exchange.deadline)
                self.counts["joined"] += 1
            waits_until = until if exchange.record.coalesced else None
            reply = await call.reply_for(exchange, waits_until, again=again)
            if reply is not None:
                return reply
            exchange.record.coalesced = False
            if again or not call.refused:
                self.bypassed[_reason(call)] += 1
                return None
            again = True

    def _start(self, exchange: Exchange, key: Key, content: bytes, send: Handler) -> SharedCall:
        self.counts["calls"] += 1
        body = exchange.body
        if body is not EMPTY:  # the call may outlive its client, and the body may not
            body = BytesBody(content, body.framing, body.length)
        twin = exchange.twin(body)
        twin.send_informational = partial(_inform, exchange)
        remember = partial(self._remember, key)
        usual, clock = self._usual, self._clock
        call = SharedCall(
            exchange, twin, self._memory, remember, self._unseen, usual=usual, clock=clock
        )
        call.on_joining_ends = partial(self._end_joining, key, call)
        if key in self._calls:
            follow(call, self._calls[key], usual)
        self._calls[key] = call
        task = asyncio.get_running_loop().create_task(call.run(send))
        call.task = task
        self._tasks.add(task)  # as ``core/tasks``, without its call: each miss comes by here
        task.add_done_callback(self._tasks.discard)
        return call

    def _end_joining(self, key: Key, call: SharedCall) -> None:
        call.on_joining_ends = _nothing  # the partial refers to the call
        if self._calls.get(key) is not call:
            return
        del self._calls[key]
        if call.earlier is not None and (earlier := instead_of(call, self._clock())) is not None:
            self._calls[key] = earlier

    def _is_unshareable(self, hashed: int) -> bool:
        if self._clock() < self._unshareable[hashed]:
            return True
        del self._unshareable[hashed]
        return False

    def _remember(self, key: Key) -> None:
        marks, mark = self._unshareable, hash(key)
        if mark in marks:
            del marks[mark]  # it comes last again
        marks[mark] = self._clock() + _REMEMBERED_FOR
        if len(marks) > _MAX_REMEMBERED:
            marks.popitem(last=False)

    def describe(self, _: float) -> Iterator[Sample]:
        """For operators."""
        yield gauge("coalesce_in_flight", sum(map(under_way, self._calls.values())))


def _inform(leader: Exchange, status: int, reason: bytes, fields: RawHeaders) -> None:
    """Tell the leader, while it is there, what is known before the answer (RFC 9110 15.2)."""
    if leader.send_informational is not None:
        leader.send_informational(status, reason, fields)


def _reason(call: SharedCall) -> str:
    """Why a request goes alone that has joined a call."""
    if call.head_pending:
        return "wait_timeout"
    return "refused" if call.refused else "private"


def _nothing() -> None:
    """Called instead of the listener after its first call."""
