"""What is kept of an exchange for people: plain values, which may be sent to another process."""

from collections.abc import Callable
from typing import Final

import msgspec

from proxy.core.exchange import Exchange
from proxy.core.redaction import HIDDEN
from proxy.core.targets_shown import Targets
from proxy.telemetry.access_log_line import escaped, named_by, printable
from proxy.telemetry.phases import Phases, phase_now
from proxy.telemetry.why import Try, Why, cause_of, sentence

LONGEST: Final = 300
"""Letters of a text that a client has made, such as a target."""
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
    """Of one in flight: what it is waiting for."""
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

    __slots__ = ("_clock", "_show", "_unnamed", "_wall")

    def __init__(
        self, redact: tuple[str, ...], clock: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        """``redact``: ``[log] redact``; ``clock``: monotonic; ``wall``: seconds since 1970."""
        self._clock = clock
        self._show = Targets(redact).show
        self._unnamed = "x-request-id" in map(str.lower, redact)
        self._wall = wall

    def call(
        self, exchange: Exchange, spent: Phases, now: float, *, in_flight: bool = False
    ) -> Call:
        """What is told of an exchange that has ended ``now``, or is looked at then: monotonic."""
        record, seconds = exchange.record, now - exchange.started_at
        agent, trace = named_by(exchange)
        tries = [
            Try(
                server=attempt.endpoint,
                outcome=attempt.outcome,
                at=_ms(max(0.0, attempt.began - exchange.started_at)) if attempt.began else None,
                connect=None if attempt.connect_s is None else _ms(attempt.connect_s),
                seconds=_ms(attempt.seconds),
                upstream=attempt.upstream,
            )
            for attempt in record.attempt_log[:TRIES]
        ]
        status = exchange.status if exchange.committed or not in_flight else 0
        why = Why(
            seconds=seconds,
            phases=spent,
            upstream=record.upstream,
            server=record.endpoint,
            route=exchange.route,
            client=exchange.client,
            status=status,
            error=exchange.error,
            bytes_out=exchange.bytes_out,
            tries=tries,
            in_flight=in_flight,
            asked=bool(record.attempt_count),
        )
        return Call(
            id=HIDDEN if self._unnamed else printable(exchange.request_id)[:LONGEST],
            at=round(self._wall() - self._clock() + exchange.started_at, 3),
            method=printable(exchange.method)[:32],
            target=escaped(self._show(exchange.raw_target[: 4 * LONGEST]))[:LONGEST],
            host=printable(exchange.host)[:LONGEST],
            route=exchange.route,
            upstream=record.upstream,
            server=record.endpoint,
            client=exchange.client,
            status=status,
            error=exchange.error,
            seconds=_ms(seconds),
            phases=[_ms(each) for each in spent],
            phase=phase_now(exchange, now) if in_flight else "",
            cause=cause_of(why),
            why=sentence(why),
            failed=is_failure(exchange) and not in_flight,
            bytes_in=exchange.body.received if in_flight else exchange.bytes_in,
            bytes_out=exchange.bytes_out,
            length=exchange.length,
            attempts=record.attempt_count,
            tries=tries,
            trace_id=trace,
            user_agent=agent[:LONGEST],
            coalesced=record.coalesced,
            endless=exchange.endless,
        )


def is_failure(exchange: Exchange) -> bool:
    """Whether its client did not get the answer of an upstream that is well."""
    return exchange.status >= 500 or bool(exchange.error)


def _ms(seconds: float) -> float:
    """To the tenth of a millisecond."""
    return round(seconds, 4)
