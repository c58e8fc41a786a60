"""The lines of many exchanges at a time.

One by one, each would find the processor's caches full of everything else, and the same questions
would be asked for each. What clients have sent is nearly always plain text, so all of a batch is
looked at at once (docs/decisions/0012).
"""

from collections.abc import Sequence
from math import floor
from typing import Final, TypeAlias

from proxy.core.exchange import Exchange
from proxy.core.redaction import HIDDEN
from proxy.core.targets_shown import Targets
from proxy.telemetry.access_log_line import (
    AGENTS,
    TRACEPARENT,
    Line,
    escaped,
    named_by,
    printable,
    stamp,
    tried,
)

Ended: TypeAlias = Sequence[tuple[Exchange, float]]
"""Exchanges, and when each ended: a time of ``time.monotonic``."""

_PROTOCOLS: Final = {(1, 0): "HTTP/1.0", (1, 1): "HTTP/1.1"}
_ENDS: Final = [f"{number:03}Z" for number in range(1000)]  # of stamps
_PLAIN: Final = bytes(range(0x20, 0x7F))
# ``b"?" in target`` takes eight times as long as this number: it is tried as a number first.
_QUESTION, _SEMICOLON, _AT = b"?;@"


class Lines:
    """Makes them."""

    __slots__ = ("_second", "_second_text", "_show", "_unnamed")

    def __init__(self, redact: Sequence[str]) -> None:
        """``redact``: ``[log] redact``."""
        self._show = Targets(redact).show
        self._unnamed = "x-request-id" in map(str.lower, redact)
        self._second = -1
        self._second_text = ""

    def of(self, ended: Ended, behind: float) -> list[Line]:
        """``behind``: what has to be added to a time of them to make it one of the day."""
        targets = self._shown(ended)
        names = [exchange.request_id for exchange, _ in ended]
        theirs = [exchange.record.upstream_request_id for exchange, _ in ended]
        others = "".join([f"{exchange.method}{exchange.host}" for exchange, _ in ended])
        sent = "".join((*names, *theirs, others)).encode("utf-8", "surrogatepass")
        plain = not (b"".join(targets) + sent).translate(None, _PLAIN)
        if plain:
            shown = [target.decode("latin-1") for target in targets]
        else:
            shown = list(map(escaped, targets))
            names = list(map(printable, names))
            theirs = list(map(printable, theirs))
        if self._unnamed:
            names = [HIDDEN] * len(names)
        lines: list[Line] = []
        for (exchange, now), target, name, their in zip(ended, shown, names, theirs, strict=True):
            wall = behind + now
            second = floor(wall)
            if second != self._second:
                self._second = second
                self._second_text = stamp(second)[:-4]
            # As ``named_by`` has it, without a call.
            known, trace = exchange.encoded, ""
            if (
                known is not None
                and known.agent is not None
                and known.fields is (exchange.headers if exchange.heard is None else exchange.heard)
            ):
                agent = AGENTS[known.agent]
                for key, value in known.ids:
                    if len(key) == TRACEPARENT:
                        trace = value[3:35].decode()
            else:
                agent, trace = named_by(exchange)
            record, started = exchange.record, exchange.started_at
            queue, connected, head = record.queue_s, record.connect_s, record.first_byte_at
            tries, method, host = record.attempt_log, exchange.method, exchange.host
            if not plain:
                method, host = printable(method), printable(host)
            lines.append(
                Line(
                    self._second_text + _ENDS[floor((wall - second) * 1000)],
                    method,
                    target,
                    exchange.route,
                    record.upstream,
                    record.endpoint,
                    exchange.status,
                    exchange.error or None,
                    record.attempt_count,
                    exchange.bytes_in,
                    exchange.bytes_out,
                    # ``round`` takes eight times as long as ``floor``.
                    floor(queue * 1e6 + 0.5) / 1e3 if queue else 0.0,
                    floor(connected * 1e6 + 0.5) / 1e3 if connected else connected,
                    None if head is None else floor((head - started) * 1e6 + 0.5) / 1e3,
                    floor((now - started) * 1e6 + 0.5) / 1e3,
                    name,
                    exchange.client,
                    host,
                    agent,
                    _PROTOCOLS.get(exchange.version, "") if method else "",
                    trace,
                    [tried(attempt) for attempt in tries] if tries else None,
                    record.coalesced,
                    record.hedged if tries else False,
                    their,
                    record.cache,
                )
            )
        return lines

    def _shown(self, ended: Ended) -> list[bytes]:
        """The targets, without credentials."""
        shown = []
        for exchange, _ in ended:
            asked = exchange.raw_target
            # Where credentials could stand:
            if _QUESTION in asked or asked[:1] != b"/" or _SEMICOLON in asked or _AT in asked:
                asked = self._show(asked)
            shown.append(asked)
        return shown
