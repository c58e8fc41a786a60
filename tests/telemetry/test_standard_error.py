"""Standard error that nobody reads costs lines, never time."""

import contextlib
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from proxy.telemetry import standard_error as module
from proxy.telemetry import writer
from proxy.telemetry.standard_error import PENDING, StandardError

LINE = "x" * 1023 + "\n"


@pytest.fixture
def ends() -> Iterator[list[int]]:
    """Read end and write end; one that a test closes itself it replaces by -1."""
    ends = list(os.pipe())
    yield ends
    for end in ends:
        if end >= 0:
            os.close(end)


def read(end: int, into: bytearray) -> threading.Thread:
    def run() -> None:
        while data := os.read(end, 1 << 16):
            into.extend(data)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def fill(end: int) -> None:
    """Until the pipe takes no more."""
    os.set_blocking(end, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(end, b"-" * 4096)
    os.set_blocking(end, True)


def test_lines_are_written_whole_and_in_order(ends: list[int]) -> None:
    stream = StandardError(ends[1])
    print("one", 2, file=stream)
    stream.write("a lin")
    stream.write("e\nand the r")
    stream.write("est \udcff")
    stream.end()
    assert os.read(ends[0], 1000) == b"one 2\na line\nand the rest \\udcff\n"
    assert stream._writer.dropped == 0


def test_a_reader_that_comes_back_is_told_how_much_it_missed(
    ends: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = StandardError(ends[1])
    log = logging.getLogger("tests.standard_error")
    log.propagate = False
    log.setLevel(logging.INFO)
    log.addHandler(logging.StreamHandler(stream))
    monkeypatch.setattr(module, "_log", log)
    fill(ends[1])  # or the news themselves could be among what is dropped
    lines = 2 * PENDING // len(LINE)
    for _ in range(lines):
        stream.write(LINE)
    dropped = stream._writer.dropped
    assert 0 < dropped < lines
    said = bytearray()
    reader = read(ends[0], said)
    patience = time.monotonic() + 60
    while b"standard error: " not in said and time.monotonic() < patience:
        time.sleep(0.001)
    stream.end()
    os.close(ends[1])
    ends[1] = -1
    reader.join()
    assert said.count(LINE.encode()) == lines - dropped
    told = re.findall(rb"standard error: (\d+) lines? w\w+ dropped\n", bytes(said))
    assert sum(map(int, told)) == dropped  # told in parts where the reader is slow


def test_the_sentence_about_what_was_missed_waits_until_there_is_room_for_it(
    ends: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = StandardError(ends[1])
    told: list[int] = []
    writing = stream._writer
    monkeypatch.setattr(writing, "_tell", lambda _: told.append(writing._given - writing._written))
    for _ in range(2 * PENDING // len(LINE)):
        stream.write(LINE)
    said = bytearray()
    reader = read(ends[0], said)
    patience = time.monotonic() + 60
    while not told and time.monotonic() < patience:
        time.sleep(0.001)
    stream.end()
    os.close(ends[1])
    ends[1] = -1
    reader.join()
    assert told[0] <= PENDING // 2


def test_a_stream_that_fails_complains_to_nobody(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "PATIENCE", 30.0)
    full = os.open("/dev/full", os.O_WRONLY)
    stream = StandardError(full)
    for _ in range(3):
        stream.write(LINE)
    stream.end()
    os.close(full)
    assert stream._writer.dropped == 3
    assert caplog.messages == []


def test_what_is_no_descriptor_stays(capsys: pytest.CaptureFixture[str]) -> None:
    with module.standard_error():
        print("here", file=sys.stderr)
    assert capsys.readouterr().err == "here\n"


def test_a_line_without_end_is_not_kept_without_end(ends: list[int]) -> None:
    stream = StandardError(ends[1])
    said = bytearray()
    reader = read(ends[0], said)
    for _ in range(200):
        stream.write("x" * 1024)
    stream.end()
    os.close(ends[1])
    ends[1] = -1
    reader.join()
    assert said == b"x" * (200 * 1024) + b"\n"
