"""What the log says, and that it never holds anybody up."""

import asyncio
import json
import logging
import os
import random
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.exchange import Exchange
from proxy.core.record import HEDGED, Attempt, Record
from proxy.telemetry import log as module
from proxy.telemetry.log import MANY, AccessLog, configure
from proxy.telemetry.options import LogOptions

WALL = 1_700_000_000.1239


class Pipe:
    """A pipe whose reader reads when it is told to."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()

    def lines(self) -> list[str]:
        """What was written in all; ends the pipe."""
        os.close(self.writer)
        with os.fdopen(self.reader, "rb") as reader:
            self.reader = self.writer = -1
            return reader.read().decode().split("\n")[:-1]

    def close(self) -> None:
        for fd in (self.reader, self.writer):
            if fd >= 0:
                os.close(fd)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


def exchange(**known: Any) -> Exchange:
    made = Exchange("GET", b"/", (), b"/v1/items?x=1", started_at=100.0, request_id="abc")
    for name, value in ({"status": 200} | known).items():
        setattr(made.record if hasattr(Record, name) else made, name, value)
    return made


async def written(pipe: Pipe, *exchanges: Exchange, **options: Any) -> list[str]:
    log = AccessLog(
        LogOptions(**options),
        pipe.writer,
        wall=lambda: WALL + 0.02,  # a line is written somewhat later
        clock=lambda: 100.52,
        rng=random.Random(1),
    )
    for one in exchanges:
        log.record(one, 100.5)
    log.close()
    return pipe.lines()


async def test_a_line_has_exactly_the_keys_of_the_contract_in_their_order(pipe: Pipe) -> None:
    full = exchange(
        route="/v1",
        upstream="api",
        endpoint="http://10.0.0.1:9000",
        attempt_count=1,
        bytes_in=3,
        bytes_out=178,
        connect_s=0.0012346,
        first_byte_at=100.25,
        client="192.0.2.7",
        target=b"/rewritten",
        host="api.example",
        headers=[
            (b"Accept", b"*/*"),
            (b"User-Agent", b"curl/8.5 (x)"),
            (b"traceparent", b"00-" + b"ab" * 16 + b"-" + b"cd" * 8 + b"-01"),
        ],
        attempt_log=(Attempt("http://10.0.0.2:9000", HEDGED, 0.1),),
        coalesced=True,
    )
    [line] = await written(pipe, full)
    assert list(json.loads(line).items()) == [
        ("time", "2023-11-14T22:13:20.123Z"),
        ("method", "GET"),
        ("target", "/v1/items?x=1"),
        ("route", "/v1"),
        ("upstream", "api"),
        ("endpoint", "http://10.0.0.1:9000"),
        ("status", 200),
        ("error", None),
        ("attempts", 1),
        ("bytes_in", 3),
        ("bytes_out", 178),
        ("queue_ms", 0),
        ("connect_ms", 1.235),
        ("first_byte_ms", 250.0),
        ("total_ms", 500.0),
        ("request_id", "abc"),
        ("client", "192.0.2.7"),
        ("host", "api.example"),
        ("user_agent", "curl/8.5 (x)"),
        ("protocol", "HTTP/1.1"),
        ("trace_id", "ab" * 16),
        ("tries", [{"endpoint": "http://10.0.0.2:9000", "outcome": "hedged", "ms": 100.0}]),
        ("coalesced", True),
        ("hedged", True),
    ]


async def test_a_phase_that_never_came_is_null(pipe: Pipe) -> None:
    [line] = await written(pipe, exchange(status=502, error="connection_refused"))
    told = json.loads(line)
    assert (told["connect_ms"], told["first_byte_ms"], told["total_ms"]) == (None, None, 500.0)
    assert told["error"] == "connection_refused"


@pytest.mark.parametrize("format", ["json", "console"])
@pytest.mark.parametrize(
    ("target", "shown"),
    [
        (b"/a%0Ab?c d", "/a%0Ab?c d"),
        (b"/a\r\nGET /forged", "/a%0D%0AGET%20/forged"),
        (b"/caf\xe9\xff", "/caf%E9%FF"),
        (b"/\x1b[31m\x00\x7f", "/%1B[31m%00%7F"),
        ("/\u2028".encode(), "/%E2%80%A8"),
    ],
)
async def test_a_target_cannot_forge_a_line(
    pipe: Pipe, format: Literal["json", "console"], target: bytes, shown: str
) -> None:
    [line] = await written(pipe, exchange(raw_target=target), format=format)
    assert (json.loads(line)["target"] == shown) if format == "json" else (f" {shown} " in line)


@given(
    target=st.binary(), name=st.text(st.characters()), format=st.sampled_from(["json", "console"])
)
def test_whatever_a_client_sends_is_one_line_of_text(
    target: bytes, name: str, format: Literal["json", "console"]
) -> None:
    pipe = Pipe()
    one = exchange(target=target, method=name, request_id=name)
    [line] = asyncio.run(written(pipe, one, format=format))
    assert line.isascii()
    assert line.isprintable()
    assert line.splitlines() == [line]


async def test_text_for_a_terminal_says_what_matters(pipe: Pipe) -> None:
    lines = await written(
        pipe,
        exchange(upstream="api", endpoint="http://a:1", first_byte_at=100.25, bytes_out=5),
        exchange(status=504, error="connection_timeout", attempt_count=3),
        format="console",
    )
    assert lines == [
        "22:13:20.123 200 GET /v1/items?x=1 500.0 ms (first byte 250.0) in 0 out 5"
        " api http://a:1 abc",
        "22:13:20.123 504 GET /v1/items?x=1 500.0 ms in 0 out 0 attempts 3 connection_timeout abc",
    ]


@pytest.mark.parametrize(
    ("sample", "known", "least", "most"),
    [
        (1.0, {}, 400, 400),
        (0.0, {}, 0, 0),
        (0.25, {}, 75, 125),
        (0.0, {"status": 400}, 400, 400),
        (0.0, {"status": 499}, 400, 400),
        (0.0, {"error": "http_response_incomplete"}, 400, 400),
    ],
)
async def test_a_sample_holds_its_share_and_every_failure(
    pipe: Pipe, sample: float, known: dict[str, Any], least: int, most: int
) -> None:
    lines = await written(
        pipe, *[exchange(target=b"/", **known)] * 400, sample=sample, format="console"
    )
    assert least <= len(lines) <= most


async def test_nothing_is_written_where_the_access_log_is_off(pipe: Pipe) -> None:
    assert await written(pipe, exchange(status=500), access=False) == []


async def test_lines_are_handed_over_together_after_a_while(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 0.001)
    log = AccessLog(LogOptions(), pipe.writer)
    log.record(exchange(), 100.5)
    log.record(exchange(), 100.5)
    loop = asyncio.get_running_loop()
    received = await loop.run_in_executor(None, os.read, pipe.reader, 65536)
    assert received.count(b"\n") == 2
    log.record(exchange(), 100.5)
    received = await loop.run_in_executor(None, os.read, pipe.reader, 65536)
    assert received.count(b"\n") == 1
    log.close()


async def test_close_writes_everything_so_far_and_nothing_later(pipe: Pipe) -> None:
    log = AccessLog(LogOptions(), pipe.writer)
    log.record(exchange(), 100.5)
    log.close()
    log.close()
    log.record(exchange(), 100.5)
    assert len(pipe.lines()) == 1


# Standard error


@pytest.fixture
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


@pytest.mark.usefixtures("logging_as_it_was")
def test_the_log_of_events_is_one_object_a_line_on_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure(LogOptions(level="info"))
    configure(LogOptions(level="info"))
    log = logging.getLogger("proxy.test")
    log.debug("below the level")
    log.info("first\nsecond %s", "arg", extra={"upstream": "api", "limit": 3})
    try:
        raise ValueError("broken")
    except ValueError:
        log.exception("it failed")
    out, err = capsys.readouterr()
    first, second = (json.loads(line) for line in err.splitlines())
    assert out == ""
    assert list(first) == ["time", "level", "logger", "message", "upstream", "limit"]
    assert list(first.values())[1:] == ["info", "proxy.test", "first\nsecond arg", "api", 3]
    assert second["level"] == "error"
    assert second["exception"].endswith("ValueError: broken")


@pytest.mark.usefixtures("logging_as_it_was")
@pytest.mark.parametrize("extra", [{"a": "\ud800"}, {"a": object()}, {"a": {1, 2}}, {"a": b"\xff"}])
def test_a_log_line_never_fails(
    capsys: pytest.CaptureFixture[str], extra: dict[str, object]
) -> None:
    configure(LogOptions())
    logging.getLogger("proxy.test").warning("odd", extra=extra)
    [line] = capsys.readouterr().err.splitlines()
    assert "odd" in json.loads(line)["message"]


@pytest.mark.usefixtures("logging_as_it_was")
def test_the_log_of_events_can_be_text(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogOptions(level="warning", format="console"))
    logging.getLogger("proxy.test").info("below the level")
    logging.getLogger("proxy.test").warning("look")
    [line] = capsys.readouterr().err.splitlines()
    assert line[12:] == " warning proxy.test: look"


async def test_attempts_are_listed_where_there_was_more_than_one(pipe: Pipe) -> None:
    tries = (Attempt("http://a", "503", 0.0123456), Attempt("http://b", "200", 0.5))
    several, alone = await written(pipe, exchange(attempt_log=tries), exchange())
    assert json.loads(several)["tries"] == [
        {"endpoint": "http://a", "outcome": "503", "ms": 12.346},
        {"endpoint": "http://b", "outcome": "200", "ms": 500.0},
    ]
    assert "tries" not in json.loads(alone)


async def test_many_lines_are_written_before_their_time(pipe: Pipe) -> None:
    """Formatting all of a busy moment at its end would hold up the loop."""
    log = AccessLog(LogOptions(), pipe.writer)
    for _ in range(MANY - 1):
        log.record(exchange(), 100.5)
    assert not log._text
    log.record(exchange(), 100.5)
    assert bytes(log._text).count(b"\n") == MANY
    log.close()
    assert len(pipe.lines()) == MANY
