"""What the process itself uses."""

import mmap
import os
import time

import pytest

from proxy.telemetry.process import describe


def told() -> dict[str, float]:
    return {sample.name: float(sample.value) for sample in describe()}


def test_everything_is_told_where_the_system_tells_it() -> None:
    assert set(told()) == {
        "process_cpu_seconds",
        "process_resident_memory_bytes",
        "process_virtual_memory_bytes",
        "process_start_time_seconds",
        "process_open_fds",
        "process_max_fds",
    }


def test_processor_time_grows_with_work() -> None:
    before = told()["process_cpu_seconds"]
    while told()["process_cpu_seconds"] < before + 0.01:  # it would hang if it stood still
        pass


def test_open_files_are_counted() -> None:
    before = told()["process_open_fds"]
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(10)]
    try:
        assert told()["process_open_fds"] == before + 10
    finally:
        for descriptor in opened:
            os.close(descriptor)


def test_memory_is_what_is_in_use() -> None:
    size = 64 << 20
    # Not from the heap, which may have as much free already.
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as held:
        before = told()["process_resident_memory_bytes"]
        for page in range(0, size, mmap.PAGESIZE):
            held[page] = 1
        assert told()["process_resident_memory_bytes"] >= before + size // 2
    assert told()["process_virtual_memory_bytes"] > told()["process_resident_memory_bytes"]


def test_the_process_began_before_now() -> None:
    began = told()["process_start_time_seconds"]
    assert time.time() - 86_400 * 365 < began <= time.time() + 2
    assert told()["process_start_time_seconds"] == pytest.approx(began, abs=2)
