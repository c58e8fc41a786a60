"""A pause of the loop is seen, and named by what ran."""

import asyncio
import time
from pathlib import Path

from benchmarks.pauses import Watch


def a_file_is_read() -> None:
    time.sleep(0.2)


async def test_what_holds_the_loop_up_is_named(tmp_path: Path) -> None:
    report = tmp_path / "pauses.txt"
    watch = Watch(report)
    watch.install(asyncio.get_running_loop())
    try:
        await asyncio.sleep(0.02)
        a_file_is_read()
        async with asyncio.timeout(30):
            while not (report.exists() and "a_file_is_read" in report.read_text()):  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.01)
    finally:
        watch.close()
