"""What is kept of an exchange for people: plain values, which may be sent to another process."""

from collections.abc import Callable
from typing import Final

import msgspec

from proxy.core.exchange import Exchange
from proxy.core.keys_shown import hidden_keys
from proxy.core.record import ANSWER, Attempt, Record
from proxy.core.redaction import HIDDEN, conceal, sent
from proxy.core.targets_shown import Targets
from proxy.http.upgrade import SWITCHING
from proxy.telemetry.access_log_line import escaped, named_by, printable
from proxy.telemetry.attempts import all_tries
from proxy.telemetry.cause import EXACT, cause_of, of_retries
from proxy.telemetry.covered import FALLBACK, covered, passed_on
from proxy.telemetry.phases import (
    Phases,
    awaited_beside,
    failed_attempts,
    is_between,
    phase_now,
    phase_of,
    phases,
)
from proxy.telemetry.why import ENDED, Behind, Try, Why, sentence

LONGEST: Final = 300
"""Letters of a text that a client has made, such as a target."""
_IDLE_TUNNEL: Final = "connection_read_timeout"
TRIES: Final = 12
"""Attempts of one call that are kept, the first ones."""


class Call(msgspec.Struct, kw_only=True, gc=False, omit_defaults=True):
    """An exchange that has ended, or one in flight. Times of phases are in seconds."""

    id: str
    """Its request id."""
    at: float
    """When it began, in seconds since 1970."""
    method: str
    target: str
    host: str = ""
    scheme: str = "http"
    """Of the listener, or what a trusted front says of it."""
    route: str = ""
    upstream: str = ""
    server: str = ""
    client: str = ""
    status: int = 0
    """What its client was told; 0 where that is still open."""
    error: str = ""
    seconds: float
    """From its beginning to its end, or until now."""
    phases: list[float]
    """Seconds of each phase, in the order of ``telemetry/phases``."""
    phase: str = ""
    """What a call in flight is waiting for."""
    cause: str
    """What most of its time went on, or why it failed."""
    why: str
    """The same as a sentence."""
    failed: bool = False
    bytes_in: int = 0
    bytes_out: int = 0
    length: int | None = None
    """Bytes that its reply will have, where that is known."""
    attempts: int = 0
    tries: list[Try] = []
    trace_id: str = ""
    user_agent: str = ""
    coalesced: bool = False
    endless: bool = False
    """Whether its reply is a stream of events."""


class Teller:
    """Makes calls of exchanges. Hides what the access log hides."""

    __slots__ = ("_clock", "_hidden", "_show", "_wall")

    def __init__(
        self, redact: tuple[str, ...], clock: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        """``redact``: ``[log] redact``; ``clock``: monotonic; ``wall``: seconds since 1970."""
        self._clock = clock
        self._show = Targets(redact).show
        self._hidden = hidden_keys(redact)
        self._wall = wall

    def call(
        self, exchange: Exchange, spent: Phases, now: float, *, in_flight: bool = False
    ) -> Call:
        """What is told of an exchange that has ended ``now``, or is looked at then: monotonic."""
        record, seconds = exchange.record.with_call(), now - exchange.started_at
        upstream, server = where(record, now)
        agent, trace = named_by(exchange)
        made = record.attempt_log if in_flight else all_tries(exchange, now)
        tries = _tries(made, exchange.started_at)
        counted = not in_flight or exchange.status == SWITCHING
        bytes_in = exchange.bytes_in if counted else exchange.body.received
        reason, failure = record.failure
        if failure:
            failure = conceal(failure, sent(exchange.headers))[:LONGEST]
            failure = failure.encode("utf-8", "replace").decode()  # a client may have made some
        status = exchange.status if exchange.committed or not in_flight else 0
        why = Why(
            seconds=seconds,
            phases=spent,
            upstream=upstream,
            server=server,
            route=exchange.route,
            client=exchange.client,
            status=status,
            error=exchange.error,
            bytes_in=bytes_in,
            bytes_out=exchange.bytes_out,
            reason=reason,
            failure=failure,
            clock=record.clock,
            wait=record.main_wait(now),
            leader="" if "request_id" in self._hidden else printable(record.leader)[:LONGEST],
            behind=_behind(exchange) if in_flight else None,
            tries=tries,
            in_flight=in_flight,
            between=is_between(exchange, now) or (in_flight and record.is_unlogged),
            asked=bool(record.attempt_count),
            beside=_beside(record),
            covered="" if in_flight else covered(exchange),
        )
        return Call(
            id=self.name(exchange),
            at=round(self._wall() - self._clock() + exchange.started_at, 3),
            method=printable(exchange.method)[:32],
            target=escaped(self._show(exchange.raw_target[: 4 * LONGEST]))[:LONGEST],
            host=self._shown("host", printable(exchange.host)),
            scheme=exchange.scheme,
            route=exchange.route,
            upstream=upstream,
            server=server,
            client=exchange.client,
            status=status,
            error=exchange.error,
            seconds=_ms(seconds),
            phases=[_ms(each) for each in spent],
            phase=phase_now(exchange, now) if in_flight else "",
            cause=cause_of(why),
            why=sentence(why),
            failed=is_failure(exchange) and not in_flight,
            bytes_in=bytes_in,
            bytes_out=exchange.bytes_out,
            length=exchange.length,
            attempts=record.attempt_count,
            tries=tries,
            trace_id=self._shown("trace_id", trace),
            user_agent=self._shown("user_agent", agent),
            coalesced=record.coalesced,
            endless=exchange.endless,
        )

    def name(self, exchange: Exchange) -> str:
        """Its request id."""
        return self._shown("request_id", printable(exchange.request_id))

    def _shown(self, key: str, text: str) -> str:
        return HIDDEN if text and key in self._hidden else text[:LONGEST]


def where(record: Record, now: float) -> tuple[str, str]:
    """The upstream and the server that a call is with, or that it waits for."""
    wait = record.wait or (None if record.upstream else record.main_wait(now))
    if wait is None:
        return record.upstream, record.endpoint
    return wait.upstream or record.upstream, wait.server or record.endpoint


def told_apart(cause: str, exchange: Exchange, now: float) -> tuple[str, str, str]:
    """What tells calls with the same cause apart, see ``telemetry/second.Hit``.

    That is the upstream, the server, and the one thing that was waited for or that failed, each
    empty where it is not known.
    """
    record = exchange.record.with_call()
    wait, reason = None, record.failure[0]
    if exchange.error and reason in EXACT:
        return *where(record, now), reason
    if cause == FALLBACK:
        upstream, server = next(iter(passed_on(record).items()), ("", ""))
        return upstream, server, ""
    failed = failed_attempts(exchange, now)
    if failed and (cause == "retries" or _went_on(cause, failed, exchange, now)):
        slowest = max(failed, key=lambda attempt: attempt.seconds)
        return slowest.upstream or record.upstream, slowest.endpoint, ""
    if cause == "queue":
        wait = record.main_wait(now)
    if cause == "first_byte" and (beside := _beside(record)) is not None:
        return *beside, ""
    if wait is None or wait.what == ANSWER:
        return *where(record, now), "" if wait is None else ANSWER
    return wait.upstream, wait.server, wait.what


def named(cause: str, exchange: Exchange, now: float) -> str:
    """A cause, with that of ``retries`` named after what all of them failed in, if it is one."""
    if cause != "retries":
        return cause
    return _alike(failed_attempts(exchange, now))


def _alike(failed: tuple[Attempt, ...]) -> str:
    return of_retries([(each.outcome, each.connect_s, each.reply_status) for each in failed])


def _went_on(cause: str, failed: tuple[Attempt, ...], exchange: Exchange, now: float) -> bool:
    """Whether a cause is that of attempts that all failed alike and took most of the time."""
    return _alike(failed) == cause and phases(exchange, now).longest == "retries"


def _beside(record: Record) -> tuple[str, str] | None:
    copy = awaited_beside(record)
    return None if copy is None else (copy.upstream or record.upstream, copy.endpoint)


def _behind(exchange: Exchange) -> Behind | None:
    """Of one that waits for the answer to an equal request: what that one waits for."""
    record = exchange.record
    if record.call is None or record.wait is None or record.wait.what != ANSWER:
        return None
    call = record.call.with_call()
    return Behind(phase_of(call), call.wait, _tries(call.attempt_log, exchange.started_at))


def _tries(attempts: tuple[Attempt, ...], started_at: float) -> list[Try]:
    return [
        Try(
            server=attempt.endpoint,
            outcome=attempt.outcome,
            at=_ms(max(0.0, attempt.began - started_at)) if attempt.began else None,
            connect=None if attempt.connect_s is None else _ms(attempt.connect_s),
            seconds=_ms(attempt.seconds),
            upstream=attempt.upstream,
            hedged=attempt.hedged,
            status=attempt.reply_status,
        )
        for attempt in attempts[:TRIES]
    ]


def is_failure(exchange: Exchange) -> bool:
    """Whether its client did not get the answer of an upstream that is well."""
    return exchange.status >= 500 or bool(exchange.error)


def is_trouble(exchange: Exchange) -> bool:
    """Whether a failure is more than an end that its client, an operator or nobody has chosen."""
    ended = exchange.record.failure[0] in ENDED
    return not ended and exchange.error not in ("client_gone", _IDLE_TUNNEL)


def _ms(seconds: float) -> float:
    """To the tenth of a millisecond."""
    return round(seconds, 4)
