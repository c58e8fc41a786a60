"""What docs/record.md shows is what happens."""

import asyncio
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.test_guides import demo
from tests.support.process import PATIENCE, Process, started
from tests.test_readme import CONSOLE, steady

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs" / "record.md").read_text(encoding="utf-8")
FILE = re.search(r"^    # (\S+)\n((?:    .*\n|\n)+)", PAGE, re.MULTILINE)
PYTHON = re.findall(r"^```python\n((?s:.*?))^```$", PAGE, re.MULTILINE)
VARIES = re.compile(
    r'\["(?:Date|Server|User-Agent)".*|(?<=wait = )[\d.]+|(?<=\[)\d+\.\d{3}(?=, \d+\])'
)
"""What depends on the day and on what is installed."""

__all__ = ["demo"]


async def shows(process: Process, command: str, shown: str) -> None:
    address = process.http[0]
    shell = await asyncio.create_subprocess_shell(
        command.replace("127.0.0.1:8080", address),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    seen, _ = await shell.communicate()
    assert steady(seen.decode()) == steady(shown)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_page_is_what_happens(demo: str, tmp_path: Path) -> None:
    folder = tmp_path / "tests" / "recording"
    words = re.findall(r"^    sidecar-proxy (.*)$", PAGE, re.MULTILINE)
    assert [line.split()[0] for line in words] == ["record", "replay"]
    record, replay = (
        line.replace("https://api.example.com", demo).replace("tests/recording", str(folder))
        for line in words
    )
    recorded, *replayed = CONSOLE.findall(PAGE)
    async with started(*record.split(), "--listen", "127.0.0.1:0") as process:
        await process.ready()
        await shows(process, *recorded)
        assert await process.stopped() == 0
    async with started(*replay.split(), "--listen", "127.0.0.1:0") as process:
        await process.ready()
        assert len(replayed) == 2
        for command, shown in replayed:
            await shows(process, command, shown)
        assert await process.stopped() == 0
    await asyncio.to_thread(file_is_as_shown, folder)
    await asyncio.to_thread(the_test_of_the_page_passes, tmp_path)


def file_is_as_shown(folder: Path) -> None:
    assert FILE is not None
    shown = re.sub("(?m)^    ", "", FILE[2])
    seen = (folder / FILE[1]).read_text(encoding="utf-8")
    lines = [[VARIES.sub("", line).strip() for line in text.split("\n")] for text in (seen, shown)]
    seen_lines, shown_lines = (list(filter(None, each)) for each in lines)
    assert seen_lines == shown_lines


def the_test_of_the_page_passes(folder: Path) -> None:
    conftest, test = PYTHON
    (folder / "conftest.py").write_text(conftest)
    (folder / "test_mine.py").write_text(test)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        env={"PYTHONPATH": str(TOP), "PATH": "/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=PATIENCE * 3,
        check=False,
    )
    assert "1 passed" in done.stdout, done.stdout
