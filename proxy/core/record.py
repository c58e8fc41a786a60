"""What is found out while a request is served: who was asked, how often, and how long that took."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, TypeAlias

from proxy.core.body import EMPTY, Body, client_waited
from proxy.core.clock import Clock
from proxy.core.errors import ProxyError
from proxy.core.reply import Reply
from proxy.http.fields import RawHeaders
from proxy.policy.quota import Turn

# Outcomes of attempts, besides statuses and what [retry] on calls failures:
HEDGED: Final = "hedged"
"""Another attempt was answered first."""
ABANDONED: Final = "abandoned"
"""It was ended from outside, most often since its client had left."""
BROKEN: Final = "broken"
"""Its reply broke off on its way to the client."""
NOT_ATTEMPTED: Final = "not-attempted"
"""It was refused, or given up, before it was sent."""

# What a request waits for until it is let through:
PERMIT: Final = "permit"
"""A permit of ``[concurrency]``."""
TOKEN: Final = "token"
"""A token of its client's ``[rate_limit]``."""
QUOTA: Final = "quota"
"""The limit that the upstream itself announces."""
CREDENTIALS: Final = "credentials"
"""The proxy's own credentials for the upstream."""
SERVER: Final = "server"
"""A server that accepts connections."""
CONNECTION: Final = "connection"
"""A connection, within the ``limit`` of its upstream."""
ANSWER: Final = "answer"
"""The answer to an equal request that is under way."""
ELSEWHERE: Final = "elsewhere"
"""The answer to an equal request in another process."""

AtHand: TypeAlias = Callable[[Any, ProxyError], Awaitable[Reply | None]]
"""Gives an exchange another answer than this failure; None if there is none."""
Informed: TypeAlias = tuple[int, RawHeaders]
"""An informational head: its status and its fields."""


class Wait(NamedTuple):
    """A wait until the request is let through."""

    what: str
    """What it waits for: PERMIT, TOKEN and so on."""
    began: float
    """On the clock of ``time.monotonic``."""
    upstream: str = ""
    server: str = ""
    """Upstream or server to which the permit or quota belongs; empty if to neither."""
    seconds: float = 0.0
    """How long it took; 0 while it goes on."""


class Attempt(NamedTuple):
    """An attempt in the log of an exchange."""

    endpoint: str
    outcome: str
    """Its status, or the class of its failure as ``[retry] on`` calls it."""
    seconds: float
    began: float = 0.0
    """When it was begun, a time of ``time.monotonic``; 0 where that is not known."""
    connect_s: float | None = None
    """Seconds that it spent on getting a connection; None where it got none."""
    queue_s: float = 0.0
    """Seconds that its request had waited in queues before it began."""
    span_id: str = ""
    """The id of its span; empty without tracing."""
    upstream: str = ""
    """Name of the upstream of that endpoint; empty if it is that of the last attempt."""
    beside: bool = False
    """Whether it ran at the same time as the attempt that counts (``middleware/hedge``)."""
    client_s: float = 0.0
    """Seconds for which its client had been waited for, to send its body, before it began."""
    reply_status: int = 0
    """The status in the head of its reply; 0 where none has come."""

    @property
    def hedged(self) -> bool:
        """Whether it ran beside another attempt, instead of before it."""
        return self.beside or self.outcome == HEDGED

    def __str__(self) -> str:
        return f"{self.endpoint} {self.outcome} {self.seconds * 1000:.0f} ms"


class Record:
    """What was found out about one exchange.

    Each request has a record, and most write only three of its fields. So the defaults are
    attributes of the class: there is neither ``__init__`` nor ``__slots__``.
    """

    head_s: float = 0.0
    """Seconds that its client took to send its head, where that came in several pieces."""
    attempt_count: int = 0
    """Requests that were sent to an endpoint."""
    hedge_began_at: float = 0.0
    """When the request was sent of which ``[hedge]`` may make copies."""
    attempt_began_at: float = 0.0
    attempt_ended_at: float = 0.0
    """When the last attempt began to look for a server; when it failed, if copies of it went on."""
    queued_before: float = 0.0
    """What ``queue_s`` was when the last attempt began."""
    client_before: float = 0.0
    """Seconds for which the client had kept its body back when the last attempt began."""
    sent_at: float | None = None
    """When the last attempt to get so far sent the head of the request."""
    attempts_left: int = 0
    """How many more attempts may follow this one, copies of it included."""
    attempt_log: tuple[Attempt, ...] = ()
    """All attempts, the first one first, where there was more than one."""
    inherited: int = 0
    """How many of those were made before this copy of the request, not by it."""
    given_up: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Start and end of the wait for an attempt that was never made, and the seconds of it spent in
    queues. The answer is then that of the attempt before."""
    unlogged: int = 0
    """Attempts left out of the log: those before its last wait for a server."""
    upstream: str = ""
    endpoint: str = ""
    """Both of the last attempt."""
    trial: object = None
    """Permission to try an ejected server, if an attempt has it."""
    turn: Turn | None = None
    """Its turn in the quota of a server, for which it has waited."""
    upstream_request_id: str = ""
    """What the upstream calls the request, where that is another name than ours."""
    queue_s: float = 0.0
    """Seconds that it has waited in all, as ``Wait`` says it."""
    wait: Wait | None = None
    """The wait that goes on now, if any."""
    longest_wait: Wait | None = None
    """The longest of the waits that have ended."""
    connect_s: float | None = None
    """Seconds that the last attempt spent on getting a connection."""
    informed: tuple[Informed, ...] = ()
    """The first few informational heads that its client was told."""
    first_byte_at: float | None = None
    """When the reply's head arrived."""
    reply_status: int = 0
    """The status in that head, whatever the client is told."""
    outcome: str = ""
    """What the last attempt came to, where it is not that status: see ``Attempt``."""
    coalesced: bool = False
    """Whether it was given the answer to another request."""
    leader: str = ""
    """The id of the request whose answer it has waited for."""
    call: "Record | None" = None
    """Record of the copy or shared call whose head it waits for."""
    refused: str = ""
    """Why the proxy itself refused it: the ``reason`` of the error; empty where it did not."""
    clock: str = ""
    """The timeout that ended it, as its option is called."""
    bound: tuple[str, str, float] = ("", "", 0.0)
    """What sets its deadline, as its option is called and in words, and the seconds that it has."""
    failure: tuple[str, str] = ("", "")
    """Its last failure: the ``reason`` of the error, and the sentence that standard error has."""
    covered: ProxyError | Reply | None = None
    """What a fixed reply stands in for, where ``Exchange.error`` has its token."""
    at_hand: AtHand | None = None
    """What there is to answer with if its time is over, see ``core/time_over``."""
    cache: str = ""
    """What the cache did, as Cache-Status says it (RFC 9211); empty where there is none."""
    traced: bytes = b""
    """The traceparent that came, where spans are made of it."""
    span_id: str = ""
    """Of the span of the last attempt, as the upstream was told it."""
    left_behind: bool = False
    """Whether its attempts go on after it has left; they are counted when they end."""
    shared_span: tuple[str, str] | None = None
    """Trace and span of the call of another request, whose answer it was given."""

    def begin_attempt(self, now: float, body: Body) -> None:
        """Another attempt begins. ``body``: that of the request."""
        self.attempt_began_at, self.queued_before = now, self.queue_s
        self.client_before = 0.0 if body is EMPTY else client_waited(body, now)

    def log_attempt(self, endpoint: str, outcome: str, began: float, now: float) -> None:
        """Log the attempt that these findings are of, which ends now."""
        self.attempt_log += (self.attempt(endpoint, outcome, began, now),)

    def log_last(self, outcome: str, started_at: float, now: float, body: Body = EMPTY) -> None:
        """Log the last attempt, which ends now, unless it is logged; the next one has an outcome of
        its own. ``started_at``: when the request began; ``body``: its body."""
        if self.is_unlogged:
            began = self.attempt_began_at or started_at + self.queue_s
            if not self.attempt_began_at:
                self.queued_before = self.queue_s
            self.log_attempt(self.endpoint, outcome, began, now)
        self.begin_attempt(now, body)
        self.outcome = ""

    def attempt(
        self, endpoint: str, outcome: str, began: float, now: float, *, beside: bool = False
    ) -> Attempt:
        """The attempt that these findings are of: it has ended now, or failed before."""
        now = min(now, self.attempt_ended_at) if self.attempt_ended_at > began else now
        status = 0 if self.first_byte_at is None else self.reply_status
        known = now - began, began, self.connect_s, self.queued_before, self.span_id, self.upstream
        return Attempt(endpoint, outcome, *known, beside, self.client_before, status)

    @property
    def hedged(self) -> bool:
        """Whether there was a copy."""
        return any(attempt.hedged for attempt in self.attempt_log)

    @property
    def has_head(self) -> bool:
        """Whether the head of a reply has come to the attempt that is under way."""
        return self.is_unlogged and self.first_byte_at is not None

    @property
    def logged(self) -> int:
        """How many of its own attempts are logged, without entries of those never made."""
        own = self.attempt_log[self.inherited :]
        return sum(each.outcome != NOT_ATTEMPTED for each in own) if own else 0

    @property
    def is_unlogged(self) -> bool:
        """Whether the last attempt is not logged: it is under way, or has just ended."""
        return self.attempt_count - self.unlogged > self.logged

    def copy(self) -> "Record":
        """A record of its own that says the same."""
        copied = Record()
        copied.__dict__.update(self.__dict__, wait=None, call=None)  # these are this one's
        return copied

    @contextmanager
    def waiting(
        self, what: str, clock: Clock, upstream: str = "", server: str = ""
    ) -> Iterator[None]:
        """While the block runs, the exchange waits; see ``Wait``."""
        self.wait = Wait(what, clock(), upstream, server)
        try:
            yield
        finally:
            self.end_wait(clock())

    def end_wait(self, until: float) -> None:
        """The wait that goes on has ended."""
        wait, self.wait = self.wait, None
        if wait is None:
            return
        seconds = max(0.0, until - wait.began)
        self.queue_s += seconds
        if self.longest_wait is None or seconds >= self.longest_wait.seconds:
            self.longest_wait = Wait(wait.what, wait.began, wait.upstream, wait.server, seconds)

    def main_wait(self, now: float) -> Wait | None:
        """The longest wait, also one that goes on; None if it did not wait."""
        wait, longest = self.wait, self.longest_wait
        if wait is None or (longest is not None and longest.seconds > now - wait.began):
            return longest
        return wait

    def with_call(self) -> "Record":
        """What is known by now, with that of the call that is under way in its place."""
        if self.call is None:
            return self
        call, seen = self.call.with_call(), self.copy()
        seen.first_byte_at = None
        seen.adopt(call, shared=self.coalesced)
        seen.wait = self.wait or call.wait
        if not self.coalesced:
            seen.attempt_log = call.attempt_log
        return seen

    def adopt(self, call: "Record", *, started_at: float = 0.0, shared: bool = False) -> None:
        """Take over what another call has found out, whose answer this request is given.

        ``started_at``: when this request began; an answer may have been there before. ``shared``:
        the call was made for another request. This one did not wait or connect for it.
        """
        self.upstream, self.endpoint = call.upstream, call.endpoint
        self.failure, self.covered = call.failure, call.covered
        if call.first_byte_at is not None:
            self.first_byte_at = max(call.first_byte_at, started_at + self.head_s)
            self.reply_status = call.reply_status
            self.sent_at = call.sent_at
        if shared and call.span_id:
            self.shared_span = call.traced[3:35].decode(), call.span_id
        if not shared:
            self.outcome = call.outcome
            self.traced, self.span_id = call.traced or self.traced, call.span_id
            self.connect_s, self.queue_s = call.connect_s, call.queue_s
            self.attempt_began_at = call.attempt_began_at or self.attempt_began_at
            self.queued_before, self.client_before = call.queued_before, call.client_before
            self.longest_wait, self.given_up = call.longest_wait, call.given_up
            self.attempt_count += call.attempt_count
            self.unlogged += call.unlogged
