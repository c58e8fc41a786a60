"""The lines of many exchanges at a time.

One by one, each would find the processor's caches full of everything else, and the same questions
would be asked for each. What clients have sent is nearly always plain text; whether it was can be
seen in what has been written, for all of a batch at once (docs/decisions/0012).
"""

import contextlib
from collections.abc import Sequence
from math import floor
from typing import Final, TypeAlias

from proxy.core.exchange import Exchange
from proxy.core.keys_shown import hidden_keys
from proxy.core.redaction import HIDDEN
from proxy.core.targets_shown import Targets
from proxy.telemetry.access_log_line import (
    AGENTS,
    Line,
    encode_lines,
    escaped,
    named_by,
    printable,
    stamp,
    tried,
)
from proxy.telemetry.attempts import all_tries

Ended: TypeAlias = Sequence[tuple[Exchange, float]]
"""Exchanges, and when each ended: a time of ``time.monotonic``."""

_PROTOCOLS: Final = {(1, 0): "HTTP/1.0", (1, 1): "HTTP/1.1"}
_ENDS: Final = [f"{number:03}Z" for number in range(1000)]  # of stamps
# ``b"?" in target`` takes eight times as long as this number: it is tried as a number first.
_SLASH, _QUESTION, _SEMICOLON, _HASH, _AT, _BACKSLASH, _DELETE = b"/?;#@\\\x7f"


class Lines:
    """Makes them."""

    __slots__ = ("_hidden", "_leaves", "_second", "_second_text", "_show")

    def __init__(self, redact: Sequence[str]) -> None:
        """``redact``: ``[log] redact``."""
        targets = Targets(redact)
        self._show, self._leaves = targets.show, targets.leaves
        self._hidden = hidden_keys(redact)
        self._second = -1
        self._second_text = ""

    def json(self, ended: Ended, behind: float) -> bytes:
        """One object a line. ``behind``: what has to be added to a time of theirs to make it one
        of the day."""
        with contextlib.suppress(UnicodeEncodeError):  # lone surrogates: bytes that are no UTF-8
            text = encode_lines(self.of(ended, behind, plain=True))
            # JSON escapes what is no text by a backslash, all but this one.
            if text.isascii() and _BACKSLASH not in text and _DELETE not in text:
                return text
        return encode_lines(self.of(ended, behind))

    def of(self, ended: Ended, behind: float, *, plain: bool = False) -> list[Line]:
        """``plain``: whether what clients have sent may be taken as it is."""
        lines: list[Line] = []
        second = self._second
        as_sent = plain and self._leaves([exchange.raw_target for exchange, _ in ended])
        for exchange, now in ended:
            asked = exchange.raw_target
            # Where credentials could stand:
            if not as_sent and (
                not asked
                or asked[0] != _SLASH
                or _QUESTION in asked
                or _SEMICOLON in asked
                or _HASH in asked
                or _AT in asked
            ):
                asked = self._show(asked)
            wall = behind + now
            if not second <= wall < second + 1:
                second = self._second = floor(wall)
                self._second_text = stamp(second)[:-4]
            # As ``named_by`` has it, without a call.
            known = exchange.encoded
            if (
                known is not None
                and known.agent is not None
                and known.fields is (exchange.headers if exchange.heard is None else exchange.heard)
            ):
                agent = AGENTS[known.agent]
                trace = known.trace[3:35].decode() if known.trace else exchange.request_id
            else:
                agent, trace = named_by(exchange)
            record, started = exchange.record, exchange.started_at
            queue, connected, head = record.queue_s, record.connect_s, record.first_byte_at
            tries, method, host = record.attempt_log, exchange.method, exchange.host
            name, theirs = exchange.request_id, record.upstream_request_id
            if not plain:
                method, host, name = map(printable, (method, host, name))
                theirs = escaped(theirs.encode("latin-1"))  # as it came: bytes, not text
            lines.append(
                Line(
                    self._second_text + _ENDS[floor((wall - second) * 1000)],
                    method,
                    asked.decode("latin-1") if plain else escaped(asked),
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
                    record.cache,
                    [tried(each) for each in all_tries(exchange, now)] if tries else None,
                    record.coalesced,
                    record.hedged if tries else False,
                    theirs,
                )
            )
        for hidden in self._hidden:
            for line in lines:
                if getattr(line, hidden):
                    setattr(line, hidden, HIDDEN)
        return lines
