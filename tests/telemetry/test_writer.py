"""A reader that is slow, stuck or gone costs lines, never time."""

import fcntl
import logging
import os
import re
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.telemetry import writer as module
from proxy.telemetry.writer import PENDING, Writer

BATCH = 1 << 20
LINE = b"x" * 63 + b"\n"


@pytest.fixture
def ends() -> Iterator[list[int]]:
    """Read end and write end; an end that a test closes itself it replaces by -1."""
    ends = list(os.pipe())
    yield ends
    for fd in ends:
        if fd >= 0:
            os.close(fd)


def put(writer: Writer, size: int) -> int:
    """Lines that were put."""
    count = size // len(LINE)
    writer.put(bytearray(LINE * count), count)
    return count


def lines_dropped(caplog: pytest.LogCaptureFixture) -> int:
    found = (re.search(r"(\d+) lines were dropped", text) for text in caplog.messages)
    return sum(int(match[1]) for match in found if match)


def test_everything_is_written_in_order(ends: list[int]) -> None:
    writer = Writer(ends[1])
    for number in range(100):
        writer.put(bytearray(b"%d\n" % number), 1)
    writer.close()
    assert os.read(ends[0], 65536) == b"".join(b"%d\n" % number for number in range(100))
    assert writer.dropped == 0


def test_no_line_no_thread(ends: list[int]) -> None:
    before = threading.active_count()
    writer = Writer(ends[1])
    assert threading.active_count() == before
    writer.close()


def test_a_stuck_reader_costs_lines_beyond_the_bound_and_each_is_counted(
    ends: list[int], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    writer = Writer(ends[1])
    total = sum(put(writer, BATCH) for _ in range(12))
    assert writer.dropped == total - PENDING // len(LINE)
    writer.close()
    assert lines_dropped(caplog) == total
    os.close(ends[0])  # lets the thread go, before the number of its descriptor means another
    ends[0] = -1
    for thread in threading.enumerate():
        if thread.name == "log-writer":
            thread.join(60)


def test_a_reader_that_comes_back_gets_whole_lines_and_the_loss_is_told(
    ends: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    writer = Writer(ends[1])
    total = sum(put(writer, BATCH) for _ in range(12))
    received = bytearray()

    def read() -> None:
        while data := os.read(ends[0], 1 << 20):
            received.extend(data)

    reader = threading.Thread(target=read)
    reader.start()
    writer.close()
    os.close(ends[1])
    ends[1] = -1
    reader.join()
    assert received == LINE * (PENDING // len(LINE))
    assert writer.dropped == lines_dropped(caplog) == total - PENDING // len(LINE)


def test_a_reader_that_is_gone_is_told_of_once(
    ends: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    os.close(ends[0])
    ends[0] = -1
    writer = Writer(ends[1])
    for _ in range(3):
        put(writer, 640)
    writer.close()
    assert writer.dropped == 30
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING] == [
        "access log: cannot write: [Errno 32] Broken pipe",
        "access log: 30 lines were dropped",
    ]


def test_a_named_pipe_with_another_reader_gets_what_comes_then(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its reader was restarted: svlogd, fluent-bit, a script that rotates."""
    path = tmp_path / "log"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    fd = os.open(path, os.O_WRONLY)
    writer = Writer(fd)
    os.close(reader)
    writer.put(bytearray(b"lost\n"), 1)
    while not writer.dropped:
        time.sleep(0.001)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writer.put(bytearray(b"found\n"), 1)
    writer.close()
    assert os.read(reader, 100) == b"found\n"
    assert caplog.messages == [
        "access log: cannot write: [Errno 32] Broken pipe",
        "access log: 1 lines were dropped",
    ]
    for each in (reader, fd):
        os.close(each)


def test_a_full_disk_is_tried_again(
    ends: list[int], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    results: list[OSError | None] = [OSError(28, "No space left on device")] * 2 + [None]
    real = os.write

    def write(fd: int, data: memoryview) -> int:
        if fd == ends[1] and (error := results.pop(0)) is not None:
            raise error
        return real(fd, data)

    monkeypatch.setattr(os, "write", write)
    writer = Writer(ends[1])
    for text in (b"a\n", b"b\n", b"c\n"):
        writer.put(bytearray(text), 1)
    writer.close()
    assert os.read(ends[0], 100) == b"c\n"
    assert caplog.messages == [
        "access log: cannot write: [Errno 28] No space left on device",
        "access log: 2 lines were dropped",
    ]


def test_a_descriptor_that_somebody_made_non_blocking_is_waited_for(ends: list[int]) -> None:
    os.set_blocking(ends[1], False)
    writer = Writer(ends[1])
    count = put(writer, BATCH)
    received = 0
    while received < count * len(LINE):
        received += len(os.read(ends[0], 65536))
    writer.close()
    assert (received, writer.dropped) == (count * len(LINE), 0)


def test_after_the_end_lines_are_only_counted(ends: list[int]) -> None:
    writer = Writer(ends[1])
    writer.close()
    put(writer, 64)
    writer.close()
    assert writer.dropped == 1


def test_what_comes_behind_a_line_that_was_cut_is_a_line_of_its_own(tmp_path: Path) -> None:
    """A pipe that is full keeps its bytes for the next reader: it got two records in one line."""
    path = tmp_path / "log"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    fd = os.open(path, os.O_WRONLY)
    writer = Writer(fd)
    writer.put(bytearray(LINE * 100 + b"y" * 300_000 + b"\n"), 101)
    held = bytearray(4)
    while not any(held):  # one write fills the pipe, in the middle of the long line
        fcntl.ioctl(reader, termios.FIONREAD, held)
    os.close(reader)
    while not writer.dropped:
        time.sleep(0.001)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    os.read(reader, 1000)  # in the middle of a line
    received = bytearray()
    writer.put(bytearray(b"found\n"), 1)
    while b"found" not in received:
        try:
            received += os.read(reader, 1 << 20)
        except BlockingIOError:
            time.sleep(0.001)
    writer.close()
    assert received.splitlines()[-1] == b"found"
    for each in (reader, fd):
        os.close(each)
