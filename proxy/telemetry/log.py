"""The access log on standard output, everything else on standard error."""

import asyncio
import logging
import random
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from proxy.core.clock import monotonic, wall
from proxy.core.exchange import Exchange
from proxy.core.keys_shown import is_hidden
from proxy.core.redaction import HIDDEN, SECRETS, conceal, redact
from proxy.telemetry.access_log_batch import Ended, Lines
from proxy.telemetry.access_log_line import stamp, written_as_text
from proxy.telemetry.options import LogOptions
from proxy.telemetry.writer import OutputLock, Writer

BATCH: Final = 0.02
"""Seconds over which lines are collected: waking the writer costs more than a line."""
MANY: Final = 64
"""Lines that are written at once, so that a batch does not hold up the loop."""

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
            k: HIDDEN if is_hidden(k) else _concealed(v, record)
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


def configure(options: LogOptions, before: LogOptions | None = None) -> None:
    """Send the standard library's logging to standard error, without what is never shown.

    ``before``: what it went by until now. A level that an operator has set since stays until the
    options say another one.
    """
    redact(options.redact)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if options.format == "json" else ConsoleFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    if before is None or before.level != options.level:
        root.setLevel(options.level.upper())
    logging.captureWarnings(True)


# What goes to standard output


class AccessLog:
    """One line for each request, written by a thread so that a slow reader holds nobody up."""

    __slots__ = (
        "_clock",
        "_closed",
        "_count",
        "_ended",
        "_fd",
        "_format",
        "_handle",
        "_random",
        "_sample",
        "_slow",
        "_text",
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
        lock: OutputLock | None = None,
    ) -> None:
        """``lock``: where other processes write to ``fd`` as well."""
        self._random = (rng or random.Random()).random
        self._wall = wall
        self._clock = clock
        self._format: Callable[[Ended, float], bytes]
        self._text = bytearray()
        self._count = 0
        self._ended: list[tuple[Exchange, float]] = []
        self._handle: asyncio.TimerHandle | None = None
        self._writer = Writer(fd, lock=lock)
        self._fd = fd
        self._closed = False
        self.follow(options)

    def follow(self, options: LogOptions) -> None:
        """Write by these options from now on."""
        self._sample = options.sample
        self._slow = float(options.slow) or float("inf")
        if self._ended:
            self._write_lines()  # as the options said when they ended
        lines, text = Lines(options.redact), written_as_text(self._fd)
        self._format = lines.json
        if options.format == "console":
            self._format = lambda ended, behind: text(lines.of(ended, behind))
        self.record = _nothing
        if options.access and not self._closed:
            self.record = self._record if options.sample >= 1.0 else self._record_some

    def close(self) -> None:
        """Write what is left, or give it up where the reader is stuck; later lines are ignored."""
        self._closed = True
        self.record = _nothing
        self._hand_over()
        self._writer.close()

    def _record(self, exchange: Exchange, now: float) -> None:
        ended = self._ended
        ended.append((exchange, now))
        if self._handle is None:
            self._handle = asyncio.get_running_loop().call_later(BATCH, self._hand_over)
        elif len(ended) >= MANY:
            self._write_lines()

    def _record_some(self, exchange: Exchange, now: float) -> None:
        if (
            exchange.status < 400
            and not exchange.error
            and self._random() >= self._sample
            and now - exchange.started_at < self._slow
        ):
            return
        self._record(exchange, now)

    def _write_lines(self) -> None:
        """Many at a time: one by one, each would find the caches full of everything else."""
        ended, self._ended = self._ended, []
        self._text += self._format(ended, self._wall() - self._clock())
        self._count += len(ended)

    def _hand_over(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._ended:
            self._write_lines()
        if self._count:
            self._writer.put(self._text, self._count)
            self._text, self._count = bytearray(), 0


def _nothing(_exchange: Exchange, _now: float) -> None:
    """What is switched off."""
