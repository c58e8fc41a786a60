"""The access log on standard output, everything else on standard error."""

import asyncio
import logging
import random
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from proxy.core.clock import monotonic, wall
from proxy.core.exchange import Exchange
from proxy.core.redaction import HIDDEN, SECRETS, conceal
from proxy.core.targets_shown import Targets
from proxy.telemetry.access_log_line import (
    Line,
    escaped,
    named_by,
    printable,
    tried,
    written_as_json,
    written_as_text,
)
from proxy.telemetry.options import LogOptions
from proxy.telemetry.writer import Turn, Writer

BATCH: Final = 0.02
"""Seconds over which lines are collected: waking the writer costs more than a line."""
MANY: Final = 64
"""Lines that are written at once, so that a batch does not hold up the loop."""

_PROTOCOLS: Final = {(1, 0): "HTTP/1.0", (1, 1): "HTTP/1.1"}
_ENDS: Final = [f"{number:03}Z" for number in range(1000)]  # of stamps
_PLAIN: Final = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", SECRETS}


# What goes to standard error


class JsonFormatter(logging.Formatter):
    """One object a line; what a caller gave as ``extra`` becomes keys of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, Any] = {
            "time": stamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": conceal(record.getMessage(), _sent(record)),
        }
        line |= {
            k: _concealed(v, record)
            for k, v in vars(record).items()
            if k not in _PLAIN and k not in line
        }
        if record.exc_info:
            line["exception"] = conceal(self.formatException(record.exc_info), _sent(record))
        try:
            return msgspec.json.encode(line, enc_hook=str).decode()
        except (
            Exception
        ):  # a log line never fails: lone surrogates, odd keys, a __str__ that raises
            return msgspec.json.encode({k: ascii(v) for k, v in line.items()}).decode()


def _concealed(value: object, record: logging.LogRecord) -> Any:
    """What a caller gave beside a text, which may hold as much as the text."""
    if isinstance(value, str):
        return conceal(value, _sent(record))
    if isinstance(value, dict):
        return {str(k): _concealed(v, record) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_concealed(each, record) for each in value]
    if isinstance(value, float):  # a Duration too: its text is for files of configuration
        return float(value)
    if isinstance(value, int):  # a Size too
        return value if isinstance(value, bool) else int(value)
    return None if value is None else conceal(str(value), _sent(record))


def _sent(record: logging.LogRecord) -> Iterable[str]:
    """The credentials of the request that a record is about, where its writer has named them."""
    found: Iterable[str] = vars(record).get(SECRETS, ())
    return found


class ConsoleFormatter(logging.Formatter):
    """Text for a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        name, text = record.name, conceal(super().format(record), _sent(record))
        return f"{stamp(record.created)[11:-1]} {record.levelname.lower():7} {name}: {text}"


def configure(options: LogOptions) -> None:
    """Send the standard library's logging to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if options.format == "json" else ConsoleFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(options.level.upper())
    logging.captureWarnings(True)


# What goes to standard output


class AccessLog:
    """One line for each request, written by a thread so that a slow reader holds nobody up."""

    __slots__ = (
        "_append",
        "_clock",
        "_closed",
        "_count",
        "_ended",
        "_fd",
        "_handle",
        "_lines",
        "_random",
        "_sample",
        "_second",
        "_second_text",
        "_show",
        "_slow",
        "_unnamed",
        "_wall",
        "_writer",
        "record",
    )

    record: Callable[[Exchange, float], None]
    """Write a line for an exchange that has ended ``now``, a time of ``time.monotonic``."""

    def __init__(
        self,
        options: LogOptions,
        fd: int = 1,
        *,
        wall: Callable[[], float] = wall,
        clock: Callable[[], float] = monotonic,
        rng: random.Random | None = None,
        turn: Turn | None = None,
    ) -> None:
        """``turn``: where other processes write to ``fd`` as well."""
        self._random = (rng or random.Random()).random
        self._wall = wall
        self._clock = clock
        self._second = -1
        self._second_text = ""
        self._lines = bytearray()
        self._count = 0
        self._ended: list[tuple[Exchange, float]] = []
        self._handle: asyncio.TimerHandle | None = None
        self._writer = Writer(fd, turn=turn)
        self._fd = fd
        self._closed = False
        self.follow(options)

    def follow(self, options: LogOptions) -> None:
        """Write by these options from now on."""
        self._sample = options.sample
        self._slow = float(options.slow) or float("inf")
        self._show = Targets(options.redact).show
        self._unnamed = "x-request-id" in map(str.lower, options.redact)
        self._append = written_as_json if options.format == "json" else written_as_text(self._fd)
        self.record = self._record if options.access and not self._closed else _nothing

    @property
    def dropped(self) -> int:
        """Lines that nobody will read."""
        return self._writer.dropped

    def flush(self) -> None:
        """Wait until every line so far is written, or until the reader counts as stuck."""
        self._hand_over()
        self._writer.flush()

    def close(self) -> None:
        """Write what is left, or give it up where the reader is stuck; later lines are ignored."""
        self._closed = True
        self.record = _nothing
        self._hand_over()
        self._writer.close()

    def _record(self, exchange: Exchange, now: float) -> None:
        if (
            self._sample < 1.0
            and exchange.status < 400
            and not exchange.error
            and self._random() >= self._sample
            and now - exchange.started_at < self._slow
        ):
            return
        ended = self._ended
        ended.append((exchange, now))
        if len(ended) >= MANY:
            self._write_lines()
        if self._handle is None:
            self._handle = asyncio.get_running_loop().call_later(BATCH, self._hand_over)

    def _write_lines(self) -> None:
        """Many at a time: one by one, each would find the caches full of everything else."""
        ended, self._ended = self._ended, []
        behind = self._wall() - self._clock()
        for exchange, now in ended:
            self._append(self._line(exchange, now, behind + now), self._lines)
        self._count += len(ended)

    def _line(self, exchange: Exchange, now: float, wall: float) -> Line:
        second = int(wall)
        if second != self._second:
            self._second = second
            self._second_text = stamp(second)[:-4]
        asked = exchange.raw_target
        # Where credentials could stand:
        if b"?" in asked or asked[:1] != b"/" or b";" in asked or b"@" in asked:
            asked = self._show(asked)
        record, started = exchange.record, exchange.started_at
        connected, first_byte = record.connect_s, record.first_byte_at
        user_agent, trace_id = named_by(exchange)
        tries = record.attempt_log
        method, host, name = exchange.method, exchange.host, exchange.request_id
        theirs, target = record.upstream_request_id, asked.decode("latin-1")
        all_of_them = f"{method}{host}{name}{theirs}{target}"  # nearly always it is all plain text
        if not (all_of_them.isascii() and all_of_them.isprintable()):
            method, host, name, theirs = map(printable, (method, host, name, theirs))
            target = escaped(asked)
        return Line(
            self._second_text + _ENDS[int((wall - second) * 1000)],
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
            int(record.queue_s * 1e6 + 0.5) / 1e3,  # ``round`` takes eight times as long
            None if connected is None else int(connected * 1e6 + 0.5) / 1e3,
            None if first_byte is None else int((first_byte - started) * 1e6 + 0.5) / 1e3,
            int((now - started) * 1e6 + 0.5) / 1e3,
            HIDDEN if self._unnamed else name,
            exchange.client,
            host,
            user_agent,
            _PROTOCOLS.get(exchange.version, "") if method else "",
            trace_id,
            [tried(attempt) for attempt in tries] if tries else None,
            record.coalesced,
            record.hedged if tries else False,
            upstream_request_id=theirs,
            cache=record.cache,
        )

    def _hand_over(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._ended:
            self._write_lines()
        if self._count:
            self._writer.put(self._lines, self._count)
            self._lines, self._count = bytearray(), 0


def stamp(wall: float) -> str:
    """ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _nothing(_exchange: Exchange, _now: float) -> None:
    """What is switched off."""
